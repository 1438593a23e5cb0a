// Every instance a row: what it does now and did before. Drawn on a canvas, and told in a table below it.
import { html, link, useEffect, useModel, useRef, useState } from "../lib.js";
import { t } from "../i18n.js";
import { clock, count, ms, short } from "../format.js";
import { Badge, Empty, Facts, FunctionChoice, Page, Table } from "../parts.js";
import { HEAD, ROW, View, draw, hit } from "./timeline-draw.js";

export const STATES = ["create", "init", "busy", "idle", "frozen", "paused", "stopping"];

export function stateName(name) {
  return t(`state.${name}`);
}

export function TimelinePage({ model, state, path }) {
  useModel(model, 400);
  const [name, setName] = useState("");
  const [gone, setGone] = useState(true);
  const rows = rowsOf(model, name, gone);
  const selected = path[0] ?? "";
  const open = (instance) => {
    window.location.hash = link("timeline", instance.id);
  };
  return html`<${Page} title=${t("page.timeline")} tools=${html`
      <${FunctionChoice} state=${state} value=${name} onChange=${setName} />
      <label class="check"><input type="checkbox" checked=${gone} onChange=${(event) => setGone(event.target.checked)} /> ${t("show.ended")}</label>`}>
    <${Legend} />
    ${rows.length
      ? html`<${Chart} model=${model} rowsOf=${() => rowsOf(model, name, gone)} rows=${rows} selected=${selected} open=${open} />
          ${model.instances.get(selected) && html`<${One} instance=${model.instances.get(selected)} model=${model} />`}
          <h2>${t("instances")}</h2>
          <${Table} label=${t("instances")} columns=${columns(model)} rows=${rows.slice(0, 200)} rowKey=${(each) => each.id}
            selected=${selected} onOpen=${open} />`
      : html`<${Empty}>${t("instances.none")}<//>`}
  <//>`;
}

// Those that live first; of each kind the youngest first.
function rowsOf(model, name, gone) {
  const rows = [...model.instances.values()].filter((each) => (!name || each.function === name) && (gone || each.ended === null));
  return rows.sort((a, b) => (a.ended === null) === (b.ended === null) ? b.born - a.born : a.ended === null ? -1 : 1);
}

function Legend() {
  return html`<ul class="legend" aria-label=${t("legend")}>
    ${STATES.map((each) => html`<li key=${each}><span class="swatch swatch-${each}" aria-hidden="true"></span>${stateName(each)}</li>`)}
    <li><span class="swatch swatch-failed" aria-hidden="true"></span>${t("failed")}</li>
    <li><span class="mark-cold" aria-hidden="true">▼</span>${t("cold.start")}</li>
  </ul>`;
}

function columns(model) {
  return [
    { name: "id", title: t("instance"), cell: (each) => html`<a href=${link("timeline", each.id)}><code>${short(each.id)}</code></a>` },
    { name: "function", title: t("function"), cell: (each) => `${each.function}@r${each.revision}` },
    { name: "state", title: t("state"), cell: (each) => html`<${InstanceState} instance=${each} />` },
    { name: "born", title: t("born"), cell: (each) => clock(model.wall(each.born)) },
    { name: "calls", title: t("invocations"), number: true, cell: (each) => count(each.calls) },
    { name: "start", title: t("started.by"), cell: (each) => each.start },
    { name: "reason", title: t("reason"), cell: (each) => each.reason },
  ];
}

function InstanceState({ instance }) {
  if (instance.ended !== null) return html`<${Badge} kind="none">${t("ended")}<//>`;
  const last = instance.segments[instance.segments.length - 1]?.state ?? "idle";
  return html`<${Badge} kind=${last}>${stateName(last)}<//>`;
}

function One({ instance, model }) {
  const calls = model.invocations.filter((each) => each.instance === instance.id);
  const shownCalls = calls.slice(-10).reverse();
  return html`<section class="detail" aria-label=${t("details")}>
    <div class="page-head"><h2>${instance.function}</h2><a class="button" href=${link("timeline")}>${t("close")}</a></div>
    <${Facts} facts=${[
      [t("instance"), html`<code>${instance.id}</code>`],
      [t("state"), html`<${InstanceState} instance=${instance} />`],
      [t("born"), clock(model.wall(instance.born))],
      [t("ended"), instance.ended === null ? "" : clock(model.wall(instance.ended))],
      [t("reason"), instance.reason],
      [t("invocations"), count(instance.calls)],
      ...instance.spans.map((span) => [span.name, ms(span.duration)]),
    ]} />
    ${instance.still && html`<h3>${t("still")}</h3><p class="hint">${t("still.hint")}</p>
      <${Facts} facts=${["threads", "timers", "sockets", "processes"].map((each) => [t(`still.${each}`), instance.still[each].join("\n")])} />`}
    <ul class="revisions">${shownCalls.map((each) => html`<li key=${each.id}><time>${clock(model.wall(each.at))}</time>${" "}
      <a href=${link("invocations", each.id)}>${short(each.id)}</a> ${each.duration === null ? t("running") : ms(each.duration)}
      ${each.cold && html` <${Badge} kind="cold">${t("cold.start")}<//>`}</li>`)}</ul>
  </section>`;
}

function Chart({ model, rowsOf: current, rows, selected, open }) {
  const box = useRef(null);
  const canvas = useRef(null);
  const view = useRef(null);
  view.current ??= new View(model);
  const [live, setLive] = useState(true);
  const [about, setAbout] = useState("");
  const at = useRef({ current, selected });
  at.current = { current, selected };
  useEffect(() => run(model, view.current, canvas.current, box.current, () => at.current), [model]);
  const follow = (on) => {
    view.current.follow(on);
    setLive(on);
  };
  const move = (step) => {
    view.current.pan(step);
    setLive(view.current.live);
  };
  const onKeyDown = (event) => {
    const list = at.current.current();
    const index = list.findIndex((each) => each.id === selected);
    const keys = {
      ArrowLeft: () => move(-0.2),
      ArrowRight: () => move(0.2),
      ArrowDown: () => list.length && open(list[Math.min(list.length - 1, index + 1)]),
      ArrowUp: () => list.length && open(list[Math.max(0, index - 1)]),
      "+": () => view.current.zoom(0.7),
      "=": () => view.current.zoom(0.7),
      "-": () => view.current.zoom(1 / 0.7),
      l: () => follow(true),
      L: () => follow(true),
    };
    if (keys[event.key] && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      keys[event.key]();
    }
  };
  const pointed = (event) => hit(view.current, at.current.current(), canvas.current, box.current, event);
  return html`<div class="chart-tools tools">
      <button type="button" aria-pressed=${live} onClick=${() => follow(!live)}>${t("live")}</button>
      <button type="button" onClick=${() => move(-0.5)} aria-label=${t("earlier")}>←</button>
      <button type="button" onClick=${() => move(0.5)} aria-label=${t("later")}>→</button>
      <button type="button" onClick=${() => view.current.zoom(0.5)} aria-label=${t("zoom.in")}>+</button>
      <button type="button" onClick=${() => view.current.zoom(2)} aria-label=${t("zoom.out")}>−</button>
      <span class="hint" role="status">${about || t("timeline.hint")}</span>
    </div>
    <div class="chart" ref=${box} style=${{ height: `${Math.min(HEAD + rows.length * ROW + 4, 460)}px` }}
      tabindex="0" role="application" aria-label=${t("timeline.label", { count: rows.length })} onKeyDown=${onKeyDown}
      onWheel=${(event) => { if (event.ctrlKey || event.shiftKey) { event.preventDefault(); view.current.zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2); } }}
      onPointerMove=${(event) => { if (event.buttons === 1 && view.current.dragged(event, canvas.current)) setLive(view.current.live); setAbout(told(pointed(event), model)); }}
      onPointerLeave=${() => setAbout("")}
      onClick=${(event) => { const found = pointed(event); if (found && !view.current.wasDragged()) open(found.instance); }}>
      <canvas ref=${canvas}></canvas>
      <div style=${{ height: `${HEAD + rows.length * ROW}px` }}></div>
    </div>`;
}

function told(found, model) {
  if (!found) return "";
  const { instance, segment, at } = found;
  const state = segment ? ` · ${stateName(segment.state)} ${ms(((segment.to ?? model.time()) - segment.from) * 1000)}` : "";
  return `${clock(model.wall(at))} · ${instance.function} ${short(instance.id)}${state}`;
}

// Draws while the picture changes: each frame while it follows the present, else when something is new.
function run(model, view, canvas, box, latest) {
  let frame = 0;
  let drawn = "";
  const paint = () => {
    frame = window.requestAnimationFrame(paint);
    const { current, selected } = latest();
    view.tick();
    const key = [view.from, view.to, box.scrollTop, box.clientWidth, box.clientHeight, model.news, selected,
      document.documentElement.dataset.theme].join();
    if (key === drawn) return;
    drawn = key;
    draw(canvas, box, view, current(), model, selected);
  };
  paint();
  return () => window.cancelAnimationFrame(frame);
}
