// Cold starts, taken apart: those that happened, and those that are forced to measure them.
import { html, link, useState } from "../lib.js";
import { t } from "../i18n.js";
import { megabytes, ms, short } from "../format.js";
import { Badge, Empty, Facts, FunctionChoice, Page, Table } from "../parts.js";
import { useColdStart, useColdStarts } from "./coldstarts.js";
import { Imports, Reads } from "./flame.js";
import { Measure } from "./study.js";
import { Waterfall } from "./waterfall.js";

export function LabPage({ model, state, path }) {
  const [name, setName] = useState("");
  const all = useColdStarts(model);
  const rows = all.filter((each) => !name || each.function === name);
  const chosen = rows.find((each) => each.instance_id === path[0]) ?? rows[0];
  return html`<${Page} title=${t("page.lab")}>
    <${Measure} state=${state} model=${model} />
    <div class="page-head"><h2>${t("lab.happened")}</h2>
      <${FunctionChoice} state=${state} value=${name} onChange=${setName} /></div>
    ${chosen
      ? html`<${One} chosen=${chosen} births=${all} />
          <h3>${t("cold.starts")}</h3>
          <${Table} label=${t("cold.starts")} columns=${columns()} rows=${rows} rowKey=${(each) => each.instance_id}
            selected=${chosen.instance_id} onOpen=${(each) => { window.location.hash = link("lab", each.instance_id); }} />`
      : html`<${Empty}>${t("cold.starts.none")}<//>`}
  <//>`;
}

function columns() {
  return [
    { name: "id", title: t("instance"), cell: (each) => html`<a href=${link("lab", each.instance_id)}><code>${short(each.instance_id)}</code></a>` },
    { name: "function", title: t("function"), cell: (each) => `${each.function}@r${each.revision}` },
    { name: "start", title: t("started.by"), cell: (each) => html`${each.start} ${each.error && html`<${Badge} kind="bad">${each.error}<//>`}` },
    { name: "memory", title: t("memory"), number: true, cell: (each) => (each.memory_mb ? megabytes(each.memory_mb) : "") },
    { name: "total", title: t("duration"), number: true, cell: (each) => ms(each.total_ms) },
  ];
}

function One({ chosen, births }) {
  const whole = useColdStart(chosen.instance_id, births);
  return html`<section class="detail" aria-label=${t("waterfall")}><h3>${chosen.function} ${short(chosen.instance_id)} · ${ms(chosen.total_ms)}</h3>
    <${Waterfall} coldStart=${chosen} />
    <${Facts} facts=${[
      [t("measuring"), chosen.measuring_ms ? ms(chosen.measuring_ms) : ""],
      [t("paused.for"), chosen.paused_ms ? ms(chosen.paused_ms) : ""],
      [t("error"), chosen.error],
    ]} />
    ${whole?.imports.length > 0 && html`<${Imports} imports=${whole.imports} more=${whole.more_imports} />`}
    ${whole?.reads.length > 0 && html`<${Reads} reads=${whole.reads} />`}
  </section>`;
}
