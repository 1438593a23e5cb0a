// A chart over time by uPlot, which is loaded when the first one is shown.
import { html, useEffect, useRef } from "./lib.js";
import { t } from "./i18n.js";
import { clock } from "./format.js";

let loading = null;

function load() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/_console/static/vendor/uplot.js";
    script.onload = () => resolve(window.uPlot);
    script.onerror = reject;
    document.head.append(script);
  });
  return loading;
}

// `times` are seconds since 1970, and `span` are so many up to now; `lines` are {label, colour, values, fill?}, colours names of the style sheet.
export function Chart({ label, times, span, lines, format, height = 180 }) {
  const box = useRef(null);
  const plot = useRef(null);
  const data = [times, ...lines.map((line) => line.values)];
  const latest = useRef(data);
  latest.current = data;
  const seconds = useRef(span);
  seconds.current = span;
  const names = lines.map((line) => line.label).join();
  useEffect(() => {
    let gone = false;
    const sized = new ResizeObserver(() => plot.current?.setSize({ width: box.current.clientWidth, height }));
    load().then((Plot) => {
      if (gone) return;
      plot.current = new Plot(options(box.current, lines, format, height, seconds), latest.current, box.current);
      sized.observe(box.current);
    });
    return () => {
      gone = true;
      sized.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [names, document.documentElement.dataset.theme]);
  useEffect(() => plot.current?.setData(data));
  return html`<figure class="plot"><figcaption>${label}</figcaption><div ref=${box} role="img" aria-label=${label}></div></figure>`;
}

function options(box, lines, format, height, seconds) {
  const style = window.getComputedStyle(box);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = { stroke: colour("dim"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
  return {
    width: box.clientWidth,
    height,
    series: [
      { label: t("at"), value: (_, time) => (time === null ? "–" : clock(time * 1000).slice(0, 8)) },
      ...lines.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        fill: line.fill ? `${colour(line.colour)}33` : undefined,
        width: 1.5,
        spanGaps: false,
        points: { size: 4 },
        value: (_, value) => (value === null ? "–" : format(value)),
      })),
    ],
    axes: [{ ...axis, space: 80, values: (_, times) => times.map((time) => clock(time * 1000).slice(0, 8)) }, { ...axis, size: 64, values: (_, values) => values.map((value) => format(value)) }],
    scales: {
      x: { range: () => [Date.now() / 1000 - seconds.current, Date.now() / 1000] },
      y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1e-9)] },
    },
    legend: { live: true },
    cursor: { drag: { x: false, y: false } },
  };
}
