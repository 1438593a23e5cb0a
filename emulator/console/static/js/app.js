// The shell: what is around the pages, and which page is shown.
import { html, kept, link, render, route, shared, useEffect, useModel, useRef, useState } from "./lib.js";
import { LANGUAGES, language, t } from "./i18n.js";
import { fetchJson } from "./api.js";
import { Model } from "./model.js";
import { connection, follow } from "./stream.js";
import { count } from "./format.js";
import { Failure } from "./parts.js";
import { FunctionsPage } from "./pages/functions.js";
import { InvokePage } from "./pages/invoke.js";
import { TimelinePage } from "./pages/timeline.js";
import { InvocationsPage } from "./pages/invocations.js";
import { LogsPage } from "./pages/logs.js";
import { LabPage } from "./pages/lab.js";
import { MetricsPage } from "./pages/metrics.js";
import { SettingsPage } from "./pages/settings.js";
import { Help } from "./help.js";

const PAGES = [
  ["functions", FunctionsPage],
  ["invoke", InvokePage],
  ["timeline", TimelinePage],
  ["invocations", InvocationsPage],
  ["logs", LogsPage],
  ["lab", LabPage],
  ["metrics", MetricsPage],
  ["settings", SettingsPage],
];

const model = new Model();
const state = shared(null);
const trouble = shared(null);
const theme = kept("theme", "auto");
// For a person at the browser's own console, and for tests.
window.fclocal = { model, state };

async function load() {
  try {
    const loaded = await fetchJson("state");
    state.set(loaded);
    trouble.set(null);
    model.know(loaded.instances);
  } catch (error) {
    trouble.set(error);
  }
}

function App() {
  const [page, ...rest] = route.use();
  const [help, setHelp] = useState(false);
  const known = state.use();
  const error = trouble.use();
  language.use();
  useEffect(() => {
    document.documentElement.lang = language.get();
  }, [language.get()]);
  useKeys(setHelp);
  // On a narrow screen the pages are one line, which has to be moved.
  useEffect(() => document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [page]);
  const [name, Shown] = PAGES.find(([each]) => each === page) ?? PAGES[0];
  return html`
    <a class="skip" href="#main" onClick=${toMain}>${t("skip")}</a>
    <header class="top">
      <a class="brand" href=${link("functions")}>fclocal</a>
      <${Connection} />
      <div class="switches">
        <${LanguageSwitch} /><${ThemeSwitch} />
        <button type="button" class="quiet" onClick=${() => setHelp(true)} aria-label=${t("help")}>?</button>
      </div>
    </header>
    <nav class="side" aria-label=${t("pages")}>
      ${PAGES.map(([each], index) => html`<a key=${each} href=${link(each)}
        aria-current=${each === name ? "page" : undefined}><kbd aria-hidden="true">${index + 1}</kbd>${t(`page.${each}`)}</a>`)}
    </nav>
    <main id="main" tabindex="-1">
      <${Failure} error=${error} />
      ${known && html`<${Shown} key=${name} model=${model} state=${known} path=${rest} reload=${load} />`}
    </main>
    ${help && html`<${Help} close=${() => setHelp(false)} />`}`;
}

function Connection() {
  useModel(model, 1000);
  const now = connection.use();
  return html`<span class="connection connection-${now}" role="status">
    <span class="dot" aria-hidden="true"></span>${t(`connection.${now}`)}
    ${model.dropped > 0 && html`<span class="dropped"> · ${t("dropped", { count: count(model.dropped) })}</span>`}
  </span>`;
}

function LanguageSwitch() {
  const other = language.use() === "zh" ? "en" : "zh";
  return html`<button type="button" class="quiet" lang=${other} onClick=${() => language.set(other)}
    aria-label=${LANGUAGES[other]}>${other === "zh" ? "中" : "EN"}</button>`;
}

function ThemeSwitch() {
  const now = theme.use();
  const next = { auto: "light", light: "dark", dark: "auto" }[now] ?? "auto";
  const label = `${t("theme")}: ${t(`theme.${now}`)}`;
  return html`<button type="button" class="quiet" onClick=${() => theme.set(next)} aria-label=${label} title=${label}>
    ${{ auto: "◐", light: "☀", dark: "☾" }[now]}</button>`;
}

// The style sheet knows light and dark: "auto" is whichever the system has.
const system = window.matchMedia("(prefers-color-scheme: dark)");
system.addEventListener("change", paintTheme);

function paintTheme() {
  const chosen = theme.get();
  document.documentElement.dataset.theme = chosen === "auto" ? (system.matches ? "dark" : "light") : chosen;
}

// To the content, without the address of another page.
function toMain(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function useKeys(setHelp) {
  const latest = useRef(setHelp);
  latest.current = setHelp;
  useEffect(() => {
    const onKey = (event) => {
      const typing = event.target.closest?.("input, textarea, select, dialog");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const page = PAGES[Number(event.key) - 1];
      if (event.key === "?") latest.current(true);
      else if (event.key === "/") {
        const search = document.querySelector("[data-search]");
        if (search) {
          event.preventDefault();
          search.focus();
        }
      } else if (page) window.location.hash = link(page[0]);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

theme.listen(paintTheme);
paintTheme();
load();
follow(model, load);
render(html`<${App} />`, document.getElementById("app"));
