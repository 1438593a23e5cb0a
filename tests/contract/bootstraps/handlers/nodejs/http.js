'use strict';
// FC 2 HTTP handlers.

const Readable = require('stream').Readable;
const bytes = (text) => (Buffer.alloc ? Buffer.from(text) : new Buffer(text));

exports.inspect = (req, resp, context) => {
  resp.setStatusCode(201);
  resp.setHeader('content-type', 'application/json');
  resp.setHeader('X-Id', context.requestId);
  resp.setHeader('X-List', ['a', 'b']);
  resp.setHeader('X-Gone', '1');
  resp.setHeader('Content-Length', '999');
  if (resp.hasHeader('x-gone')) resp.deleteHeader('X-GONE');
  resp.send(JSON.stringify({
    headers: req.headers, method: req.method, path: req.path, url: req.url, queries: req.queries, clientIP: req.clientIP,
    body: req.body.toString(), isBuffer: Buffer.isBuffer(req.body), has: resp.hasHeader('x-gone'),
  }));
};
exports.readStream = (req, resp) => {
  const parts = [];
  req.on('data', (part) => parts.push(part));
  req.on('end', () => resp.send(Buffer.concat(parts)));
};
exports.stream = (req, resp) => {
  let left = 3;
  resp.setStatusCode(202);
  resp.send(new Readable({ read: function () { this.push(left-- ? bytes('part' + left + ' ') : null); } }));
};
exports.largeStream = (req, resp) => {
  let left = 64;
  resp.send(new Readable({ read: function () { this.push(left-- ? bytes('0123456789abcdef'.repeat(4096)) : null); } }));
};
exports.brokenStream = (req, resp) => {
  let left = 2;
  resp.send(new Readable({ read: function () {
    if (--left) this.push('begun');
    else setTimeout(() => this.emit('error', new Error('the source broke')), 5);
  } }));
};
exports.failedStream = (req, resp) => {
  resp.send(new Readable({ read: function () { setTimeout(() => this.emit('error', new Error('no source')), 1); } }));
};
exports.twice = (req, resp) => { resp.send('first'); resp.send('second'); };
exports.nothing = (req, resp) => resp.send();
exports.object = (req, resp) => resp.send({ a: 1 });
exports.split = (req, resp) => { resp.setHeader('x-evil', 'a\r\nx-more: b'); resp.send('sent'); };
exports.status = (req, resp) => { resp.setStatusCode('many'); resp.send('sent'); };
exports.thrown = () => { throw new TypeError('no page'); };
exports.rejected = () => Promise.reject(new TypeError('no page'));
exports.mirror = (req, resp) => { resp.setHeader('X-Mine', req.headers['x-mine']); resp.send(req.body); };
