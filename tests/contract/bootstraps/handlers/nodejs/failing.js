'use strict';

class OrderError extends Error {
  constructor(message) {
    super(message);
    this.name = 'OrderError';
  }
}

exports.recovers = (event, context, callback) => {
  if (event.toString() === 'fail') throw new Error('asked to');
  callback(null, 'fine');
};
exports.handledError = (event, context, callback) => callback(new OrderError('oops'));
exports.handledText = (event, context, callback) => callback('just text');
exports.handledObject = (event, context, callback) => callback({ code: 7 });
exports.thrown = function thrown() { throw new OrderError('oops'); };
exports.thrownText = () => { throw 'just text'; };
exports.rejected = () => Promise.reject(new OrderError('oops'));
exports.uncaught = () => { setTimeout(() => { throw new OrderError('oops'); }, 1); };
exports.unhandledRejection = () => { Promise.reject(new OrderError('oops')); };
exports.exits = () => { process.stdout.write('bye\n'); process.exit(3); };
exports.fillsTheLog = () => {
  for (let i = 0; i < 3000; i++) process.stdout.write(i + 'x'.repeat(995) + '\n');
  process.exit(0);
};
exports.long = (event, context, callback) => callback(new Error('é'.repeat(400 * 1024)));
exports.late = (event, context, callback) => {
  callback(null, 'fine');
  return Promise.reject(new OrderError('after the answer'));
};
exports.notFunction = 3;
