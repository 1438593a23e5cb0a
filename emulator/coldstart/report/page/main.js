// Puts the report together, and draws it again when another language, run or code is chosen.

import { choice, el, ms } from "./dom.js";
import { unpacked } from "./data.js";
import { flame } from "./flame.js";
import { about, advice, cards, comparison, files, modules, packages, phases, section } from "./sections.js";
import { waterfall } from "./waterfall.js";
import { wordsOf } from "./words.js";

const SHARES = [0.05, 0.01, 0.001];

const data = unpacked(JSON.parse(document.getElementById("data").textContent));
const last = data.sides.length - 1;
const state = {
  language: kept("language") ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"),
  side: last,
  run: data.sides[last].typical,
  share: 0.01,
};

/** What was chosen before; a page that was opened from a file may not be allowed to keep anything. */
function kept(name) {
  try {
    return localStorage.getItem(`fclocal-coldstart-${name}`);
  } catch {
    return null;
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(`fclocal-coldstart-${name}`, value);
  } catch {
    // Then it is chosen again next time.
  }
}

function choose(changes, focused) {
  Object.assign(state, changes);
  draw();
  if (focused) document.querySelector(focused)?.focus();
}

function header(word) {
  const title = el("h1", {}, word("coldStart", data.sides[last].function));
  const speak = () => {
    const language = state.language === "en" ? "zh" : "en";
    keep("language", language);
    choose({ language }, "#language");
  };
  return el("header", {}, title, el("div", { class: "bar-of-tools" },
    el("button", { id: "language", onclick: speak }, word("language")),
    el("button", { onclick: turn }, word("theme"))));
}

function turn() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  keep("theme", root.dataset.theme);
}

function runTools(side, word) {
  const names = side.runs.map((run, n) => [n, `${n + 1}: ${ms(run.total)} ms${n === side.typical ? ` (${word("typical")})` : ""}`]);
  const step = (by) => () => choose({ run: (state.run + by + side.runs.length) % side.runs.length }, by < 0 ? "#previous" : "#next");
  const shares = SHARES.map((share) => [share, `${share * 100} %`]);
  const key = (kind) => el("span", {}, el("i", { class: `key ${kind}` }), word(kind));
  return el("div", { class: "bar-of-tools" },
    data.sides.length > 1 && sideChoice(word),
    choice(word("run"), names, state.run, (value) => choose({ run: Number(value) }, "#waterfall select")),
    el("button", { id: "previous", onclick: step(-1), "aria-label": word("previous") }, "←"),
    el("button", { id: "next", onclick: step(1), "aria-label": word("next") }, "→"),
    choice(`${word("from")}`, shares, state.share, (value) => choose({ share: Number(value) })),
    ["phase", "import", "read"].map(key));
}

function sideChoice(word) {
  const names = data.sides.map((side, n) => [n, side.name]);
  return choice(word("side"), names, state.side, (value) => choose({ side: Number(value), run: data.sides[value].typical }, "#waterfall select"));
}

function imports(side, run, word) {
  if (!side.imports.length) return section("imports", word("imports"), el("p", { class: "quiet" }, word("noImports")));
  const graph = run.imports.length ? flame(run.imports, word) : el("p", { class: "quiet" }, word("noImports"));
  return section("imports", word("imports"), graph, packages(side, word), el("h3", {}, word("allModules")), modules(side, word));
}

function draw() {
  const word = wordsOf(state.language);
  const side = data.sides[state.side];
  const run = side.runs[state.run];
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  document.title = word("coldStart", side.function);
  const main = el("main", { id: "main" },
    cards(data.sides[last], word),
    data.sides.length > 1 && comparison(data, state.language, word),
    section("waterfall", word("waterfall"), runTools(side, word), waterfall(run, state.share, word)),
    advice(data.advice, state.language, word),
    phases(side, word),
    imports(side, run, word),
    files(side, word),
    data.sides.map((each) => about(each, word)));
  document.body.replaceChildren(el("a", { class: "skip", href: "#main" }, word("skip")), header(word), main);
}

const theme = kept("theme");
if (theme) document.documentElement.dataset.theme = theme;
draw();
