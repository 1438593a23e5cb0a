'use strict';
// What no sane function gives back.

exports.circular = (event, context, callback) => {
  const ring = {};
  ring.self = ring;
  callback(null, ring);
};
exports.circular_error = (event, context, callback) => {
  const ring = {};
  ring.self = ring;
  callback(ring);
};
exports.surrogate = (event, context, callback) => callback(null, '\ud800');
exports.symbol = (event, context, callback) => callback(null, Symbol('odd'));

function evil() {
  const error = new Error('hidden');
  Object.defineProperty(error, 'message', { get: () => { throw new RangeError('no message'); } });
  return error;
}
exports.evil_error = () => { throw evil(); };
exports.evil_callback = (event, context, callback) => callback(evil());
exports.evil_value = (event, context, callback) => callback(null, { toJSON: () => { throw new RangeError('no value'); } });
exports.endless = (event, context, callback) => exports.endless(event, context, callback);
exports.large = (event, context, callback) => callback(null, 'x'.repeat(Number(event.toString())));
exports.null_rejection = () => Promise.reject(null);
