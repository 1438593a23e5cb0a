'use strict';

let state = 'untouched';

exports.initialize = function (context, callback) {
  state = 'initialized ' + arguments.length + ' ' + context.requestId;
  console.log('initializing');
  callback(null, 'ignored');
};
exports.handler = (event, context, callback) => callback(null, state);
exports.preStop = (context, callback) => { console.log('stopping ' + state.split(' ')[0]); callback(null, ''); };
exports.preFreeze = (context, callback) => { console.log('freezing'); callback(null, ''); };
exports.failing = (context, callback) => callback(new TypeError('no database'));
exports.promised = (context) => Promise.resolve(context.requestId).then(() => { state = 'promised'; });
exports.throwing = () => { throw new RangeError('out of range'); };
