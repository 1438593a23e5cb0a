'use strict';
// FC 2 HTTP handlers: `(req, resp, context)` (runtime-contract.md §2.9). Loaded by the first HTTP request.

const querystring = require('querystring');
const Readable = require('stream').Readable;
const wire = require('./wire');

const MAX_STREAM = 128 * 1024 * 1024;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/;
// The emulator's own headers, and what concerns this connection only.
const HIDDEN = /^(x-fc-|x-fclocal-|connection$|keep-alive$|transfer-encoding$)/;
const FRAMING = { 'content-length': true, 'transfer-encoding': true, 'connection': true, 'keep-alive': true };

function buildRequest(request) {
  const headers = request.headers;
  const uri = headers['x-fclocal-request-uri'] || request.target;
  const query = request.target.indexOf('?');
  const req = new Readable({ read: () => {} });
  req.headers = {};
  Object.keys(headers).forEach((name) => {
    if (!HIDDEN.test(name)) req.headers[name] = headers[name];
  });
  req.method = request.method;
  req.path = query < 0 ? request.target : request.target.slice(0, query);
  req.url = uri;
  req.queries = query < 0 ? {} : querystring.parse(request.target.slice(query + 1), '&', '=', { maxKeys: 0 });
  req.clientIP = headers['x-fc-client-ip'] || '';
  req.body = request.body;
  if (request.body.length) req.push(request.body);
  req.push(null);
  return req;
}

function Response(call) {
  this._call = call;
  this._status = 200;
  this._headers = Object.create(null);
}

Response.prototype.setStatusCode = function (status) {
  const number = Number(status);
  if (!(number >= 100 && number <= 999) || Math.floor(number) !== number) {
    throw new TypeError("Invalid status code '" + status + "'");
  }
  this._status = number;
};

Response.prototype.setHeader = function (name, value) {
  const values = (Array.isArray(value) ? value : [value]).map(String);
  if (!NAME.test(name)) throw new TypeError("Invalid header name '" + name + "'");
  if (values.some((text) => FORBIDDEN.test(text))) {
    throw new TypeError("Invalid character in the value of header '" + name + "'");
  }
  this._headers[String(name).toLowerCase()] = { name: String(name), values: values };
};

Response.prototype.deleteHeader = function (name) {
  delete this._headers[String(name).toLowerCase()];
};

Response.prototype.hasHeader = function (name) {
  return String(name).toLowerCase() in this._headers;
};

Response.prototype._lines = function () {
  let text = '';
  Object.keys(this._headers).forEach((key) => {
    if (FRAMING[key]) return;  // framing is ours
    const header = this._headers[key];
    header.values.forEach((value) => { text += header.name + ': ' + value + '\r\n'; });
  });
  return text;
};

/** Answer with a Buffer, a string or a readable stream. The first call wins. */
Response.prototype.send = function (body) {
  const call = this._call;
  if (call.settled) return;
  if (body && typeof body.pipe === 'function') {
    sendStream(call, this, body);
    return;
  }
  if (body === undefined || body === null) body = '';
  if (typeof body !== 'string' && !Buffer.isBuffer(body)) {
    throw new TypeError('resp.send() takes a Buffer, a string or a stream.Readable');
  }
  call.settle();
  call.connection.answer(this._status, this._lines(), typeof body === 'string' ? wire.bytes(body) : body);
};

// Until the first piece the answer may still be an error; after it only a broken connection tells of one.
function sendStream(call, response, stream) {
  const connection = call.connection;
  let sent = 0;
  let begun = false;
  let broken = false;
  let ended = false;

  function begin() {
    if (begun) return true;
    if (!call.settle()) return false;
    begun = true;
    connection.begin(response._status, response._lines());
    return true;
  }
  function fail(error) {
    if (broken) return;
    broken = true;
    call.crash(error);  // answers, unless the answer has begun: then it is logged only
    if (begun) connection.abort();
  }
  stream.on('data', (data) => {
    if (broken || !begin()) return;
    const piece = Buffer.isBuffer(data) ? data : wire.bytes(String(data));
    sent += piece.length;
    if (sent > MAX_STREAM) {
      fail(new Error('the response stream is larger than ' + MAX_STREAM + ' bytes'));
    } else if (!connection.piece(piece)) {
      stream.pause();
      connection.socket.once('drain', () => stream.resume());
    }
  });
  // The caller went away: nobody will read the rest.
  function cancel() {
    broken = true;
    if (typeof stream.destroy === 'function') stream.destroy();
  }
  stream.on('end', () => {
    ended = true;
    connection.socket.removeListener('close', cancel);
    if (!broken && begin()) connection.finish();
  });
  stream.on('error', fail);
  stream.on('close', () => { if (!ended) fail(new Error('the response stream closed before its end')); });
  connection.socket.once('close', cancel);
}

/** Run the handler; it ends with `resp.send()`, or fails. */
exports.run = function (call, fn, request, context) {
  const returned = fn(buildRequest(request), new Response(call), context);
  if (returned && typeof returned.then === 'function') {
    returned.then(undefined, (error) => call.crash(error));
  }
};
