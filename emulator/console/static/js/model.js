// What happened, made of the journal's events: invocations, instances with their states, lines, cold starts. No DOM.

const MOST = { invocations: 20000, lines: 20000, segments: 20000, ended: 1000 };
const STATES = {
  starting: "create",
  initializing: "init",
  idle: "idle",
  busy: "busy",
  freezing: "idle",
  frozen: "frozen",
  draining: "busy",
  stopping: "stopping",
};

export class Model {
  constructor() {
    this.listeners = new Set();
    // Grows with whatever is new.
    this.news = 0;
    this.reset();
  }

  // Forget everything: what was kept is sent again.
  reset() {
    this.invocations = [];
    this.byRequest = new Map();
    this.instances = new Map();
    this.lines = [];
    this.revisions = [];
    this.dropped = 0;
    this.numbered = 0;
    // Grows when a cold start is complete, or may be.
    this.births = 0;
    // Monotonic seconds of the emulator, and what turns them into the wall clock's milliseconds.
    this.now = 0;
    this.offset = 0;
    this.began = null;
  }

  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  changed() {
    this.news += 1;
    for (const listener of [...this.listeners]) listener();
  }

  hello({ now, time }) {
    this.now = now;
    this.offset = (time - now) * 1000;
    this.heard = performance.now();
  }

  // Now, by the emulator's monotonic clock.
  time() {
    return this.now + (performance.now() - (this.heard ?? performance.now())) / 1000;
  }

  wall(at) {
    return at * 1000 + this.offset;
  }

  feed(events) {
    for (const event of events) {
      this.began = this.began === null ? event.at : Math.min(this.began, event.at);
      HANDLERS[event.kind]?.(this, event);
    }
    this.changed();
  }

  // Instances that were born before everything that was kept.
  know(instances) {
    for (const each of instances) {
      if (!this.instances.has(each.id)) {
        const instance = this.instance(each.id, each.function, each.since);
        Object.assign(instance, { revision: each.revision, paused: each.paused, inFlight: each.in_flight });
        enter(instance, each.state, each.since);
      }
    }
    this.changed();
  }

  instance(id, name, at) {
    let found = this.instances.get(id);
    if (!found) {
      found = {
        id, function: name, revision: 0, born: at, ended: null, state: "starting", reason: "", start: "", paused: false,
        inFlight: 0, calls: 0, segments: [], spans: [], cold: null,
        // What stood still with it at its last freeze: threads, timers, sockets, processes.
        still: null,
      };
      this.instances.set(id, found);
      enter(found, "starting", at);
      if (this.instances.size > MOST.ended) forgetEnded(this.instances);
    }
    return found;
  }

  line(at, name, instance, request, text, level = "") {
    this.lines.push({ number: this.numbered++, at, function: name, instance, request, text, level });
    if (this.lines.length > MOST.lines) this.lines.splice(0, MOST.lines / 10);
  }
}

function forgetEnded(instances) {
  for (const [id, instance] of instances) {
    if (instance.ended !== null) {
      instances.delete(id);
      return;
    }
  }
}

// What is drawn of an instance: its own state, unless it is in use or stands in the debugger.
function shown(instance) {
  if (instance.paused) return "paused";
  const state = STATES[instance.state];
  return state === "idle" && instance.inFlight > 0 ? "busy" : state;
}

function enter(instance, state, at) {
  instance.state = state;
  redraw(instance, at);
}

function redraw(instance, at) {
  const segments = instance.segments;
  const last = segments[segments.length - 1];
  const state = instance.ended === null ? shown(instance) : undefined;
  if (last && last.state === state && last.to === null) return;
  if (last && last.to === null) last.to = Math.max(at, last.from);
  if (state) segments.push({ from: at, to: null, state, failed: false });
  if (segments.length > MOST.segments) segments.splice(0, MOST.segments / 10);
}

function began(model, event) {
  const instance = model.instance(event.instance_id, event.function, event.at);
  const invocation = {
    id: event.request_id, function: event.function, qualifier: event.qualifier, instance: event.instance_id,
    trigger: event.trigger, cold: event.cold, at: event.at, ended: null, status: null, duration: null, init: 0,
    queue: 0, memory: 0, memorySize: 0, error: "", detail: "", paused: 0, rejected: false, start: "",
  };
  instance.inFlight += 1;
  instance.calls += 1;
  if (event.cold) instance.cold = event.at;
  redraw(instance, event.at);
  add(model, invocation);
}

function add(model, invocation) {
  model.invocations.push(invocation);
  model.byRequest.set(invocation.id, invocation);
  if (model.invocations.length > MOST.invocations) {
    for (const old of model.invocations.splice(0, MOST.invocations / 10)) model.byRequest.delete(old.id);
  }
}

function ended(model, event) {
  const instance = model.instance(event.instance_id, event.function, event.at);
  const invocation = model.byRequest.get(event.request_id);
  const failed = Boolean(event.error) || event.status >= 400;
  instance.inFlight = Math.max(0, instance.inFlight - 1);
  const last = instance.segments[instance.segments.length - 1];
  if (failed && last?.state === "busy") last.failed = true;
  if (event.cold) model.births += 1;
  redraw(instance, event.at);
  if (!invocation) return;
  Object.assign(invocation, {
    ended: event.at, status: event.status, duration: event.duration_ms, init: event.init_ms, queue: event.queue_ms,
    memory: event.memory_mb, memorySize: event.memory_size_mb, error: event.error, detail: event.detail,
    paused: event.paused_ms, start: event.start, failed,
  });
}

function rejected(model, event) {
  add(model, {
    id: event.request_id, function: event.function, qualifier: "", instance: "", trigger: "", cold: false,
    at: event.at, ended: event.at, status: event.status, duration: 0, init: 0, queue: 0, memory: 0, memorySize: 0,
    error: event.code, detail: event.message, paused: 0, rejected: true, failed: true, start: "",
  });
}

function moved(model, event) {
  const instance = model.instance(event.instance_id, event.function, event.at);
  instance.revision = event.revision;
  instance.reason = event.reason || instance.reason;
  if (event.after === "stopped") instance.ended = event.at;
  if (["idle", "frozen"].includes(event.after)) instance.inFlight = event.in_flight;
  enter(instance, event.after, event.at);
}

function span(model, event) {
  const instance = model.instance(event.instance_id, event.function, event.at);
  const first = instance.segments[0];
  if (event.name !== "queue" && event.at < instance.born && first?.state === "create") {
    instance.born = first.from = event.at;
  }
  instance.spans.push({ name: event.name, at: event.at, duration: event.duration_ms, detail: event.detail });
}

function pausing(paused) {
  return (model, event) => {
    const instance = model.instance(event.instance_id, event.function, event.at);
    instance.paused = paused;
    redraw(instance, event.at);
  };
}

const notice = (model, event) => model.line(event.at, event.function, "", "", event.message, event.level);

const HANDLERS = {
  invocation_started: began,
  invocation_ended: ended,
  invocation_rejected: rejected,
  instance_moved: moved,
  instance_started(model, event) {
    const instance = model.instance(event.instance_id, event.function, event.at);
    Object.assign(instance, { revision: event.revision, start: event.start });
  },
  freeze_report(model, event) {
    model.instance(event.instance_id, event.function, event.at).still = event;
  },
  instance_paused: pausing(true),
  instance_resumed: pausing(false),
  instance_traced(model) {
    model.births += 1;
  },
  clock_advanced: (model, event) => model.line(event.at, "", "", "", `clock +${event.seconds} s`, "info"),
  timer_fired: (model, event) =>
    model.line(event.at, event.function, "", event.request_id, `timer ${event.trigger} ${event.trigger_time}`, "info"),
  minimum_changed: (model, event) =>
    model.line(event.at, event.function, "", "", `minimum ${event.target} ${event.action}`.trim(), "info"),
  span,
  log_line: (model, event) => model.line(event.at, event.function, event.instance_id, event.request_id, event.text),
  notice,
  revision_deployed: (model, event) => model.revisions.push(event),
  revision_refused(model, event) {
    model.revisions.push(event);
    model.line(event.at, event.function, "", "", `${event.place}: ${event.message}`, "error");
  },
  image_progress: (model, event) => model.line(event.at, event.function, "", "", event.text, "info"),
};
