// What the emulator was started with, and what this machine gives it.
import { html, useState } from "../lib.js";
import { t } from "../i18n.js";
import { act } from "../api.js";
import { Badge, Facts, Failure, Page, Search, Table } from "../parts.js";

export function SettingsPage({ state }) {
  const [words, setWords] = useState("");
  const wanted = words.toLowerCase();
  const rows = state.settings.filter((each) => `${each.name} ${each.help}`.toLowerCase().includes(wanted));
  const columns = [
    { name: "name", title: t("setting"), cell: (each) => html`<code>${each.name}</code>` },
    { name: "value", title: t("value"), cell: (each) => html`<span class=${each.given ? "given" : ""}>${each.value === "" ? "–" : each.value} ${each.value && each.unit}</span>
      ${each.given && html` <${Badge} kind="good">${t("given")}<//>`}` },
    { name: "help", title: t("meaning"), cell: (each) => each.help },
  ];
  return html`<${Page} title=${t("page.settings")} tools=${html`<${Search} label=${t("search")} value=${words} onInput=${setWords} />`}>
    <section><h2>${t("emulator")}</h2>
      <${Facts} facts=${[
        [t("version"), state.version], ["Python", state.python], [t("machine"), state.machine], [t("url"), state.url],
        [t("debug.port"), String(state.debug_port)], [t("debug.node.port"), String(state.debug_node_port)],
        [t("project"), state.project.file || state.project.root], [t("domains"), state.project.domains.join(", ")],
      ]} />
    </section>
    <${Doctor} findings=${state.findings} />
    <section><h2>${t("settings")}</h2>
      <${Table} label=${t("settings")} columns=${columns} rows=${rows} rowKey=${(each) => each.name} />
    </section>
  <//>`;
}

// What is known of the walls at once, and the whole of `fclocal doctor` when somebody asks.
function Doctor({ findings }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const [runs, setRuns] = useState(false);
  const run = async () => {
    setRuns(true);
    setError(null);
    try {
      setFound(await act("doctor"));
    } catch (failure) {
      setError(failure);
    }
    setRuns(false);
  };
  return html`<section>
    <div class="page-head"><h2>${t("doctor")}</h2>
      <button type="button" onClick=${run} disabled=${runs}>${runs ? t("doctor.runs") : t("doctor.run")}</button></div>
    <${Failure} error=${error} />
    <ul class="findings">${(found?.findings ?? findings).map((each, index) => html`<li key=${index}>
      <${Badge} kind=${each.full ? "good" : "bad"}>${each.full ? "✓" : "!"}<//> <strong>${each.topic}</strong> ${each.state}
      ${each.detail && html`<span class="dim"> ${each.detail}</span>`}
      ${!each.full && each.lift && html`<code class="lift">→ ${each.lift}</code>`}</li>`)}</ul>
    ${found && html`<h3>${t("doctor.limits")}</h3>
      <${Table} label=${t("doctor.limits")} columns=${LIMITS()} rows=${found.limits} rowKey=${(each) => each.topic} />`}
  </section>`;
}

const LIMITS = () => [
  { name: "topic", title: t("limit"), cell: (each) => each.topic },
  { name: "in_fc", title: t("in.fc"), cell: (each) => each.in_fc },
  { name: "process", title: t("in.processes"), cell: (each) => html`<${Level} held=${each.process} />` },
  { name: "container", title: t("in.containers"), cell: (each) => html`<${Level} held=${each.container} />` },
];

function Level({ held }) {
  if (!held) return "–";
  const kind = { exact: "good", absent: "bad" }[held.level] ?? "none";
  return html`<${Badge} kind=${kind}>${held.level}<//> <span class="dim">${held.why}</span>
    ${held.lift && html`<code class="lift">→ ${held.lift}</code>`}`;
}
