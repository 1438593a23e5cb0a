// The emulator's journal, as it comes: what was kept first, then what happens.
import { shared } from "./lib.js";

export const connection = shared("connecting"); // connecting, live, lost

let emulator = null;

export function follow(model, onDeployed) {
  const source = new EventSource("/_console/events");
  const read = (event) => JSON.parse(event.data);
  source.addEventListener("hello", (event) => {
    const hello = read(event);
    // Another one listens at this address by now, which knows another token.
    if (emulator !== null && emulator !== hello.emulator) window.location.reload();
    emulator = hello.emulator;
    model.reset();
    model.hello(hello);
  });
  source.addEventListener("past", (event) => model.feed(read(event)));
  source.addEventListener("live", () => {
    connection.set("live");
    onDeployed();
  });
  source.addEventListener("events", (event) => {
    const events = read(event);
    model.feed(events);
    if (events.some((each) => each.kind.startsWith("revision_"))) onDeployed();
  });
  source.addEventListener("dropped", (event) => {
    model.dropped += read(event).count;
    model.changed();
  });
  // The browser connects again by itself, but for an answer that is none.
  source.onerror = () => {
    connection.set("lost");
    if (source.readyState === EventSource.CLOSED) {
      window.setTimeout(() => follow(model, onDeployed), 2000);
    }
  };
  return source;
}
