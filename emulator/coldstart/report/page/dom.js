// Elements, and how times and sizes are written (as in coldstart/units.py).

/** An element. Properties that begin with `on` are listeners, `style` is an object, others are attributes. */
export function el(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function short(value) {
  if (value >= 9.95) return Math.round(value).toLocaleString("en-US");
  return value >= 0.995 ? value.toFixed(1) : value.toFixed(2);
}

export const ms = short;

export function mb(bytes) {
  return short(bytes / 1024 / 1024);
}

/** With its sign: `+12`, `−0.40`. */
export function signed(value) {
  return (value < 0 ? "−" : "+") + short(Math.abs(value));
}

/** A select of `[value, text]` pairs with its label. */
export function choice(label, pairs, chosen, choose) {
  const options = pairs.map(([value, text]) => el("option", { value, selected: String(value) === String(chosen) }, text));
  return el("label", {}, label, el("select", { onchange: (event) => choose(event.target.value) }, options));
}
