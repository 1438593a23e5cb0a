// The timeline's picture: what is in sight is drawn, and what would share a pixel is drawn once.

export const HEAD = 22;
export const ROW = 18;
const LABEL = 150;
const COLOURS = ["create", "init", "busy", "idle", "frozen", "paused", "stopping", "failed", "cold"];

// Which stretch of time is shown, in the emulator's seconds.
export class View {
  constructor(model) {
    this.model = model;
    this.span = 30;
    this.live = true;
    this.to = model.time();
    this.from = this.to - this.span;
    this.start = null;
    this.moved = 0;
  }

  tick() {
    if (!this.live) return;
    this.to = this.model.time();
    this.from = this.to - this.span;
  }

  follow(on) {
    this.live = on;
  }

  pan(share) {
    this.shift(share * this.span);
  }

  shift(seconds) {
    const now = this.model.time();
    this.to = Math.min(now, this.to + seconds);
    this.live = this.to >= now - 0.001;
    this.from = this.to - this.span;
  }

  zoom(factor) {
    this.span = Math.min(86400, Math.max(0.02, this.span * factor));
    this.from = this.to - this.span;
  }

  // True where the picture followed the pointer.
  dragged(event, canvas) {
    if (!event.movementX) return false;
    this.moved += Math.abs(event.movementX);
    this.shift((-event.movementX / plot(canvas.clientWidth).width) * this.span);
    return true;
  }

  wasDragged() {
    const moved = this.moved;
    this.moved = 0;
    return moved > 3;
  }
}

function plot(width) {
  const left = width < 500 ? 90 : LABEL;
  return { left, width: Math.max(1, width - left) };
}

let palette = { key: "", colours: {} };

// The colours of the theme, read once for each theme.
function paletteOf(element) {
  const key = document.documentElement.dataset.theme;
  if (palette.key !== key) {
    const style = window.getComputedStyle(element);
    const read = (name) => style.getPropertyValue(name).trim();
    const colours = Object.fromEntries(COLOURS.map((name) => [name, read(`--state-${name}`)]));
    palette = { key, colours: { ...colours, text: read("--text"), dim: read("--dim"), line: read("--line"), chosen: read("--chosen"), back: read("--panel") } };
  }
  return palette.colours;
}

export function draw(canvas, box, view, rows, model, selected) {
  const width = box.clientWidth;
  const height = box.clientHeight;
  const scale = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  const colours = paletteOf(box);
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.fillStyle = colours.back;
  pen.fillRect(0, 0, width, height);
  const first = Math.max(0, Math.floor((box.scrollTop - HEAD) / ROW));
  const last = Math.min(rows.length, Math.ceil((box.scrollTop + height - HEAD) / ROW));
  for (let index = first; index < last; index++) {
    drawRow(pen, rows[index], HEAD + index * ROW - box.scrollTop, width, view, colours, rows[index].id === selected, model);
  }
  drawHead(pen, width, height, view, colours, model);
}

function drawRow(pen, instance, top, width, view, colours, chosen, model) {
  const { left, width: room } = plot(width);
  if (chosen) {
    pen.fillStyle = colours.chosen;
    pen.fillRect(0, top, width, ROW);
  }
  const perSecond = room / (view.to - view.from);
  drawSegments(pen, instance.segments, { top, left, room, perSecond, view, colours, now: model.time() });
  if (instance.cold !== null && instance.cold >= view.from && instance.cold <= view.to) {
    const x = left + (instance.cold - view.from) * perSecond;
    pen.fillStyle = colours.cold;
    pen.beginPath();
    pen.moveTo(x - 4, top + 1);
    pen.lineTo(x + 4, top + 1);
    pen.lineTo(x, top + 8);
    pen.fill();
  }
  pen.fillStyle = chosen ? colours.chosen : colours.back;
  pen.fillRect(0, top, left, ROW);
  pen.fillStyle = instance.ended === null ? colours.text : colours.dim;
  pen.font = "12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  pen.fillText(fitted(pen, `${instance.function} ${instance.id.slice(-4)}`, left - 10), 4, top + ROW / 2);
}

function drawSegments(pen, segments, { top, left, room, perSecond, view, colours, now }) {
  // States of one pixel column: the last that asks for attention stays.
  let painted = -1;
  for (let index = firstAfter(segments, view.from); index < segments.length; index++) {
    const segment = segments[index];
    if (segment.from > view.to) break;
    const begin = Math.max(0, (segment.from - view.from) * perSecond);
    const end = Math.min(room, ((segment.to ?? now) - view.from) * perSecond);
    const column = Math.floor(end);
    if (end - begin < 1 && column === painted && segment.state !== "busy") continue;
    painted = column;
    pen.fillStyle = segment.failed ? colours.failed : colours[segment.state];
    const slim = segment.state === "idle" || segment.state === "frozen";
    pen.fillRect(left + begin, top + (slim ? 7 : 3), Math.max(1, end - begin), slim ? 4 : ROW - 6);
  }
}

// The first segment that ends after `at`: they are in order, and there may be thousands before it.
function firstAfter(segments, at) {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((segments[middle].to ?? Infinity) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

const widths = new Map();

function fitted(pen, text, room) {
  const key = `${room} ${text}`;
  let found = widths.get(key);
  if (found === undefined) {
    found = text;
    while (found.length > 4 && pen.measureText(found).width > room) found = `${found.slice(0, -6)}…${found.slice(-4)}`;
    if (widths.size > 5000) widths.clear();
    widths.set(key, found);
  }
  return found;
}

function drawHead(pen, width, height, view, colours, model) {
  const { left, width: room } = plot(width);
  pen.fillStyle = colours.back;
  pen.fillRect(0, 0, width, HEAD);
  pen.fillStyle = colours.dim;
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const step = stepOf((view.to - view.from) / Math.max(2, room / 110));
  const perSecond = room / (view.to - view.from);
  const offset = model.offset / 1000;
  for (let at = Math.ceil((view.from + offset) / step) * step - offset; at <= view.to; at += step) {
    const x = left + (at - view.from) * perSecond;
    pen.fillRect(x, HEAD - 4, 1, 4);
    if (x < width - 70) pen.fillText(tick(model.wall(at), step), x + 3, HEAD / 2);
  }
  pen.fillStyle = colours.line;
  pen.fillRect(0, HEAD - 1, width, 1);
  pen.fillRect(left - 1, 0, 1, height);
}

const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600];

function stepOf(least) {
  return STEPS.find((step) => step >= least) ?? 43200;
}

function tick(at, step) {
  const date = new Date(Math.round(at));
  const pad = (value, size = 2) => String(value).padStart(size, "0");
  const minutes = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  if (step >= 60) return minutes;
  const seconds = `${minutes}:${pad(date.getSeconds())}`;
  return step >= 1 ? seconds : `${seconds}.${pad(date.getMilliseconds(), 3)}`;
}

// The instance, and what it did, under the pointer.
export function hit(view, rows, canvas, box, event) {
  const place = canvas.getBoundingClientRect();
  const { left, width } = plot(canvas.clientWidth);
  const x = event.clientX - place.left - left;
  const index = Math.floor((event.clientY - place.top - HEAD + box.scrollTop) / ROW);
  if (event.clientY - place.top < HEAD || !rows[index]) return null;
  const at = view.from + (Math.max(0, x) / width) * (view.to - view.from);
  const segments = rows[index].segments;
  const segment = segments[firstAfter(segments, at)];
  return { instance: rows[index], at, segment: segment && segment.from <= at ? segment : null };
}
