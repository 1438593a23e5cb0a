// Tables that can be sorted by their heads, and dots that show each run.

import { el, svg, ms } from "./dom.js";

const SHOWN_ROWS = 25;

/**
 * A table of `rows`. Each of `columns` has `head`, `cell(row)` and, where it can be sorted by, `key(row)`; `text` aligns
 * it to the left. Beyond the first rows it waits to be asked, `more(count)` says how.
 */
export function table(columns, rows, { label, more, sortedBy = -1 }) {
  let sort = { column: sortedBy, down: true };
  let all = false;
  const body = el("tbody");
  const heads = columns.map((column, n) => head(column, () => sortBy(n)));
  const button = el("button", { onclick: () => { all = true; fill(); } }, more(rows.length));

  function sortBy(n) {
    sort = { column: n, down: sort.column === n ? !sort.down : typeof columns[n].key(rows[0]) === "number" };
    fill();
  }

  function fill() {
    const ordered = sort.column < 0 ? rows : [...rows].sort(by(columns[sort.column].key, sort.down));
    const shown = all ? ordered : ordered.slice(0, SHOWN_ROWS);
    body.replaceChildren(...shown.map((row) => el("tr", {}, columns.map((column) => cell(column, row)))));
    heads.forEach((th, n) => th.setAttribute("aria-sort", n === sort.column ? (sort.down ? "descending" : "ascending") : "none"));
    button.hidden = all || rows.length <= SHOWN_ROWS;
  }

  fill();
  const framed = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    el("table", {}, el("thead", {}, el("tr", {}, heads)), body));
  return el("div", {}, framed, el("div", { class: "bar-of-tools" }, button));
}

function head(column, sort) {
  const text = column.key && column.head ? el("button", { onclick: sort }, column.head) : column.head;
  return el("th", { scope: "col", class: column.text ? "text" : "" }, text);
}

function cell(column, row) {
  return el("td", { class: (column.text ? "text" : "figure") + (column.class ? ` ${column.class(row)}` : "") }, column.cell(row));
}

function by(key, down) {
  const sign = down ? -1 : 1;
  return (a, b) => (key(a) < key(b) ? -sign : key(a) > key(b) ? sign : 0);
}

/** Each run's value as a dot between 0 and the largest. */
export function dots(values, typical, told) {
  const most = Math.max(...values, 0.001);
  const place = (value) => 4 + (value / most) * 212;
  const circles = values.map((value, n) =>
    svg("circle", { cx: place(value), cy: 9, r: n === typical ? 4 : 3.2, class: n === typical ? "typical" : "" }, svg("title", {}, `${n + 1}: ${ms(value)} ms`)));
  return svg("svg", { class: "dots", viewBox: "0 0 220 18", role: "img", "aria-label": told, preserveAspectRatio: "none" },
    svg("line", { x1: 4, x2: 216, y1: 9, y2: 9 }), ...circles.filter((_, n) => n !== typical), circles[typical]);
}
