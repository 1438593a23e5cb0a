// The waterfall of one run: its phases, with imports and files below the phase in which they began.

import { el, ms } from "./dom.js";

const TICKS = 5;

/** `least` is the share of the whole below which imports and files are left out. */
export function waterfall(run, least, word) {
  const rows = rowsOf(run, run.total * least);
  const whole = Math.max(run.total, ...rows.map((row) => row.at + row.duration), 0.001);
  const lines = rows.map((row) => line(row, whole, word));
  return el("div", { class: "rows", role: "list", tabindex: 0, "aria-label": word("waterfall") }, axis(whole), lines);
}

/** What a waterfall shows, top down: `{kind, name, depth, at, duration, detail}`. */
export function rowsOf(run, leastMs) {
  const inside = new Map();
  const put = (row) => {
    const phase = innermost(run.phases, row.at);
    inside.set(phase, [...(inside.get(phase) ?? []), row]);
  };
  for (const it of run.imports) if (it.end - it.begin >= leastMs) put({ kind: "import", name: it.name, depth: it.depth, at: it.begin, duration: it.end - it.begin });
  for (const it of run.reads) if (it.busy >= leastMs && it.busy > 0) put({ kind: "read", name: it.path, depth: 0, at: it.at, duration: it.busy, detail: it.times > 1 ? `${it.times}×` : "" });
  const rows = [...(inside.get(-1) ?? [])];
  run.phases.forEach((phase, n) => {
    rows.push({ kind: "phase", name: phase.name, depth: phase.depth, at: phase.begin, duration: phase.end - phase.begin, detail: phase.detail });
    for (const row of inside.get(n) ?? []) rows.push({ ...row, depth: row.depth + phase.depth + 1 });
  });
  if (run.unnamed >= Math.max(leastMs, run.total * 0.001) && run.unnamed > 0) rows.push({ kind: "unnamed", name: null, depth: 0, at: 0, duration: run.unnamed });
  return rows;
}

function innermost(phases, at) {
  let found = -1;
  phases.forEach((phase, n) => {
    const holds = phase.begin <= at && at < phase.end;
    if (holds && (found < 0 || phase.end - phase.begin <= phases[found].end - phases[found].begin)) found = n;
  });
  return found;
}

/** The end of a path tells more than its beginning. */
function shown(row) {
  const parts = row.name.split("/");
  return row.kind === "read" && parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : row.name;
}

function line(row, whole, word) {
  const name = row.name === null ? word("unnamed") : shown(row);
  const told = word("rowTold", row.name ?? name, ms(row.duration), ms(row.at)) + (row.detail ? ` (${row.detail})` : "");
  const place = { left: `${(row.at / whole) * 100}%`, width: `${(row.duration / whole) * 100}%` };
  const title = row.kind === "unnamed" ? word("unnamedTold") : told;
  return el("div", { class: "row", role: "listitem", title },
    el("span", { class: "name", style: { paddingLeft: `${Math.min(row.depth, 8) * 14}px` } }, name, row.detail && el("span", { class: "quiet" }, ` ${row.detail}`)),
    el("span", { class: "figure" }, ms(row.duration)),
    el("span", { class: "track" }, row.kind !== "unnamed" && el("i", { class: `bar ${row.kind}`, style: place })));
}

function axis(whole) {
  const step = niceStep(whole / TICKS);
  const ticks = [];
  for (let at = 0; at <= whole * 0.97; at += step) ticks.push(at);
  const marks = ticks.map((at) => el("span", { style: { left: `${(at / whole) * 100}%` }, class: at > whole * 0.9 ? "last" : "" }, ms(at).replace(".00", "")));
  return el("div", { class: "axis", "aria-hidden": "true" }, el("span"), el("span", { class: "figure" }, "ms"), el("span", { class: "track" }, marks));
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
}
