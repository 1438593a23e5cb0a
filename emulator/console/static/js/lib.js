// The libraries of the pages, and what all of them use of these.
import { Fragment, h, render } from "../vendor/preact.js";
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "../vendor/preact-hooks.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { Fragment, h, render, useEffect, useId, useLayoutEffect, useMemo, useRef, useState };

// Something that many look at: `get` it, `set` it, and `use` it in a component.
export function shared(value) {
  const listeners = new Set();
  const set = (next) => {
    if (next !== value) {
      value = next;
      for (const listener of [...listeners]) listener(next);
    }
  };
  const use = () => {
    const [, redraw] = useState(0);
    useEffect(() => {
      const listener = () => redraw((count) => count + 1);
      listeners.add(listener);
      listener();
      return () => listeners.delete(listener);
    }, []);
    return value;
  };
  const listen = (listener) => listeners.add(listener);
  return { get: () => value, set, use, listen };
}

// As `shared`, kept by the browser. Where that keeps nothing, it lasts as long as the page.
export function kept(name, fallback, storage = "localStorage") {
  let found = null;
  try {
    found = window[storage].getItem(`fclocal.${name}`);
  } catch {
    // Refused by the browser's settings.
  }
  const value = shared(found ?? fallback);
  const set = (next) => {
    value.set(next);
    try {
      window[storage].setItem(`fclocal.${name}`, next);
    } catch {
      // As above.
    }
  };
  return { ...value, set };
}

// Redraws when the model has news, at most so often: a page is read by a person.
export function useModel(model, everyMs = 200) {
  const [, redraw] = useState(0);
  const drawn = model.news;
  useEffect(() => {
    let timer = 0;
    const onNews = () => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        redraw((count) => count + 1);
      }, everyMs);
    };
    const stop = model.listen(onNews);
    // An effect comes later than its picture.
    if (model.news !== drawn) onNews();
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [model, everyMs]);
}

// The page's address: `#/invoke/hello` → ["invoke", "hello"].
export const route = shared(readRoute());
window.addEventListener("hashchange", () => route.set(readRoute()));

function readRoute() {
  return window.location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
}

export function link(...parts) {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}
