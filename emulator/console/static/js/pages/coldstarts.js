// Cold starts as the emulator has them (model/coldstart.py): a list of all that it keeps, and each as a whole.
import { shared, useEffect, useModel, useState } from "../lib.js";
import { fetchJson } from "../api.js";

// Instances tell of their imports right behind their first answer; without that the emulator waits two seconds.
const SOON_MS = 300;
const LATER_MS = 2600;

const all = shared([]);
let loaded = -1;

// Without imports and files, the newest first.
export function useColdStarts(model) {
  useModel(model, 500);
  const found = all.use();
  const births = model.births;
  useEffect(() => {
    if (births === loaded) return undefined;
    const timers = [SOON_MS, LATER_MS].map((delay) => window.setTimeout(async () => {
      try {
        all.set(await fetchJson("coldstarts"));
        loaded = births;
      } catch {
        // The connection's own light says so.
      }
    }, delay));
    return () => timers.forEach(window.clearTimeout);
  }, [births]);
  return found;
}

// One with its imports and files; null until it is there.
export function useColdStart(id, births) {
  const [whole, setWhole] = useState(null);
  useEffect(() => {
    let gone = false;
    setWhole((before) => (before?.instance_id === id ? before : null));
    if (id) fetchJson(`coldstarts/${encodeURIComponent(id)}`).then((found) => gone || setWhole(found), () => {});
    return () => {
      gone = true;
    };
  }, [id, births]);
  return whole?.instance_id === id ? whole : null;
}
