// What functions write, and what the emulator has to say, as it comes.
import { html, link, useLayoutEffect, useModel, useRef, useState } from "../lib.js";
import { t } from "../i18n.js";
import { clock, count, short } from "../format.js";
import { Empty, Failure, FunctionChoice, Page, Search } from "../parts.js";

const STEP = 500;

export function LogsPage({ model, state, path }) {
  const [paused, setPaused] = useState(false);
  useModel(model, paused ? 1e9 : 150);
  const [name, setName] = useState(path[0] ?? "");
  const [words, setWords] = useState("");
  const [regular, setRegular] = useState(false);
  const [most, setMost] = useState(STEP);
  const matcher = match(words, regular);
  const { rows, total } = last(model.lines, (each) => (!name || each.function === name) && matcher.test(each), most);
  const list = useRef(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    if (follows.current && !paused && list.current) list.current.scrollTop = list.current.scrollHeight;
  });
  const onScroll = () => {
    const box = list.current;
    follows.current = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
  };
  return html`<${Page} title=${t("page.logs")} tools=${html`
      <${FunctionChoice} state=${state} value=${name} onChange=${setName} />
      <${Search} label=${t("search")} value=${words} onInput=${setWords} />
      <label class="check"><input type="checkbox" checked=${regular} onChange=${(event) => setRegular(event.target.checked)} /> ${t("regular")}</label>
      <button type="button" aria-pressed=${paused} onClick=${() => setPaused(!paused)}>${paused ? t("go.on") : t("pause")}</button>`}>
    <${Failure} error=${matcher.error} />
    <p class="hint" role="status">${t("found.lines", { count: count(total) })}
      ${total > most && html` <button type="button" class="quiet" onClick=${() => setMost(most + STEP)}>${t("older")}</button>`}</p>
    ${rows.length
      ? html`<div class="lines" ref=${list} onScroll=${onScroll} tabindex="0" role="log" aria-label=${t("page.logs")} aria-live="off">
          ${rows.map((each) => html`<div key=${each.number} class="line line-${each.level}">
            <time>${clock(model.wall(each.at))}</time>
            <span class="line-function">${each.function || "fclocal"}</span>
            ${each.request ? html`<a href=${link("invocations", each.request)}>${short(each.request)}</a>` : html`<span class="dim">${short(each.instance)}</span>`}
            <code>${marked(each.text, matcher)}</code>
          </div>`)}
        </div>`
      : html`<${Empty}>${t("lines.none")}<//>`}
  <//>`;
}

function match(words, regular) {
  if (!words) return { test: () => true, pattern: null };
  try {
    const pattern = new RegExp(regular ? words : words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
    return { test: (line) => pattern.test(line.text) || pattern.test(line.request) || pattern.test(line.instance), pattern };
  } catch (error) {
    return { test: () => true, pattern: null, error };
  }
}

function marked(text, { pattern }) {
  const found = pattern?.exec(text);
  if (!found || !found[0]) return text;
  const end = found.index + found[0].length;
  return html`${text.slice(0, found.index)}<mark>${found[0]}</mark>${text.slice(end)}`;
}

function last(all, fits, most) {
  const rows = [];
  let total = 0;
  for (let at = all.length - 1; at >= 0; at--) {
    if (fits(all[at])) {
      total += 1;
      if (rows.length < most) rows.push(all[at]);
    }
  }
  return { rows: rows.reverse(), total };
}
