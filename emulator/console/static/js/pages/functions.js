// What the project declares: state, address, limits, revisions.
import { html, link, useModel } from "../lib.js";
import { t } from "../i18n.js";
import { clock } from "../format.js";
import { Badge, Empty, Facts, Page, Table } from "../parts.js";
import { stateName } from "./timeline.js";

export function FunctionsPage({ model, state, path }) {
  useModel(model);
  const fn = state.functions.find((each) => each.name === path[0]);
  if (fn) return html`<${One} fn=${fn} model=${model} state=${state} />`;
  const columns = [
    { name: "name", title: t("function"), cell: (each) => html`<a href=${link("functions", each.name)}>${each.name}</a>` },
    { name: "state", title: t("state"), cell: (each) => html`<${State} fn=${each} model=${model} />` },
    { name: "url", title: t("url"), cell: (each) => html`<${Address} fn=${each} port=${state.port} />` },
    { name: "runtime", title: t("runtime"), cell: (each) => each.runtime },
    { name: "limits", title: t("limits"), cell: limits },
    { name: "walls", title: t("walls"), cell: (each) => each.walls },
    { name: "revision", title: t("revision"), number: true, cell: (each) => (each.revision ? `r${each.revision.number}` : "–") },
    { name: "invoke", title: t("invoke"), cell: (each) => html`<a class="button" href=${link("invoke", each.name)}
      aria-label=${`${t("invoke")} ${each.name}`}>${t("invoke")}</a>` },
  ];
  return html`<${Page} title=${t("page.functions")}>
    <${Problems} problems=${state.project.problems} />
    ${state.functions.length
      ? html`<${Table} label=${t("page.functions")} columns=${columns} rows=${state.functions}
          rowKey=${(each) => each.name} />`
      : html`<${Empty}>${t("functions.none")}<//>`}
  <//>`;
}

function Problems({ problems }) {
  if (!problems.length) return null;
  return html`<ul class="problems">${problems.map((text) => html`<li key=${text}>${text}</li>`)}</ul>`;
}

export function instancesOf(model, name) {
  return [...model.instances.values()].filter((each) => each.function === name && each.ended === null);
}

function State({ fn, model }) {
  if (fn.refused) return html`<${Badge} kind="bad">${t("refused")}<//>`;
  const counts = new Map();
  for (const instance of instancesOf(model, fn.name)) {
    const last = instance.segments[instance.segments.length - 1]?.state ?? "idle";
    counts.set(last, (counts.get(last) ?? 0) + 1);
  }
  if (!counts.size) return html`<${Badge} kind="none">${t("cold")}<//>`;
  return html`${[...counts].map(([name, number]) => html`<${Badge} key=${name} kind=${name}>${number} ${stateName(name)}<//> `)}`;
}

function limits(fn) {
  const parts = [`${fn.memory_mb} MB`, `${fn.cpu} vCPU`, `${fn.timeout} s`];
  if (fn.concurrency > 1) parts.push(`×${fn.concurrency}`);
  return parts.join(" · ");
}

function Address({ fn, port }) {
  if (!fn.host) return html`<span class="dim">${t("event.only")}</span>`;
  const url = `http://${fn.host}:${port}/`;
  return html`<a href=${url} target="_blank" rel="noreferrer">${fn.host}</a>`;
}

function One({ fn, model, state }) {
  const more = Object.entries(fn.more);
  const environment = Object.entries(fn.environment);
  const revisions = model.revisions.filter((each) => each.function === fn.name).reverse();
  return html`<${Page} title=${fn.name} tools=${html`
      <a class="button" href=${link("functions")}>${t("page.functions")}</a>
      <a class="button primary" href=${link("invoke", fn.name)}>${t("invoke")}</a>`}>
    ${fn.refused && html`<div class="failure" role="alert">${fn.refused}</div>`}
    <section><h2>${t("declared")}</h2>
      <${Facts} facts=${[
        [t("state"), html`<${State} fn=${fn} model=${model} />`],
        [t("url"), html`<${Address} fn=${fn} port=${state.port} />`],
        [t("runtime"), fn.runtime],
        [t("handler"), fn.handler],
        [t("limits"), limits(fn)],
        [t("disk"), `${fn.disk_mb} MB`],
        [t("walls"), fn.walls],
        [t("code"), fn.code],
        [t("declared.in"), fn.place],
        [t("layers"), fn.layers.join(", ")],
        ...more,
      ]} />
    </section>
    <section><h2>${t("triggers")}</h2>
      ${fn.triggers.length
        ? html`<${Facts} facts=${fn.triggers.map((each) => [each.name,
            [each.type, each.when, each.auth, each.methods.join(" ")].filter(Boolean).join(" · ")])} />`
        : html`<${Empty}>${t("triggers.none")}<//>`}
    </section>
    <section><h2>${t("environment")}</h2>
      ${environment.length ? html`<${Facts} facts=${environment} />` : html`<${Empty}>${t("environment.none")}<//>`}
    </section>
    <section><h2>${t("revisions")}</h2>
      <ul class="revisions">${revisions.map((each, index) => html`<li key=${index}>
        <time>${clock(model.wall(each.at))}</time>
        ${each.kind === "revision_refused"
          ? html` <${Badge} kind="bad">${t("refused")}<//> ${each.place} ${each.message}<pre>${each.source}</pre>`
          : html` <strong>r${each.revision}</strong> ${files(each)}`}
      </li>`)}</ul>
    </section>
  <//>`;
}

function files(event) {
  if (!event.total) return t("first.revision");
  const more = event.total - event.files.length;
  return event.files.slice(0, 10).join(", ") + (event.total > 10 ? ` … ${event.total}` : more > 0 ? ` +${more}` : "");
}
