const express = require('express');

const app = express();
app.use(express.json());
const todos = new Map();

app.get('/todos', (req, res) => res.json([...todos.values()]));

app.post('/todos', (req, res) => {
  const { title } = req.body;
  if (!title) return res.status(400).json({ error: 'a todo needs a title' });
  const todo = { id: todos.size + 1, title };
  todos.set(todo.id, todo);
  console.log('added', todo.id, 'by request', req.get('x-fc-request-id'));
  return res.status(201).json(todo);
});

app.delete('/todos/:id', (req, res) => res.sendStatus(todos.delete(Number(req.params.id)) ? 204 : 404));

// What InvokeFunction, timers and other triggers call; the event is the raw body.
app.post('/invoke', express.text({ type: 'application/octet-stream' }), (req, res) => {
  res.json({ todos: todos.size, event: req.body });
});

const server = app.listen(process.env.FC_CUSTOM_LISTEN_PORT || 9000, '0.0.0.0');
// Function Compute reuses idle connections, so the server must not close them.
server.timeout = 0;
server.keepAliveTimeout = 0;
