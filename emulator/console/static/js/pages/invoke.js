// Call a function by an event, by an HTTP request, or over a WebSocket; the answer is shown as it comes.
import { html, kept, link, useEffect, useRef, useState } from "../lib.js";
import { t } from "../i18n.js";
import { fetchJson, invoke, request } from "../api.js";
import { Choice, Empty, Failure, FunctionChoice, Page } from "../parts.js";
import { Answer, gathered } from "./answer.js";
import { Socket } from "./socket.js";

const lastFunction = kept("function", "", "sessionStorage");
const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

export function InvokePage({ model, state, path }) {
  const named = path[0] || lastFunction.use();
  const fn = state.functions.find((each) => each.name === named) ?? state.functions[0];
  const [face, setFace] = useState("event");
  if (!fn) return html`<${Page} title=${t("page.invoke")}><${Empty}>${t("functions.none")}<//><//>`;
  const choose = (name) => {
    lastFunction.set(name);
    window.location.hash = link("invoke", name);
  };
  const faces = fn.host ? ["event", "http", "websocket"] : ["event"];
  const shown = faces.includes(face) ? face : "event";
  return html`<${Page} title=${t("page.invoke")} tools=${html`
      <${FunctionChoice} state=${state} value=${fn.name} onChange=${choose} all=${false} />`}>
    <div class="tabs" role="group" aria-label=${t("how")}>
      ${faces.map((each) => html`<button key=${each} type="button" aria-pressed=${each === shown}
        onClick=${() => setFace(each)}>${t(`face.${each}`)}</button>`)}
    </div>
    ${shown === "event" && html`<${ByEvent} key=${fn.name} fn=${fn} model=${model} />`}
    ${shown === "http" && html`<${ByHttp} key=${fn.name} fn=${fn} model=${model} />`}
    ${shown === "websocket" && html`<${Socket} key=${fn.name} fn=${fn} />`}
  <//>`;
}

// One call at a time: its answer so far, and how to begin and to end one.
function useCall() {
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  const abort = useRef(null);
  const stop = () => abort.current?.abort();
  useEffect(() => stop, []);
  const start = async (send) => {
    stop();
    const own = (abort.current = new AbortController());
    const began = performance.now();
    const tell = (more) => own === abort.current && setAnswer((before) => ({ ...before, ...more }));
    setError(null);
    setAnswer({ pieces: [], size: 0, running: true });
    const onHead = (head) => tell({ ...head, firstByteMs: performance.now() - began });
    const onPiece = (piece) => own === abort.current && setAnswer((before) => gathered(before, piece, performance.now() - began));
    try {
      await send(own.signal, onHead, onPiece);
    } catch (failure) {
      if (own === abort.current) setError(failure.name === "AbortError" ? new Error(t("aborted")) : failure);
    }
    tell({ running: false, wholeMs: performance.now() - began });
  };
  return { answer, error, start, stop };
}

function onCtrlEnter(send) {
  return (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    }
  };
}

function ByEvent({ fn, model }) {
  const stored = useRef(kept(`event.${fn.name}`, "{}", "sessionStorage"));
  const [text, setText] = useState(stored.current.get());
  const [samples, setSamples] = useState([]);
  const [later, setLater] = useState(false);
  const call = useCall();
  useEffect(() => {
    fetchJson(`samples?function=${encodeURIComponent(fn.name)}`).then(setSamples, () => setSamples([]));
  }, [fn.name]);
  const write = (next) => {
    setText(next);
    stored.current.set(next);
  };
  const send = () => call.start((signal, onHead, onPiece) => invoke(fn, text, { later, signal }, onHead, onPiece));
  const problem = jsonProblem(text);
  return html`<div class="columns">
    <section onKeyDown=${onCtrlEnter(send)}>
      <div class="tools">
        <${Choice} label=${t("sample")} value="" onChange=${(kind) => write(samples.find((each) => each.kind === kind)?.event ?? text)}
          options=${[["", t("sample.choose")], ...samples.map((each) => [each.kind, each.own ? `★ ${each.title}` : each.title])]} />
        <button type="button" disabled=${problem !== ""} onClick=${() => write(JSON.stringify(JSON.parse(text), null, 2))}>
          ${t("format")}</button>
      </div>
      <label class="field wide"><span>${t("event")}</span>
        <textarea rows="14" spellcheck="false" value=${text} onInput=${(event) => write(event.target.value)}></textarea>
      </label>
      <p class="hint" role="status">${problem ? `${t("event.text")} (${problem})` : t("event.json")}</p>
      <div class="tools">
        <button type="button" class="primary" onClick=${send}>${t("invoke")}</button>
        ${call.answer?.running && html`<button type="button" onClick=${call.stop}>${t("stop")}</button>`}
        <label class="check"><input type="checkbox" checked=${later} onChange=${(event) => setLater(event.target.checked)} />
          ${t("asynchronously")}</label>
      </div>
    </section>
    <section aria-live="polite"><${Failure} error=${call.error} /><${Answer} answer=${call.answer} model=${model} /></section>
  </div>`;
}

function jsonProblem(text) {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return error.message;
  }
}

function ByHttp({ fn, model }) {
  const allowed = fn.triggers.find((each) => each.type === "http")?.methods ?? METHODS;
  const [method, setMethod] = useState(allowed.includes("GET") ? "GET" : allowed[0]);
  const [path, setPath] = useState("/");
  const [headers, setHeaders] = useState("");
  const [body, setBody] = useState("");
  const call = useCall();
  const send = () => call.start((signal, onHead, onPiece) =>
    request(fn, { method, path, headers: parsed(headers), body, signal }, onHead, onPiece));
  return html`<div class="columns">
    <section onKeyDown=${onCtrlEnter(send)}>
      <div class="tools">
        <${Choice} label=${t("method")} value=${method} options=${allowed.map((each) => [each, each])} onChange=${setMethod} />
        <label class="field grow"><span>${t("path")}</span>
          <input value=${path} onInput=${(event) => setPath(event.target.value)} spellcheck="false" /></label>
      </div>
      <label class="field wide"><span>${t("request.headers")}</span>
        <textarea rows="3" spellcheck="false" placeholder="content-type: application/json" value=${headers}
          onInput=${(event) => setHeaders(event.target.value)}></textarea></label>
      <label class="field wide"><span>${t("request.body")}</span>
        <textarea rows="8" spellcheck="false" value=${body} disabled=${["GET", "HEAD"].includes(method)}
          onInput=${(event) => setBody(event.target.value)}></textarea></label>
      <div class="tools">
        <button type="button" class="primary" onClick=${send}>${t("send")}</button>
        ${call.answer?.running && html`<button type="button" onClick=${call.stop}>${t("stop")}</button>`}
      </div>
    </section>
    <section aria-live="polite"><${Failure} error=${call.error} /><${Answer} answer=${call.answer} model=${model} /></section>
  </div>`;
}

function parsed(text) {
  return text.split("\n").filter((line) => line.includes(":"))
    .map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]);
}
