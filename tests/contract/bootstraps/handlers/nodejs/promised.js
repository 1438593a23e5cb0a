'use strict';
// `async` functions, which nodejs4.4 and nodejs6 can not parse.

exports.value = async (event) => ({ got: event.toString() });
exports.nothing = async () => {};
exports.both = async (event, context, callback) => { callback(null, 'by callback'); return 'by value'; };
exports.plainReturn = (event, context, callback) => { setTimeout(() => callback(null, 'by callback'), 5); return 'ignored'; };
exports.initialize = async (context) => { console.log('awaited ' + context.requestId); };
exports.failing = async () => { throw new TypeError('not today'); };
