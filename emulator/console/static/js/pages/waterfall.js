// One cold start: each phase a bar, in the order of time, what is within another below it.
import { html } from "../lib.js";
import { t } from "../i18n.js";
import { ms } from "../format.js";

const KNOWN = ["queue", "create", "runtime", "load", "initializer", "first_request"];

export function Waterfall({ coldStart }) {
  const total = Math.max(coldStart.total_ms, ...coldStart.phases.map((each) => each.at_ms + each.duration_ms), 0.001);
  return html`<table class="waterfall">
    <caption class="hidden">${t("waterfall")}</caption>
    <thead class="hidden"><tr><th scope="col">${t("phase")}</th><th scope="col">${t("duration")}</th><th scope="col">${t("when")}</th></tr></thead>
    <tbody>${inOrder(coldStart.phases).map(({ phase, depth }, index) => html`<tr key=${index}>
      <th scope="row" style=${{ paddingLeft: `${depth}rem` }} title=${phase.detail}>${phaseName(phase.name)}</th>
      <td class="number">${ms(phase.duration_ms)}</td>
      <td class="bars"><span class="bar bar-${tone(coldStart.phases, phase)}" style=${{
        left: `${(phase.at_ms / total) * 100}%`, width: `max(2px, ${(phase.duration_ms / total) * 100}%)`,
      }}></span></td>
    </tr>`)}</tbody>
  </table>`;
}

export function phaseName(name) {
  const text = t(`phase.${name}`);
  return text === `phase.${name}` ? name : text;
}

// Colours are those of the outermost phase.
function tone(phases, phase) {
  let top = phase;
  while (top.parent >= 0) top = phases[top.parent];
  const tones = { compose: "create", sandbox: "create", health_check: "initializer" };
  const name = tones[top.name] ?? top.name;
  return KNOWN.includes(name) ? name : "other";
}

function inOrder(phases) {
  const children = new Map();
  phases.forEach((phase, index) => {
    const list = children.get(phase.parent) ?? [];
    list.push(index);
    children.set(phase.parent, list);
  });
  const rows = [];
  const walk = (parent, depth) => {
    const list = [...(children.get(parent) ?? [])].sort((a, b) => phases[a].at_ms - phases[b].at_ms);
    for (const index of list) {
      rows.push({ phase: phases[index], depth });
      walk(index, depth + 1);
    }
  };
  walk(-1, 0);
  return rows;
}
