// A chat room: what one member says, all members of this instance hear.
const http = require('http');
const { WebSocketServer, WebSocket } = require('ws');

const server = http.createServer((req, res) => res.end(`${room.clients.size} in the room\n`));
const room = new WebSocketServer({ server });

room.on('connection', (member, req) => {
  const name = new URL(req.url, 'http://room').searchParams.get('name') || 'somebody';
  const tell = (text) => {
    console.log(text);
    for (const client of room.clients) if (client.readyState === WebSocket.OPEN) client.send(text);
  };
  tell(`${name} joined`);
  member.on('message', (data) => tell(`${name}: ${data}`));
  member.on('close', () => tell(`${name} left`));
});

server.timeout = 0;
server.keepAliveTimeout = 0;
server.listen(process.env.FC_CUSTOM_LISTEN_PORT || 9000, '0.0.0.0');
