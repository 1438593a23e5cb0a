// What the pages ask of the emulator: FC's own API, function URLs, and what only the console knows.

const token = document.querySelector('meta[name="fclocal-token"]')?.content ?? "";
const TAIL = "x-fc-log-result";

export async function fetchJson(path) {
  const response = await fetch(`/_console/${path}`, { headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

// An action of the emulator; its `UserError` is an error with `next_step`.
export async function act(action, asked = {}) {
  const response = await fetch(`/_fclocal/${action}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-fclocal-token": token },
    body: JSON.stringify(asked),
  });
  const answer = await response.json();
  if (!response.ok) {
    throw Object.assign(new Error(answer.message ?? answer.Message ?? String(response.status)), answer);
  }
  return answer;
}

export function invokePath(fn) {
  if (fn.api === "fc2" && fn.service) {
    const name = fn.name.slice(fn.service.length + 1);
    return `/2021-04-06/services/${encodeURIComponent(fn.service)}/functions/${encodeURIComponent(name)}/invocations`;
  }
  return `/2023-03-30/functions/${encodeURIComponent(fn.name)}/invocations`;
}

// The path of its HTTP trigger on this very origin; a browser does not have to know the function's own name for it.
export function urlPath(fn, path) {
  const name = fn.service ? fn.name.slice(fn.service.length + 1) : fn.name;
  const behind = path.startsWith("/") ? path : `/${path}`;
  return `/2016-08-15/proxy/${encodeURIComponent(fn.service || "_")}/${encodeURIComponent(name)}${behind}`;
}

// Send a request and tell of its answer as it comes: `onHead({status, headers, tail})`, `onPiece(bytes)`.
async function send(path, options, onHead, onPiece) {
  const response = await fetch(path, options);
  const headers = [...response.headers].filter(([name]) => name !== TAIL);
  onHead({ status: response.status, headers, tail: decoded(response.headers.get(TAIL)) });
  const reader = response.body?.getReader();
  if (!reader) return;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onPiece(value);
  }
}

export function invoke(fn, event, { later, signal }, onHead, onPiece) {
  const headers = { "x-fclocal-token": token, "content-type": "application/octet-stream" };
  headers["x-fc-invocation-type"] = later ? "Async" : "Sync";
  if (!later) headers["x-fc-log-type"] = "Tail";
  return send(invokePath(fn), { method: "POST", headers, body: event, signal }, onHead, onPiece);
}

// Through the HTTP trigger. The function sees all of these headers, so that our token is none of them: where a signature
// has to be there, it is one by a key that nobody knows, which the emulator lets pass and says so.
export function request(fn, { method, path, headers, body, signal }, onHead, onPiece) {
  const own = [...headers];
  if (fn.triggers.some((trigger) => trigger.auth === "function")) {
    own.push(["x-acs-date", `${new Date().toISOString().slice(0, 19)}Z`], ["authorization", "acs console:Y29uc29sZQ=="]);
  }
  const sent = ["GET", "HEAD"].includes(method) ? undefined : body;
  return send(urlPath(fn, path), { method, headers: own, body: sent, signal, redirect: "manual" }, onHead, onPiece);
}

export function openSocket(fn, path) {
  return new WebSocket(`ws://${window.location.host}${urlPath(fn, path)}`);
}

function decoded(base64) {
  if (!base64) return "";
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
}
