// Figures over time and what FC would ask for, as the emulator counts them from its start on.
import { html, useEffect, useState } from "../lib.js";
import { t } from "../i18n.js";
import { act } from "../api.js";
import { count, megabytes, ms } from "../format.js";
import { Choice, Empty, Facts, Failure, FunctionChoice, Page, Table } from "../parts.js";
import { Chart } from "../chart.js";

const WINDOWS = [60, 300, 900, 3600, 14400];
const EVERY_MS = 2000;
const COLOURS = ["state-busy", "state-create", "state-init", "state-idle", "state-paused", "state-frozen", "state-failed"];
// FC's words of the emulator's states, by their colours.
const STATE_COLOURS = {
  starting: "state-create", initializing: "state-init", busy: "state-busy", idle: "state-idle", freezing: "state-idle",
  frozen: "state-frozen", paused: "state-paused", draining: "state-stopping", stopping: "state-stopping",
};

export function MetricsPage({ state }) {
  const [name, setName] = useState("");
  const [span, setSpan] = useState(300);
  const [found, error] = useAnswer(() => Promise.all([act("metrics", { window: span }), act("cost")]), [span]);
  const spans = WINDOWS.map((each) => [String(each), t("minutes", { count: each / 60 })]);
  const [metrics, cost] = found ?? [null, null];
  const names = Object.keys(metrics?.functions ?? {}).filter((each) => !name || each === name);
  return html`<${Page} title=${t("page.metrics")} tools=${html`
      <${FunctionChoice} state=${state} value=${name} onChange=${setName} />
      <${Choice} label=${t("span")} value=${String(span)} options=${spans} onChange=${(each) => setSpan(Number(each))} />`}>
    <${Failure} error=${error} />
    ${metrics && (names.length
      ? html`<${Sums} metrics=${metrics} names=${names} />
          ${names.length === 1 ? html`<${OneFunction} own=${metrics.functions[names[0]]} span=${span} />` : html`<${Several} metrics=${metrics} names=${names} span=${span} />`}`
      : html`<${Empty}>${t("invocations.none")}<//>`)}
    ${cost && html`<${Cost} cost=${cost} name=${name} />`}
  <//>`;
}

// What `ask` answers, asked again every two seconds while the page is looked at.
function useAnswer(ask, inputs) {
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    let gone = false;
    let timer = 0;
    const again = async () => {
      try {
        const next = document.hidden ? null : await ask();
        if (!gone && next) {
          setAnswer(next);
          setError(null);
        }
      } catch (failure) {
        if (!gone) setError(failure);
      }
      if (!gone) timer = window.setTimeout(again, EVERY_MS);
    };
    again();
    return () => {
      gone = true;
      window.clearTimeout(timer);
    };
  }, inputs);
  return [answer, error];
}

// Without an invocation there is no percentile of any.
function some(slot, value) {
  return slot.FunctionTotalInvocations ? value : null;
}

function Sums({ metrics, names }) {
  const columns = [
    { name: "name", title: t("function"), cell: (each) => each },
    ...[
      ["calls", t("invocations"), (own) => count(own.FunctionTotalInvocations)],
      ["failed", t("failures"), (own) => count(own.FunctionFunctionErrors)],
      ["throttled", t("throttled"), (own) => count(own.FunctionConcurrencyThrottles + own.FunctionResourceThrottles)],
      ["cold", t("cold.starts"), (own) => `${count(own.coldStarts)} (${(own.coldStartRate * 100).toFixed(0)} %)`],
      ["p50", "p50", (own) => some(own, ms(own.p50Duration))],
      ["p95", "p95", (own) => some(own, ms(own.p95Duration))],
      ["p99", "p99", (own) => some(own, ms(own.FunctionP99Duration))],
      ["p95cold", t("p95.cold"), (own) => (own.coldStarts ? ms(own.p95ColdStart) : "")],
      ["flight", t("concurrency"), (own) => own.FunctionMaxConcurrentRequests],
      ["memory", t("memory"), (own) => some(own, megabytes(own.FunctionMaxMemoryUsage))],
    ].map(([key, title, cell]) => ({ name: key, title, number: true, cell: (each) => cell(metrics.functions[each].window) })),
  ];
  return html`<${Table} label=${t("page.metrics")} columns=${columns} rows=${names} rowKey=${(each) => each} />
    <p class="hint">${t("percentile.error", { share: (metrics.percentile_error * 100).toFixed(1) })}</p>`;
}

function OneFunction({ own, span }) {
  const { series, step } = own;
  const times = series.map((each) => each.at);
  const line = (label, colour, value, fill = false) => ({ label, colour, fill, values: series.map(value) });
  const states = [...new Set(series.flatMap((each) => Object.keys(each.instances)))];
  return html`<div class="plots">
    <${Chart} label=${t("metrics.rate")} times=${times} span=${span} format=${rate} lines=${[
      line(t("invocations"), "state-busy", (each) => each.FunctionTotalInvocations / step, true),
      line(t("failed"), "state-failed", (each) => each.FunctionFunctionErrors / step),
      line(t("cold.starts"), "state-create", (each) => each.coldStarts / step),
    ]} />
    <${Chart} label=${t("metrics.latency")} times=${times} span=${span} format=${ms} lines=${[
      line("p50", "state-busy", (each) => some(each, each.p50Duration)),
      line("p95", "state-create", (each) => some(each, each.p95Duration)),
      line("p99", "state-failed", (each) => some(each, each.FunctionP99Duration)),
    ]} />
    <${Chart} label=${t("metrics.instances")} times=${times} span=${span} format=${rate}
      lines=${states.map((name) => line(t(`metrics.state.${name}`), STATE_COLOURS[name] ?? "dim", (each) => each.instances[name] ?? 0))} />
    <${Chart} label=${t("metrics.memory")} times=${times} span=${span} format=${megabytes} lines=${[
      line(t("memory"), "state-init", (each) => some(each, each.FunctionMaxMemoryUsage), true),
      ...(series.some((each) => each.FunctionGPUMaxMemoryUsage) ? [line(t("gpu.memory"), "state-paused", (each) => each.FunctionGPUMaxMemoryUsage ?? 0)] : []),
    ]} />
  </div>`;
}

// Functions beside each other: percentiles of several can not be added.
function Several({ metrics, names, span }) {
  const times = metrics.functions[names[0]].series.map((each) => each.at);
  const lines = (value) => names.map((name, index) => ({
    label: name, colour: COLOURS[index % COLOURS.length],
    values: metrics.functions[name].series.map((each) => value(each, metrics.functions[name].step)),
  }));
  return html`<div class="plots">
    <${Chart} label=${t("metrics.rate")} times=${times} span=${span} format=${rate} lines=${lines((each, step) => each.FunctionTotalInvocations / step)} />
    <${Chart} label=${t("metrics.p95")} times=${times} span=${span} format=${ms} lines=${lines((each) => (each.FunctionTotalInvocations ? each.p95Duration : null))} />
    <${Chart} label=${t("metrics.all.instances")} times=${times} span=${span} format=${rate} lines=${lines((each) => each.maxInstances)} />
    <${Chart} label=${t("metrics.memory")} times=${times} span=${span} format=${megabytes} lines=${lines((each) => each.FunctionMaxMemoryUsage || null)} />
  </div>`;
}

function rate(value) {
  return value.toFixed(value < 10 ? 1 : 0);
}

function Cost({ cost, name }) {
  const rows = [...Object.entries(cost.functions).filter(([each]) => !name || each === name), ...(name ? [] : [["", cost.total]])];
  const money = (amounts) => Object.entries(amounts).map(([currency, amount]) => `${amount} ${currency}`).join(" · ") || "–";
  const columns = [
    { name: "name", title: t("function"), cell: ([each]) => each || html`<strong>${t("together")}</strong>` },
    { name: "calls", title: t("invocations"), number: true, cell: ([, sum]) => count(sum.calls) },
    { name: "active", title: t("active"), number: true, cell: ([, sum]) => ms(sum.activeSeconds * 1000) },
    { name: "idle", title: t("idle"), number: true, cell: ([, sum]) => ms(sum.idleSeconds * 1000) },
    { name: "cu", title: "CU", number: true, cell: ([, sum]) => Number(sum.cu).toFixed(4) },
    { name: "billed", title: t("billed"), number: true, cell: ([, sum]) => money(sum.billed) },
    { name: "million", title: t("million"), number: true, cell: ([, sum]) => money(sum.million) },
  ];
  return html`<section><h2>${t("cost")}</h2>
    <${Table} label=${t("cost")} columns=${columns} rows=${rows} rowKey=${([each]) => each} />
    <p class="hint">${t("prices", { date: cost.prices.date })} ${cost.prices.source}</p>
    <${Dearest} cost=${cost} money=${money} name=${name} />
  </section>`;
}

function Dearest({ cost, money, name }) {
  const rows = cost.requests.filter((each) => !name || each.function === name)
    .sort((a, b) => Number(b.cu) - Number(a.cu)).slice(0, 10);
  if (!rows.length) return null;
  return html`<h3>${t("dearest")}</h3><${Facts} facts=${rows.map((each) =>
    [each.function, `${ms(each.activeMs)} · ${Number(each.cu).toFixed(6)} CU · ${money(each.exact)}`])} />`;
}
