// Every invocation, newest first, with what it was and, where it was a cold one, its waterfall.
import { html, link, useModel, useState } from "../lib.js";
import { t } from "../i18n.js";
import { clock, count, megabytes, ms, short } from "../format.js";
import { Badge, Choice, Empty, Facts, FunctionChoice, Page, Search, Table } from "../parts.js";
import { Waterfall } from "./waterfall.js";
import { useColdStarts } from "./coldstarts.js";

const STEP = 200;

export function InvocationsPage({ model, state, path }) {
  useModel(model);
  const [name, setName] = useState("");
  const [kind, setKind] = useState("");
  const [words, setWords] = useState("");
  const [most, setMost] = useState(STEP);
  const found = newest(model.invocations, filter(name, kind, words), most);
  const open = model.byRequest.get(path[0]);
  const kinds = ["", "cold", "failed", "running"].map((each) => [each, t(each ? `filter.${each}` : "all")]);
  return html`<${Page} title=${t("page.invocations")} tools=${html`
      <${FunctionChoice} state=${state} value=${name} onChange=${setName} />
      <${Choice} label=${t("kind")} value=${kind} options=${kinds} onChange=${setKind} />
      <${Search} label=${t("search")} value=${words} onInput=${setWords} />`}>
    ${open && html`<${One} invocation=${open} model=${model} />`}
    <p class="hint" role="status">${t("found", { count: count(found.total) })}</p>
    ${found.rows.length
      ? html`<${Table} label=${t("page.invocations")} columns=${columns(model)} rows=${found.rows} rowKey=${(each) => each.id}
          selected=${path[0]} onOpen=${(each) => { window.location.hash = link("invocations", each.id); }} />`
      : html`<${Empty}>${t("invocations.none")}<//>`}
    ${found.total > most && html`<button type="button" onClick=${() => setMost(most + STEP)}>${t("more")}</button>`}
  <//>`;
}

function columns(model) {
  return [
    { name: "at", title: t("began"), cell: (each) => clock(model.wall(each.at)) },
    { name: "function", title: t("function"), cell: (each) => each.function },
    { name: "status", title: t("status"), cell: (each) => html`<${Status} invocation=${each} />` },
    { name: "duration", title: t("duration"), number: true, cell: (each) => (each.duration === null ? "…" : ms(each.duration)) },
    { name: "wait", title: t("waited"), number: true, cell: (each) => (each.queue >= 1 ? ms(each.queue) : "") },
    { name: "memory", title: t("memory"), number: true, cell: (each) => (each.memory ? megabytes(each.memory) : "") },
    { name: "instance", title: t("instance"), cell: (each) => html`<code>${short(each.instance)}</code>` },
    { name: "request", title: t("request"), cell: (each) => html`<a href=${link("invocations", each.id)}><code>${short(each.id)}</code></a>` },
  ];
}

function Status({ invocation }) {
  const cold = invocation.cold && html`<${Badge} kind="cold">${t("cold.start")}<//>`;
  if (invocation.ended === null) return html`<${Badge} kind="busy">${t("running")}<//> ${cold}`;
  return html`<${Badge} kind=${invocation.failed ? "bad" : "good"}>${invocation.status} ${invocation.error}<//> ${cold}`;
}

function filter(name, kind, words) {
  const wanted = words.toLowerCase();
  return (each) =>
    (!name || each.function === name) &&
    (kind !== "cold" || each.cold) &&
    (kind !== "failed" || each.failed) &&
    (kind !== "running" || each.ended === null) &&
    (!wanted || `${each.id} ${each.instance} ${each.function} ${each.error} ${each.detail} ${each.status} ${each.trigger}`
      .toLowerCase().includes(wanted));
}

function newest(all, fits, most) {
  const rows = [];
  let total = 0;
  for (let at = all.length - 1; at >= 0; at--) {
    if (fits(all[at])) {
      total += 1;
      if (rows.length < most) rows.push(all[at]);
    }
  }
  return { rows, total };
}

function One({ invocation, model }) {
  const lines = model.lines.filter((each) => each.request === invocation.id);
  const all = useColdStarts(model);
  const coldStart = invocation.cold && all.find((each) => each.instance_id === invocation.instance);
  return html`<section class="detail" aria-label=${t("details")}>
    <div class="page-head"><h2>${invocation.function}</h2><a class="button" href=${link("invocations")}>${t("close")}</a></div>
    <p><${Status} invocation=${invocation} /></p>
    <${Facts} facts=${[
      [t("request"), invocation.id],
      [t("instance"), invocation.instance && html`<a href=${link("timeline", invocation.instance)}>${invocation.instance}</a>`],
      [t("began"), clock(model.wall(invocation.at))],
      [t("duration"), invocation.duration === null ? "…" : ms(invocation.duration)],
      [t("waited"), invocation.queue ? ms(invocation.queue) : ""],
      [t("paused.for"), invocation.paused ? ms(invocation.paused) : ""],
      [t("memory"), invocation.memory ? `${megabytes(invocation.memory)} / ${megabytes(invocation.memorySize)}` : ""],
      [t("trigger"), invocation.trigger],
      [t("qualifier"), invocation.qualifier],
      [t("error"), [invocation.error, invocation.detail].filter(Boolean).join(": ")],
    ]} />
    ${coldStart && html`<h3><a href=${link("lab", invocation.instance)}>${t("cold.start")} · ${ms(coldStart.total_ms)}</a></h3><${Waterfall} coldStart=${coldStart} />`}
    ${lines.length > 0 && html`<h3>${t("page.logs")}</h3>
      <pre class="log" tabindex="0" aria-label=${t("page.logs")}>${lines.map((each) => `${clock(model.wall(each.at))} ${each.text}`).join("\n")}</pre>`}
  </section>`;
}
