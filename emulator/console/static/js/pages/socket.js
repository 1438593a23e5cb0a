// A WebSocket to a function's URL: what goes and what comes.
import { html, useEffect, useRef, useState } from "../lib.js";
import { t } from "../i18n.js";
import { openSocket } from "../api.js";
import { clock } from "../format.js";

const MOST_SHOWN = 500;

export function Socket({ fn }) {
  const [path, setPath] = useState("/");
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const [messages, setMessages] = useState([]);
  const socket = useRef(null);
  const add = (kind, data) =>
    setMessages((before) => [...before.slice(1 - MOST_SHOWN), { kind, data, at: Date.now(), number: (before.at(-1)?.number ?? 0) + 1 }]);
  const connect = () => {
    const own = (socket.current = openSocket(fn, path));
    own.binaryType = "arraybuffer";
    own.onopen = () => {
      setOpen(true);
      add("note", t("socket.open"));
    };
    own.onmessage = ({ data }) =>
      add("came", typeof data === "string" ? data : `${data.byteLength} B ${[...new Uint8Array(data.slice(0, 32))].map((b) => b.toString(16).padStart(2, "0")).join(" ")}`);
    own.onclose = ({ code, reason }) => {
      setOpen(false);
      add("note", t("socket.closed", { code, reason }));
    };
  };
  useEffect(() => () => socket.current?.close(), []);
  const send = () => {
    if (!open) return;
    socket.current.send(text);
    add("went", text);
    setText("");
  };
  return html`<section>
    <div class="tools">
      <label class="field grow"><span>${t("path")}</span>
        <input value=${path} onInput=${(event) => setPath(event.target.value)} disabled=${open} spellcheck="false" /></label>
      <button type="button" class="primary" onClick=${open ? () => socket.current.close() : connect}>
        ${open ? t("socket.close") : t("socket.connect")}</button>
    </div>
    <form class="tools" onSubmit=${(event) => { event.preventDefault(); send(); }}>
      <label class="field grow"><span>${t("message")}</span>
        <input value=${text} onInput=${(event) => setText(event.target.value)} disabled=${!open} /></label>
      <button disabled=${!open}>${t("send")}</button>
    </form>
    <ol class="messages" aria-live="polite" aria-label=${t("messages")}>
      ${messages.map((each) => html`<li key=${each.number} class="message-${each.kind}">
        <time>${clock(each.at)}</time><span aria-hidden="true">${{ came: "←", went: "→", note: "·" }[each.kind]}</span>
        <span class="hidden">${t(`message.${each.kind}`)}</span><code>${each.data}</code></li>`)}
    </ol>
  </section>`;
}
