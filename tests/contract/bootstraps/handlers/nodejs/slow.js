'use strict';
// Requests that take as long as the test wants.

const met = {};

exports.meets = (event, context, callback) => {
  const name = event.toString();
  met[name] = true;
  const timer = setInterval(() => {
    if (!met.a || !met.b) return;
    clearInterval(timer);
    console.info(name + ' met');
    callback(null, event);
  }, 1);
};
