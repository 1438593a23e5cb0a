'use strict';
// What a function writes past the console.

exports.prints = (event, context, callback) => {
  process.stdout.write('first\n');
  process.stderr.write('second\n');
  process.stdout.write('no newline');
  callback(null, 'ok');
};
