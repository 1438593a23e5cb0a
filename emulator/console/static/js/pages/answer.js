// An answer, as far as it has come: status and figures, body, log tail, headers.
import { html, link } from "../lib.js";
import { t } from "../i18n.js";
import { bytes, ms } from "../format.js";
import { Badge, Empty, Facts } from "../parts.js";

// What is kept of a body to be shown; the rest is counted.
const MOST_SHOWN = 1024 * 1024;

// The answer with one more piece of its body; `atMs` after the request.
export function gathered(answer, piece, atMs) {
  const room = Math.max(0, MOST_SHOWN - answer.size);
  const pieces = room ? [...answer.pieces, { bytes: piece.slice(0, room), atMs }] : answer.pieces;
  return { ...answer, pieces, size: answer.size + piece.length };
}

export function Answer({ answer }) {
  if (!answer) return html`<${Empty}>${t("answer.none")}<//>`;
  if (!answer.status) return html`<${Empty}>${answer.running ? t("answer.waits") : t("answer.none")}<//>`;
  const header = (name) => answer.headers.find(([each]) => each === name)?.[1];
  const failed = answer.status >= 400 || header("x-fc-error-type");
  const request = header("x-fc-request-id");
  return html`<div class="answer">
    <p class="figures">
      <${Badge} kind=${failed ? "bad" : "good"}>${answer.status}${header("x-fc-error-type") ? ` ${header("x-fc-error-type")}` : ""}<//>
      <span>${ms(answer.wholeMs ?? answer.firstByteMs)}</span>
      <span>${bytes(answer.size)}</span>
      ${header("x-fc-cold-start") !== undefined && html`<${Badge} kind="cold">${t("cold.start")}<//>`}
      ${answer.running && html`<${Badge} kind="busy">${t("streaming")}<//>`}
      ${request && html`<a href=${link("invocations", request)}>${t("details")}</a>`}
    </p>
    <h2>${t("response")}</h2>
    <${Body} answer=${answer} />
    ${answer.tail && html`<h2>${t("log.tail")}</h2><pre class="log" tabindex="0">${answer.tail}</pre>`}
    <h2>${t("response.headers")}</h2>
    <${Facts} facts=${answer.headers} />
  </div>`;
}

function Body({ answer }) {
  const whole = new Uint8Array(answer.pieces.reduce((size, piece) => size + piece.bytes.length, 0));
  let at = 0;
  for (const piece of answer.pieces) {
    whole.set(piece.bytes, at);
    at += piece.bytes.length;
  }
  const text = shown(whole, answer.running);
  return html`<pre class="body" tabindex="0" aria-label=${t("response")}>${text}</pre>
    ${answer.pieces.length > 1 && html`<p class="hint">${t("pieces", {
      count: answer.pieces.length, first: ms(answer.pieces[0].atMs), last: ms(answer.pieces[answer.pieces.length - 1].atMs),
    })}</p>`}
    ${answer.size > MOST_SHOWN && html`<p class="hint">${t("cut", { size: bytes(answer.size - MOST_SHOWN) })}</p>`}`;
}

// Text where it is text, JSON in lines, else bytes in hexadecimal.
function shown(whole, running) {
  try {
    const text = new TextDecoder("utf-8", { fatal: !running }).decode(whole);
    if (/[\x00-\x08\x0e-\x1a]/.test(text.slice(0, 4096))) return hex(whole);
    try {
      return /^\s*[[{]/.test(text) ? JSON.stringify(JSON.parse(text), null, 2) : text;
    } catch {
      return text;
    }
  } catch {
    return hex(whole);
  }
}

function hex(whole) {
  const lines = [];
  for (let at = 0; at < Math.min(whole.length, 4096); at += 16) {
    const row = [...whole.slice(at, at + 16)];
    const chars = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."));
    const codes = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${codes.padEnd(47)}  ${chars.join("")}`);
  }
  return lines.join("\n");
}
