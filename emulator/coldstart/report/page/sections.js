// The parts of the report that are figures and words: cards, comparison, phases, imports, files, advice, conditions.

import { choice, el, mb, ms, signed } from "./dom.js";
import { dots, table } from "./tables.js";

/** A part with its heading. */
export function section(id, title, ...children) {
  return el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), ...children);
}

export function cards(side, word) {
  const { total } = side;
  const failed = side.failed.length ? `, ${side.failed.length} ${word("failed")}` : "";
  const found = [
    [`${ms(total.median)} ms`, word("median")],
    [`${ms(total.p95)} ms`, word("p95")],
    [`${ms(total.spread)} ms`, `${word("spread")} (${word("spreadTold")})`],
    [String(side.runs.length), word("runs") + failed],
    [`${Math.round(side.memory_mb)} MB`, word("memory")],
    [`${ms(side.measuring.median)} ms`, `${word("measuring")} (${word("measuringTold")})`],
  ];
  return el("div", { class: "cards" }, found.map(([figure, text]) => el("div", { class: "card" }, el("b", {}, figure), el("span", { class: "quiet" }, text))));
}

// --- comparison ---

export function comparison(data, language, word) {
  const rows = data.changes;
  const most = Math.max(...rows.map((row) => Math.abs(row.grew.estimate)), 0.001);
  const columns = [
    { head: word("phase"), cell: (row) => [row.name, el("span", { class: "quiet" }, ` ${word(row.kind)}`)], key: (row) => row.name, text: true },
    { head: word("base"), cell: (row) => ms(row.base_ms), key: (row) => row.base_ms },
    { head: word("now"), cell: (row) => ms(row.new_ms), key: (row) => row.new_ms },
    { head: word("change"), cell: (row) => signed(row.grew.estimate), key: (row) => row.grew.estimate, class: changeClass },
    { head: "95 %", cell: (row) => `${signed(row.grew.low)} … ${signed(row.grew.high)}`, class: () => "quiet" },
    { head: "", cell: (row) => changeBar(row.grew.estimate / most), text: true },
  ];
  const [base, now] = data.sides;
  const verdict = data.verdict && el("p", { class: "verdict" }, data.verdict[language]);
  const totals = el("p", {}, `${base.name}: ${ms(base.total.median)} ms → ${now.name}: ${ms(now.total.median)} ms`);
  const changes = rows.length ? [el("p", { class: "quiet" }, word("changesTold")), table(columns, rows, options(word, "comparison"))] : [el("p", {}, word("nothingChanged"))];
  return section("comparison", word("comparison"), verdict, totals, ...changes);
}

function changeClass(row) {
  if (!row.certain) return "quiet";
  return row.grew.estimate > 0 ? "grew" : "shrank";
}

function changeBar(share) {
  const width = Math.abs(share) * 50;
  return el("div", { class: "change", "aria-hidden": "true" }, el("i", { class: share > 0 ? "grew" : "", style: { left: `${share > 0 ? 50 : 50 - width}%`, width: `${width}%` } }));
}

// --- tables ---

export function phases(side, word) {
  const rows = [{ path: [""], name: "total", ...side.total }, ...side.phases.map((row) => ({ ...row, name: row.path.at(-1) }))];
  const indent = (row) => el("span", { style: { paddingLeft: `${(row.path.length - 1) * 16}px` } }, row.name);
  const told = (row) => word("dotsTold", row.values.length, ms(Math.min(...row.values)), ms(Math.max(...row.values)));
  const columns = [
    { head: word("phase"), cell: indent, text: true },
    { head: word("median"), cell: (row) => ms(row.median), key: (row) => row.median },
    { head: word("p95"), cell: (row) => ms(row.p95), key: (row) => row.p95 },
    { head: word("spread"), cell: (row) => ms(row.spread), key: (row) => row.spread },
    { head: word("distribution"), cell: (row) => dots(row.values, side.typical, told(row)), text: true },
  ];
  return section("phases", word("phases"), table(columns, rows.filter((row) => Math.max(...row.values) > 0), options(word, "phases")));
}

export function packages(side, word) {
  const columns = [
    { head: word("package"), cell: (row) => row.name, key: (row) => row.name, text: true },
    ...timeColumns(word),
    { head: word("modules"), cell: (row) => row.modules, key: (row) => row.modules },
  ];
  return el("div", {}, el("h3", {}, word("packages")), table(columns, side.packages, options(word, "packages", 1)));
}

export function modules(side, word) {
  const columns = [
    { head: word("module"), cell: (row) => el("span", { title: row.file }, row.name), key: (row) => row.name, text: true },
    ...timeColumns(word),
    { head: word("importer"), cell: (row) => row.importer, key: (row) => row.importer, text: true },
  ];
  return table(columns, side.imports, options(word, "allModules", 2));
}

function timeColumns(word) {
  return [
    { head: word("cumulative"), cell: (row) => ms(row.total_ms), key: (row) => row.total_ms },
    { head: word("itself"), cell: (row) => ms(row.self_ms), key: (row) => row.self_ms },
    { head: word("compiling"), cell: (row) => (row.compiled_ms ? ms(row.compiled_ms) : ""), key: (row) => row.compiled_ms },
  ];
}

export function files(side, word) {
  if (!side.files.length) return section("files", word("files"), el("p", { class: "quiet" }, word("noFiles")));
  const columns = [
    { head: word("file"), cell: (row) => el("span", { class: "mono" }, row.path), key: (row) => row.path, text: true },
    { head: word("size"), cell: (row) => mb(row.size), key: (row) => row.size },
    { head: word("wasRead"), cell: (row) => mb(row.read), key: (row) => row.read, class: (row) => (row.read >= row.size * 1.5 && row.size ? "grew" : "") },
    { head: word("mapped"), cell: (row) => (row.mapped ? mb(row.mapped) : ""), key: (row) => row.mapped },
    { head: word("opened"), cell: (row) => `${row.times}×`, key: (row) => row.times },
    { head: word("busy"), cell: (row) => ms(row.busy_ms), key: (row) => row.busy_ms },
    { head: word("cached"), cell: (row) => (row.cached === null ? "" : mb(row.cached)), key: (row) => row.cached ?? -1 },
  ];
  const note = side.files.some((row) => row.mapped) && el("p", { class: "quiet" }, word("mappedNote"));
  const place = el("div");
  const show = (kind) => place.replaceChildren(table(columns, side.files.filter((row) => !kind || row.kind === kind), options(word, "files", 5)));
  const first = side.files.some((row) => row.kind === "data") ? "data" : "";
  show(first);
  const tools = el("div", { class: "bar-of-tools" }, choice(word("kind"), kindsOf(side.files, word), first, show));
  return section("files", word("files"), tools, place, note);
}

/** What can be chosen to be shown, with how many files and ms it is. */
function kindsOf(rows, word) {
  const told = (kind) => {
    const found = rows.filter((row) => !kind || row.kind === kind);
    return [kind, word("filesTold", word(kind || "allFiles"), found.length, ms(found.reduce((sum, row) => sum + row.busy_ms, 0)))];
  };
  return ["", ...new Set(rows.map((row) => row.kind))].map(told);
}

function options(word, label, sortedBy = -1) {
  return { label: word(label), more: (count) => word("moreRows", count), sortedBy };
}

// --- advice and conditions ---

export function advice(items, language, word) {
  if (!items.length) return section("advice", word("advice"), el("p", {}, word("noAdvice")));
  const saving = (item) => item.saving_ms > 0 && el("span", { class: "saving" }, word(item.at_most ? "upTo" : "saves", ms(item.saving_ms)));
  const list = items.map((item) => el("li", {}, saving(item), el("h3", {}, item.title[language]), item.evidence.map((text) => el("p", {}, text[language])), item.command && el("p", {}, el("code", {}, item.command))));
  return section("advice", word("advice"), el("ol", { class: "advice" }, list));
}

export function about(side, word) {
  const settings = side.settings.length ? side.settings.map(([name, value]) => `${name}: ${value}`).join(" · ") : word("noneChosen");
  const known = side.conditions.map(([key, value]) => [word(key), value]).filter(([, value]) => value);
  const terms = [...known, [word("settings"), settings]].map(([term, text]) => [el("dt", {}, term), el("dd", {}, text)]);
  const notes = [...side.notes, ...side.failed];
  if (side.measuring.median > 0) notes.push(word("measuringNote", ms(side.measuring.median)));
  const list = notes.length ? [el("h3", {}, word("notes")), el("ul", {}, notes.map((note) => el("li", {}, note)))] : [];
  return section("about", `${word("about")}: ${side.name}`, el("dl", {}, terms.flat()), ...list);
}
