// Figures as a person reads them.
import { language } from "./i18n.js";

export function ms(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value >= 100000) return `${Math.round(value / 1000)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

export function megabytes(value) {
  return value >= 1024 ? `${(value / 1024).toFixed(2)} GB` : `${value.toFixed(value < 10 ? 1 : 0)} MB`;
}

export function bytes(value) {
  if (value < 1024) return `${value} B`;
  if (value < 1024 * 1024) return `${(value / 1024).toFixed(1)} KB`;
  return megabytes(value / 1024 / 1024);
}

export function count(value) {
  return value.toLocaleString(language.get());
}

// A moment of the wall clock, in milliseconds since 1970, to the millisecond.
export function clock(at) {
  const date = new Date(at);
  const pad = (value, width = 2) => String(value).padStart(width, "0");
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return `${time}.${pad(date.getMilliseconds(), 3)}`;
}

export function percentile(sorted, share) {
  if (!sorted.length) return null;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))];
}

// The end of an instance's or a request's id, which tells it from others.
export function short(id) {
  return id.length > 14 ? `…${id.slice(-12)}` : id;
}

// Of values in order.
export function median(sorted) {
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
