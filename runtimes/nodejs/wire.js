'use strict';
// HTTP/1.1 on one accepted socket: requests one after the other, each answered before the next is read.
//
// Written over `net`, not `http`: user code may patch `http` or set its limits, which must not touch the way the
// emulator speaks to us; and a request costs a tenth less CPU, while both start equally fast (Node.js 20).

const LATIN1 = Buffer.isEncoding('latin1') ? 'latin1' : 'binary';
const EMPTY = Buffer.alloc ? Buffer.alloc(0) : new Buffer(0);
const HEAD_END = bytes('\r\n\r\n');
const LINE_END = bytes('\r\n');
const MAX_HEAD = 64 * 1024;
const MAX_CHUNK_LINE = 1024;
const ONE_WRITE = 16 * 1024;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^ \x00-\x1f\x7f]+) HTTP\/1\.([01])$/;
const ASCII = /^[\x00-\x7f]*$/;
// A NUL, or a CR or LF that is not part of a line end.
const FORBIDDEN = /\x00|\r(?!\n)|(?:^|[^\r])\n/;
const REASONS = { 200: 'OK', 400: 'Bad Request', 404: 'Not Found' };

// Progress through a chunked body.
const SIZE = 0, DATA = 1, DATA_END = 2, TRAILER = 3;

/** Bytes of a string (UTF-8 unless said), on every Node.js: Buffer.from(string) came with 4.5. */
function bytes(text, encoding) {
  return Buffer.alloc ? Buffer.from(text, encoding) : new Buffer(text, encoding);
}

function allocate(size) {
  return Buffer.allocUnsafe ? Buffer.allocUnsafe(size) : new Buffer(size);
}

/** The emulator writes its own headers, such as a handler's name, in UTF-8; a caller's are passed on as they came. */
function utf8(text) {
  return bytes(text, LATIN1).toString();
}

function BadRequest(message) {
  this.message = message;
}

const MAX_KEYS = 256;
const keys = new Map();

/** A header's name in lower case. The emulator sends the same names over and over: the first are remembered. */
function keyOf(name) {
  let key = keys.get(name);
  if (key !== undefined) return key;
  if (!TOKEN.test(name)) throw new BadRequest('malformed header');
  key = name.toLowerCase();
  if (keys.size < MAX_KEYS) keys.set(name, key);
  return key;
}

function parseHead(text) {
  if (FORBIDDEN.test(text)) throw new BadRequest('malformed head');
  const lines = text.split('\r\n');
  const ascii = ASCII.test(text);
  const start = REQUEST_LINE.exec(lines[0]);
  if (!start) throw new BadRequest('malformed request line');
  const headers = Object.create(null);
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i];
    const colon = line.indexOf(':');
    if (colon < 1) throw new BadRequest('malformed header');
    const key = keyOf(line.slice(0, colon));
    const value = ascii || !key.startsWith('x-fc-') ? line.slice(colon + 1).trim() : utf8(line.slice(colon + 1).trim());
    headers[key] = headers[key] === undefined ? value : headers[key] + ',' + value;
  }
  const connection = (headers.connection || '').toLowerCase();
  return {
    method: start[1],
    target: start[2],
    headers: headers,
    body: EMPTY,
    keepAlive: start[3] === '1' ? connection !== 'close' : connection === 'keep-alive',
  };
}

function bodyLength(headers) {
  const coding = headers['transfer-encoding'];
  const length = headers['content-length'];
  if (coding !== undefined) {
    if (coding.toLowerCase() !== 'chunked' || length !== undefined) throw new BadRequest('unclear body length');
    return -1;
  }
  if (length === undefined) return 0;
  if (!/^\d{1,15}$/.test(length)) throw new BadRequest('malformed content-length');
  return Number(length);
}

/** One connection. `serve(request, connection)` is called for each request and must lead to one answer. */
function Connection(socket, serve) {
  this.socket = socket;
  this.serve = serve;
  this.unread = EMPTY;
  this.request = null;      // head was read, body not yet
  this.answering = null;    // handed to serve, not yet answered
  this.ended = false;       // the peer sends no more
  this.closing = false;     // we send no more
  this.parts = [];
  this.missing = 0;         // bytes of the body or chunk still to come
  this.chunk = null;        // state of a chunked body
  socket.on('data', (data) => this.received(data));
  socket.on('end', () => this.atEnd());
  socket.on('error', () => socket.destroy());  // the peer went away; the instance lives on
}

Connection.prototype.received = function (data) {
  if (this.closing) return;
  this.unread = this.unread.length ? Buffer.concat([this.unread, data]) : data;
  if (this.answering) this.socket.pause();
  else this.advance();
};

// The peer sends no more, but may still wait for an answer.
Connection.prototype.atEnd = function () {
  this.ended = true;
  if (this.answering) return;
  if (this.request || this.unread.length) this.refuse('the request ends early');
  else this.socket.end();
};

Connection.prototype.advance = function () {
  try {
    if (!this.request && !this.readHead()) return;
    if (!(this.chunk === null ? this.readPlain() : this.readChunks())) return;
  } catch (error) {
    if (!(error instanceof BadRequest)) throw error;
    this.refuse(error.message);
    return;
  }
  const request = this.request;
  if (this.parts.length) {
    request.body = this.parts.length === 1 ? this.parts[0] : Buffer.concat(this.parts);
    this.parts = [];
  }
  this.request = null;
  this.answering = request;
  this.serve(request, this);
};

Connection.prototype.take = function (count) {
  const taken = this.unread.slice(0, count);
  this.unread = count < this.unread.length ? this.unread.slice(count) : EMPTY;
  return taken;
};

Connection.prototype.readHead = function () {
  const end = this.unread.indexOf(HEAD_END);
  if (end > MAX_HEAD || (end < 0 && this.unread.length > MAX_HEAD)) throw new BadRequest('head too large');
  if (end < 0) return false;
  const request = parseHead(this.unread.toString(LATIN1, 0, end));
  const length = bodyLength(request.headers);
  this.take(end + 4);
  this.chunk = length < 0 ? SIZE : null;
  this.missing = Math.max(length, 0);
  this.request = request;
  return true;
};

Connection.prototype.readSome = function () {
  const part = this.take(Math.min(this.missing, this.unread.length));
  if (part.length) this.parts.push(part);
  this.missing -= part.length;
  return this.missing === 0;
};

Connection.prototype.readPlain = Connection.prototype.readSome;

Connection.prototype.readLine = function () {
  const end = this.unread.indexOf(LINE_END);
  if (end > MAX_CHUNK_LINE || (end < 0 && this.unread.length > MAX_CHUNK_LINE)) throw new BadRequest('line too long');
  if (end < 0) return null;
  return this.take(end + 2).toString(LATIN1, 0, end);
};

Connection.prototype.readChunks = function () {
  for (;;) {
    if (this.chunk === DATA) {
      if (!this.readSome()) return false;
      this.chunk = DATA_END;
    }
    const line = this.readLine();
    if (line === null) return false;
    if (this.chunk === TRAILER) {
      if (line === '') return true;
    } else if (this.chunk === DATA_END) {
      if (line !== '') throw new BadRequest('malformed chunk');
      this.chunk = SIZE;
    } else {
      const size = /^([0-9a-fA-F]{1,12})\s*(;.*)?$/.exec(line);
      if (!size) throw new BadRequest('malformed chunk size');
      this.missing = parseInt(size[1], 16);
      this.chunk = this.missing ? DATA : TRAILER;
    }
  }
};

/** Answer what can not be understood, and close: where the next request begins is unknown. */
Connection.prototype.refuse = function (message) {
  this.answering = { method: 'GET', keepAlive: false };
  this.answer(400, 'content-type: text/plain\r\n', bytes(message + '\n'));
};

/** Send a whole answer. `headers` is text, each line with its line end; framing is added here. */
Connection.prototype.answer = function (status, headers, body) {
  const request = this.answering;
  const socket = this.socket;
  const head = this.head(status, headers) + 'content-length: ' + body.length + '\r\n\r\n';
  if (request.method === 'HEAD' || body.length === 0) {
    socket.write(head, LATIN1);
  } else if (body.length <= ONE_WRITE) {
    const whole = allocate(head.length + body.length);
    whole.write(head, 0, LATIN1);
    body.copy(whole, head.length);
    socket.write(whole);
  } else {
    socket.cork();
    socket.write(head, LATIN1);
    socket.write(body);
    socket.uncork();
  }
  this.answered();
};

/** Begin an answer whose length is not known. */
Connection.prototype.begin = function (status, headers) {
  this.socket.write(this.head(status, headers) + 'transfer-encoding: chunked\r\n\r\n', LATIN1);
};

/** Send one piece; false asks the caller to wait for the socket's `drain`. */
Connection.prototype.piece = function (data) {
  if (!data.length || this.answering.method === 'HEAD') return true;
  this.socket.write(data.length.toString(16) + '\r\n', LATIN1);
  this.socket.write(data);
  return this.socket.write('\r\n', LATIN1);
};

Connection.prototype.finish = function () {
  if (this.answering.method !== 'HEAD') this.socket.write('0\r\n\r\n', LATIN1);
  this.answered();
};

/** Break off an answer that has begun and can not be completed. */
Connection.prototype.abort = function () {
  this.socket.destroy();
};

Connection.prototype.head = function (status, headers) {
  const closing = this.answering.keepAlive ? '' : 'connection: close\r\n';
  return 'HTTP/1.1 ' + status + ' ' + (REASONS[status] || 'Status') + '\r\n' + headers + closing;
};

Connection.prototype.answered = function () {
  const request = this.answering;
  this.answering = null;
  if (!request.keepAlive || (this.ended && !this.unread.length)) {
    this.unread = EMPTY;
    this.request = null;
    this.closing = true;
    this.socket.end();
    return;
  }
  if (!this.unread.length) return;
  // More requests came early. Each gets its own turn of the event loop, so that none recurses into the next.
  setImmediate(() => {
    this.socket.resume();
    if (this.answering || !this.unread.length) return;
    this.advance();
    if (this.ended && !this.answering) this.atEnd();
  });
};

exports.Connection = Connection;
exports.bytes = bytes;
exports.EMPTY = EMPTY;
