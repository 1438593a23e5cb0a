// Which keys do what.
import { html, useEffect, useRef } from "./lib.js";
import { t } from "./i18n.js";

const KEYS = [
  ["1 – 8", "keys.pages"],
  ["/", "keys.search"],
  ["?", "keys.help"],
  ["↑ ↓ Home End", "keys.rows"],
  ["Enter", "keys.open"],
  ["Ctrl Enter", "keys.send"],
  ["← →", "keys.time"],
  ["+ −", "keys.zoom"],
  ["L", "keys.live"],
  ["Esc", "keys.close"],
];

export function Help({ close }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} onClose=${close} aria-labelledby="help-title">
    <h2 id="help-title">${t("keys")}</h2>
    <dl class="keys">${KEYS.map(([keys, text]) => html`<div key=${text}><dt>
      ${keys.split(" ").map((key) => (key === "–" ? " – " : html`<kbd>${key}</kbd> `))}</dt><dd>${t(text)}</dd></div>`)}</dl>
    <form method="dialog"><button class="primary" autofocus>${t("close")}</button></form>
  </dialog>`;
}
