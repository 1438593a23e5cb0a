// Cold starts that are forced here, and studies beside each other: what `fclocal coldstart` does, in this emulator.
import { html, useEffect, useState } from "../lib.js";
import { language, t } from "../i18n.js";
import { act } from "../api.js";
import { clock, median, ms, percentile } from "../format.js";
import { Badge, Choice, Empty, Failure, FunctionChoice, Table } from "../parts.js";
import { Imports, Reads } from "./flame.js";
import { Waterfall, phaseName } from "./waterfall.js";

// What each study is kept by until the next one.
const LAST = "last";
// As the command has it by itself.
const RUNS = 20;

export function Measure({ state, model }) {
  const [name, setName] = useState(state.functions[0]?.name ?? "");
  const [runs, setRuns] = useState(RUNS);
  const [event, setEvent] = useState("{}");
  const [save, setSave] = useState("");
  const [study, setStudy] = useState(null);
  const [error, setError] = useState(null);
  const [since, setSince] = useState(null);
  const run = async () => {
    setError(null);
    setSince(model.births);
    try {
      const found = await act("coldstart", { function: name, runs, event, save });
      setStudy(found);
      if (found.error) setError(new Error(found.error));
    } catch (failure) {
      setError(failure);
    }
    setSince(null);
  };
  return html`<section><h2>${t("lab.measure")}</h2>
    <form class="tools" onSubmit=${(each) => { each.preventDefault(); run(); }}>
      <${FunctionChoice} state=${state} value=${name} onChange=${setName} all=${false} />
      <label class="field"><span>${t("lab.runs")}</span><input type="number" min="1" max="200" value=${runs}
        onInput=${(each) => setRuns(Number(each.target.value))} /></label>
      <label class="field grow"><span>${t("event")}</span><input value=${event} onInput=${(each) => setEvent(each.target.value)} spellcheck="false" /></label>
      <label class="field"><span>${t("lab.save")}</span><input value=${save} placeholder="base" pattern="[A-Za-z0-9][A-Za-z0-9._\\-]*"
        onInput=${(each) => setSave(each.target.value)} spellcheck="false" /></label>
      <button class="primary" disabled=${since !== null || !name}>${since === null ? t("lab.run") : t("lab.runs.now")}</button>
    </form>
    <p class="hint">${t("lab.hint")}</p>
    <${Failure} error=${error} />
    ${study?.runs.length > 0 && html`<${Study} study=${study} />`}
  </section>
  <${Compare} measured=${study} />`;
}

function Study({ study }) {
  const order = study.runs.map((_, index) => index).sort((a, b) => study.runs[a].total_ms - study.runs[b].total_ms);
  const middle = order[Math.floor((order.length - 1) / 2)];
  const [chosen, setChosen] = useState(null);
  useEffect(() => setChosen(null), [study]);
  const index = chosen ?? middle;
  const options = study.runs.map((each, number) => [String(number), `${number + 1}: ${ms(each.total_ms)}${number === middle ? ` (${t("median")})` : ""}`]);
  return html`<div class="detail">
    <div class="page-head"><h3>${study.function} · ${clock(study.at * 1000)}</h3>
      <${Choice} label=${t("lab.which")} value=${String(index)} options=${options} onChange=${(each) => setChosen(Number(each))} /></div>
    <${Figures} study=${study} />
    <${Waterfall} coldStart=${study.runs[index]} />
    ${study.runs[index].imports.length > 0 && html`<${Imports} imports=${study.runs[index].imports} more=${study.runs[index].more_imports} />`}
    ${study.runs[index].reads.length > 0 && html`<${Reads} reads=${study.runs[index].reads} />`}
  </div>`;
}

// The whole and its outermost phases, over all runs.
function Figures({ study }) {
  const names = [...new Set(study.runs.flatMap((run) => run.phases.filter((each) => each.parent < 0).map((each) => each.name)))];
  const took = (name) => study.runs.map((run) =>
    run.phases.filter((each) => each.parent < 0 && each.name === name).reduce((sum, each) => sum + each.duration_ms, 0));
  const rows = [["", study.runs.map((run) => run.total_ms)], ...names.map((name) => [name, took(name)])].map(([name, values]) => {
    const sorted = [...values].sort((a, b) => a - b);
    return { name, median: median(sorted), p95: percentile(sorted, 0.95), least: sorted[0], most: sorted[sorted.length - 1] };
  });
  const columns = [
    { name: "phase", title: t("phase"), cell: (each) => (each.name ? phaseName(each.name) : html`<strong>${t("whole")}</strong>`) },
    ...["median", "p95", "least", "most"].map((key) => ({ name: key, title: t(`figure.${key}`), number: true, cell: (each) => ms(each[key]) })),
  ];
  return html`<${Table} label=${t("lab.figures")} columns=${columns} rows=${rows} rowKey=${(each) => each.name} />`;
}

function Compare({ measured }) {
  const [studies, setStudies] = useState({});
  const [base, setBase] = useState("");
  const [other, setOther] = useState(LAST);
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    act("coldstart_studies").then(setStudies, setError);
  }, [measured]);
  const names = Object.keys(studies).filter((name) => !studies[name].error);
  const options = names.map((name) => [name, `${name} · ${studies[name].function} · ${studies[name].runs}`]);
  const from = base || names.find((name) => name !== LAST) || "";
  const run = async () => {
    setError(null);
    setFound(null);
    try {
      setFound(await act("coldstart_compare", { base: from, new: other }));
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<section><h2>${t("lab.compare")}</h2>
    ${names.length < 2
      ? html`<${Empty}>${t("lab.compare.none")}<//>`
      : html`<div class="tools">
          <${Choice} label=${t("lab.base")} value=${from} options=${options} onChange=${setBase} />
          <${Choice} label=${t("lab.new")} value=${other} options=${options} onChange=${setOther} />
          <button type="button" onClick=${run}>${t("lab.compare")}</button>
        </div>`}
    <${Failure} error=${error} />
    ${found && html`<${Verdict} found=${found} />`}
  </section>`;
}

function Verdict({ found }) {
  const { comparison, verdict, because } = found;
  const kind = { slower: "bad", faster: "good" }[comparison.verdict] ?? "none";
  const words = verdict[language.get()] ?? verdict.en;
  const columns = [
    { name: "name", title: t("lab.part"), cell: (each) => (each.kind === "import" ? html`<code>import ${each.name}</code>` : phaseName(each.name)) },
    { name: "base", title: comparison.base, number: true, cell: (each) => ms(each.base_ms) },
    { name: "new", title: comparison.new, number: true, cell: (each) => ms(each.new_ms) },
    { name: "grew", title: t("lab.grew"), number: true, cell: (each) => html`${each.certain && html`<${Badge} kind=${each.grew.estimate > 0 ? "bad" : "good"}>${t("lab.certain")}<//> `}${signed(each.grew.estimate)}` },
    { name: "between", title: "95 %", number: true, cell: (each) => `${signed(each.grew.low)} … ${signed(each.grew.high)}` },
  ];
  return html`<div class="detail" role="status">
    <p><${Badge} kind=${kind}>${ms(comparison.base_ms)} → ${ms(comparison.new_ms)}<//> <strong>${words}</strong></p>
    ${because.length > 0 && html`<ul>${because.map((each) => html`<li key=${each}>${each}</li>`)}</ul>`}
    <${Table} label=${t("lab.parts")} columns=${columns} rows=${comparison.parts.slice(0, 30)} rowKey=${(each) => `${each.kind} ${each.name}`} />
  </div>`;
}

function signed(value) {
  return `${value > 0 ? "+" : ""}${value.toFixed(1)} ms`;
}
