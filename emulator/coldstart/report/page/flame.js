// The flame graph of a run's imports: width is time, below a module is what it imported.

import { el, ms } from "./dom.js";

const ROW = 20;
// A module that is narrower can not be seen, nor hit.
const LEAST_PIXELS = 2;

/** A tree of modules: `{name, file, total, self, children, parent}`; the root stands for all imports of the run. */
export function importTree(imports, rootName) {
  const root = { name: rootName, file: "", package: "", total: 0, self: 0, children: [], parent: null };
  const opened = [];
  for (const it of imports) {
    opened.length = it.depth;
    const parent = it.depth ? opened[it.depth - 1] : root;
    const node = { name: it.name, file: it.file, package: it.package, total: it.end - it.begin, self: it.self, children: [], parent };
    parent.children.push(node);
    opened.push(node);
  }
  root.total = root.children.reduce((sum, child) => sum + child.total, 0);
  return root;
}

/** Nodes with their place: `{node, depth, left, width}`, in shares of the graph; what is around `focus` stays above it. */
export function layout(focus, bySize, least) {
  const around = [];
  for (let node = focus.parent; node; node = node.parent) around.unshift({ node, left: 0, width: 1, isAround: true });
  const placed = around.map((place, depth) => ({ ...place, depth }));
  const waiting = [{ node: focus, depth: around.length, left: 0, width: 1 }];
  while (waiting.length) {
    const place = waiting.pop();
    placed.push(place);
    const children = bySize ? [...place.node.children].sort((a, b) => b.total - a.total) : place.node.children;
    let left = place.left;
    const inner = [];
    for (const node of children) {
      const width = place.node.total > 0 ? (place.width * node.total) / place.node.total : 0;
      if (width >= least) inner.push({ node, depth: place.depth + 1, left, width });
      left += width;
    }
    waiting.push(...inner.reverse());
  }
  return placed;
}

export function flame(imports, word) {
  const root = importTree(imports, word("allImports"));
  const most = Math.max(...imports.map((it) => it.self), 0.001);
  const state = { focus: root, bySize: false, bySelf: false, search: "", at: root };
  const graph = el("div", { class: "flame", role: "tree", "aria-label": word("imports") });
  const told = el("div", { class: "told", role: "status" });
  const count = el("span", { class: "quiet", role: "status" });
  const search = el("input", { type: "search", "aria-label": word("search"), placeholder: word("search"), oninput: (event) => { state.search = event.target.value.trim().toLowerCase(); draw(); } });
  const tools = el("div", { class: "bar-of-tools" }, search, count,
    toggle(word("bySize"), () => { state.bySize = !state.bySize; draw(); return state.bySize; }),
    toggle(word("bySelf"), () => { state.bySelf = !state.bySelf; draw(); return state.bySelf; }),
    el("button", { onclick: () => zoom(root) }, word("zoomOut")));

  function draw(keepFocus = false) {
    const pixels = graph.clientWidth || 800;
    const places = layout(state.focus, state.bySize, LEAST_PIXELS / pixels);
    if (!places.some((place) => place.node === state.at)) state.at = state.focus;
    const boxes = places.map((place) => box(place));
    graph.replaceChildren(...boxes);
    graph.style.height = `${Math.min(520, (Math.max(...places.map((place) => place.depth)) + 1) * ROW + 4)}px`;
    const found = matching(root, state.search);
    count.textContent = state.search ? word("found", found.count, ms(found.total)) : "";
    if (keepFocus) boxes[places.findIndex((place) => place.node === state.at)].focus();
    tell(state.at);
  }

  function box(place) {
    const { node } = place;
    const hit = state.search && node !== root && node.name.toLowerCase().includes(state.search);
    const classes = [place.isAround && "around", state.search && (hit ? "found" : "missed")].filter(Boolean).join(" ");
    return el("div", {
      class: classes, role: "treeitem", tabindex: node === state.at ? 0 : -1, "aria-level": place.depth + 1, "aria-selected": String(node === state.focus),
      "aria-label": telling(node), title: telling(node), "data-module": node.name,
      style: { left: `${place.left * 100}%`, width: `${place.width * 100}%`, top: `${place.depth * ROW}px`, background: colour(node) },
      onclick: () => { state.at = node; zoom(node === state.focus && node.parent ? node.parent : node); },
      onpointermove: (event) => (event.movementX || event.movementY) && tell(node), onfocus: () => { state.at = node; tell(node); },
    }, node.name);
  }

  function zoom(node) {
    state.focus = node;
    if (state.at === root || !isBelow(state.at, node)) state.at = node;
    draw(graph.contains(document.activeElement));
  }

  function colour(node) {
    if (node === root) return "hsl(210 12% 78%)";
    if (state.bySelf) return `hsl(${45 - 30 * Math.sqrt(node.self / most)} 90% ${88 - 26 * Math.sqrt(node.self / most)}%)`;
    return `hsl(${hue(node.package)} 52% 74%)`;
  }

  function telling(node) {
    const share = root.total > 0 ? ` (${((100 * node.total) / root.total).toFixed(1)} %)` : "";
    return `${node.name}: ${ms(node.total)} ms${share}, ${word("itself")} ${ms(node.self)} ms`;
  }

  function tell(node) {
    told.replaceChildren(el("b", {}, telling(node)), el("div", { class: "quiet mono" }, node.file));
  }

  function move(event) {
    const to = { ArrowUp: () => state.at.parent, ArrowDown: () => state.at.children.find(isDrawn), ArrowLeft: () => sister(-1), ArrowRight: () => sister(1) }[event.key];
    const node = to?.();
    if (node) go(node);
    else if (event.key === "Enter" || event.key === " ") zoom(state.at);
    else if (event.key === "Escape" && state.focus.parent) zoom(state.focus.parent);
    else if (event.key === "Home") go(root);
    else return;
    event.preventDefault();
  }

  function go(node) {
    state.at = node;
    if (!isBelow(node, state.focus) && !isBelow(state.focus, node)) state.focus = node.parent;
    draw(true);
  }

  function isDrawn(node) {
    return [...graph.children].some((child) => child.dataset.module === node.name);
  }

  function sister(step) {
    const row = [...graph.children].filter((child) => child.getAttribute("aria-level") === document.activeElement.getAttribute("aria-level"));
    row[row.indexOf(document.activeElement) + step]?.focus();
    return null;
  }

  graph.addEventListener("keydown", move);
  let width = -1;
  new ResizeObserver(() => {
    // Its height is our own doing.
    if (graph.clientWidth !== width) {
      width = graph.clientWidth;
      draw(graph.contains(document.activeElement));
    }
  }).observe(graph);
  return el("div", {}, tools, el("p", { class: "quiet" }, word("flameTold")), graph, told);
}

function toggle(text, press) {
  return el("button", { "aria-pressed": "false", onclick: (event) => event.currentTarget.setAttribute("aria-pressed", String(press())) }, text);
}

function isBelow(node, above) {
  for (let at = node; at; at = at.parent) if (at === above) return true;
  return false;
}

/** How many modules match, and what they took: one inside of another counts once. */
export function matching(root, search) {
  const found = { count: 0, total: 0 };
  const waiting = search ? root.children.map((node) => [node, false]) : [];
  while (waiting.length) {
    const [node, isInside] = waiting.pop();
    const hit = node.name.toLowerCase().includes(search);
    if (hit) found.count += 1;
    if (hit && !isInside) found.total += node.total;
    waiting.push(...node.children.map((child) => [child, isInside || hit]));
  }
  return found;
}

function hue(text) {
  let hash = 7;
  for (const char of text) hash = (hash * 31 + char.codePointAt(0)) % 3600;
  return hash / 10;
}
