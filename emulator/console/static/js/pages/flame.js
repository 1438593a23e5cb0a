// What a cold start loaded. Imports as a flame graph: what was imported by what, each as wide as it took; a click, or
// Enter, takes one whole. Files as a table.
import { html, useMemo, useRef, useState } from "../lib.js";
import { t } from "../i18n.js";
import { bytes, ms } from "../format.js";
import { Search, Table } from "../parts.js";

const ROW = 22;
// What is narrower, as a share of the width, is left out: nobody could point at it.
const LEAST = 0.0015;
// Of tables that have hundreds.
const FEW_ROWS = 10;

export function Imports({ imports, more }) {
  const [root, setRoot] = useState(-1);
  const [words, setWords] = useState("");
  const tree = useMemo(() => grown(imports), [imports]);
  const shown = root < imports.length ? root : -1;
  const slowest = useMemo(() => [...imports].sort((a, b) => b.self_ms - a.self_ms), [imports]);
  const whole = tree.top.reduce((sum, index) => sum + imports[index].total_ms, 0);
  return html`<section>
    <div class="page-head"><h3>${t("imports.count", { count: imports.length + (more ?? 0), total: ms(whole) })}</h3>
      <div class="tools">
        <${Search} label=${t("search")} value=${words} onInput=${setWords} />
        <button type="button" disabled=${shown < 0} onClick=${() => setRoot(-1)}>${t("whole")}</button>
      </div></div>
    <${Flame} imports=${imports} tree=${tree} root=${shown} zoom=${setRoot} words=${words.toLowerCase()} />
    <${Shortened} label=${t("slowest")} columns=${COLUMNS()} rows=${slowest} rowKey=${(each) => each.name} />
  </section>`;
}

const COLUMNS = () => [
  { name: "name", title: t("module"), cell: (each) => html`<code>${each.name}</code>` },
  { name: "self", title: t("self"), number: true, cell: (each) => ms(each.self_ms) },
  { name: "total", title: t("cumulative"), number: true, cell: (each) => ms(each.total_ms) },
  { name: "compiled", title: t("compiled"), number: true, cell: (each) => (each.compiled_ms ? ms(each.compiled_ms) : "") },
  { name: "size", title: t("size"), number: true, cell: (each) => (each.size ? bytes(each.size) : "") },
];

// A table, of which only the first rows are shown until somebody wants the others.
function Shortened({ rows, ...table }) {
  const [whole, setWhole] = useState(false);
  return html`<${Table} ...${table} rows=${whole ? rows : rows.slice(0, FEW_ROWS)} />
    ${!whole && rows.length > FEW_ROWS && html`<p><button type="button" onClick=${() => setWhole(true)}>
      ${t("all.rows", { count: rows.length })}</button></p>`}`;
}

function grown(imports) {
  const children = imports.map(() => []);
  const top = [];
  imports.forEach((each, index) => (each.parent >= 0 ? children[each.parent] : top).push(index));
  return { children, top };
}

function Flame({ imports, tree, root, zoom, words }) {
  const box = useRef(null);
  const boxes = useMemo(() => placed(imports, tree, root), [imports, tree, root]);
  const depth = Math.max(0, ...boxes.map((each) => each.depth)) + 1;
  const onKeyDown = (event) => {
    const index = Number(event.target.dataset.index);
    const parent = imports[index]?.parent ?? -1;
    const beside = parent >= 0 ? tree.children[parent] : tree.top;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0;
    const to = {
      ArrowUp: parent,
      ArrowDown: tree.children[index]?.[0],
      [step ? event.key : ""]: beside[beside.indexOf(index) + step],
    }[event.key];
    if (event.key === "Escape") zoom(-1);
    const found = to >= 0 && box.current.querySelector(`[data-index="${to}"]`);
    if (found) {
      event.preventDefault();
      found.focus();
    }
  };
  return html`<div class="flame" ref=${box} style=${{ height: `${depth * ROW}px` }} role="group" aria-label=${t("flame")}
    onKeyDown=${onKeyDown}>
    ${boxes.map(({ index, depth: row, left, width }, place) => {
      const each = imports[index];
      const text = `${each.name} · ${t("cumulative")} ${ms(each.total_ms)} · ${t("self")} ${ms(each.self_ms)}`;
      return html`<button key=${index} type="button" data-index=${index} tabindex=${place ? -1 : 0} title=${text} aria-label=${text}
        class=${`flame-box tone-${toneOf(each.name)}${words && each.name.toLowerCase().includes(words) ? " found" : ""}`}
        style=${{ left: `${left * 100}%`, width: `${width * 100}%`, top: `${row * ROW}px` }}
        onClick=${() => zoom(index)}>${width > 0.03 ? each.name : ""}</button>`;
    })}
  </div>`;
}

// Of one package all modules have one colour.
function toneOf(name) {
  let sum = 0;
  for (const char of name.split(".")[0]) sum = (sum * 31 + char.charCodeAt(0)) % 997;
  return sum % 6;
}

// Side by side in the order they began, without what lay between them.
function placed(imports, tree, root) {
  const top = root >= 0 ? [root] : tree.top;
  const whole = top.reduce((sum, index) => sum + imports[index].total_ms, 0) || 1;
  const boxes = [];
  const walk = (list, left, depth) => {
    for (const index of list) {
      const width = imports[index].total_ms / whole;
      if (width >= LEAST) {
        boxes.push({ index, depth, left, width });
        walk(tree.children[index], left, depth + 1);
      }
      left += width;
    }
  };
  walk(top, 0, 0);
  return boxes;
}

export function Reads({ reads }) {
  const rows = [...reads].sort((a, b) => b.read + b.mapped - a.read - a.mapped);
  const columns = [
    { name: "path", title: t("file"), cell: (each) => html`<code>${each.path}</code>` },
    { name: "read", title: t("read"), number: true, cell: (each) => bytes(each.read) },
    { name: "mapped", title: t("mapped"), number: true, cell: (each) => (each.mapped ? bytes(each.mapped) : "") },
    { name: "times", title: t("times"), number: true, cell: (each) => each.times },
    { name: "busy", title: t("took"), number: true, cell: (each) => ms(each.busy_ms) },
    { name: "cached", title: t("cached"), number: true, cell: (each) => (each.cached === null ? "" : bytes(each.cached)) },
  ];
  return html`<h3>${t("files")}</h3>
    <${Shortened} label=${t("files")} columns=${columns} rows=${rows} rowKey=${(each) => each.path} />`;
}
