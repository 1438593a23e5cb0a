'use strict';
// FC 3 HTTP triggers: an event in, an answer out (runtime-contract.md §2.8).

const bytes = (text, encoding) => (Buffer.alloc ? Buffer.from(text, encoding) : new Buffer(text, encoding));

exports.handler = (event, context, callback) => {
  const request = JSON.parse(event.toString());
  const http = request.requestContext.http;
  const body = bytes(request.body, request.isBase64Encoded ? 'base64' : 'utf8');
  callback(null, {
    statusCode: 201,
    headers: { 'X-Path': http.path, 'X-Name': '函数' },
    isBase64Encoded: true,
    body: Buffer.concat([bytes(http.method + ' '), body]).toString('base64'),
  });
};
