'use strict';

exports.handler = (event, context, callback) => {
  process.stdout.write('verbatim out\n');
  process.stderr.write('verbatim err\n');
  console.log('log %s', 'formatted', { a: 1 });
  console.info('info');
  console.warn('warn');
  console.error('error');
  console.debug('debug');
  context.logger.log('logger log');
  context.logger.info('logger info');
  context.logger.warn('logger warn');
  context.logger.error('logger error');
  context.logger.debug('logger debug');
  console.log('two\nlines');
  callback(null, '');
};
exports.levelled = (event, context, callback) => {
  (event.toString() === 'console' ? console : context.logger).setLogLevel('warn');
  console.info('hidden');
  console.warn('shown');
  process.stdout.write('verbatim\n');
  callback(null, '');
};
exports.much = (event, context, callback) => {
  for (let i = 0; i < 20000; i++) console.log('line ' + i);
  callback(null, 'done');
};
exports.background = (event, context, callback) => {
  setTimeout(() => console.log('from the background'), 1);
  setTimeout(() => callback(null, ''), 20);
};
