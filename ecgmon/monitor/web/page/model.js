// What is known of all streams, as the daemon told it.
import { Stream } from "./stream.js";

const DRIFT = 300_000; // ms

export class Model extends EventTarget {
  constructor() {
    super();
    this.streams = new Map(); // by number
    this.alerts = new Map(); // by id, in the order in which they were first told
    this.lastAlert = 0;
    this.run = null;
    this.facts = null;
    this.since = 0;
    this.least = this.before = Infinity;
    this.amiss = []; // parts of the monitor that are why it is not ready
  }

  byName(name) {
    for (const stream of this.streams.values()) if (stream.name === name) return stream;
    return null;
  }

  /** Alerts that stand, as the streams' states say. */
  standing() {
    let n = 0;
    for (const { info } of this.streams.values()) if (info.condition !== "ended") n += info.alerts.length;
    return n;
  }

  /** For the query of the feed: the stream, and from which sample on. */
  position(number) {
    const stream = this.streams.get(number);
    return stream?.signal ? `${number}@${stream.signal.end}` : `${number}`;
  }

  hear(name, data) {
    if (name === "hello") this.hello(data);
    else if (name === "status") this.status(data);
    else if (name === "data") this.data(data);
    else if (name === "beat") this.beat(data);
    else if (name === "alerts") this.told(data);
  }

  hello(data) {
    if (this.run !== null && this.run !== data.run) {
      this.streams.clear(); // another daemon: what we know is of the past
      this.alerts.clear();
      this.lastAlert = 0;
      this.least = this.before = Infinity;
      this.dispatchEvent(new Event("run"));
    }
    this.run = data.run;
    this.facts = data;
    this.dispatchEvent(new Event("hello"));
  }

  status(data) {
    const now = performance.now();
    let changed = data.gone.length > 0;
    for (const info of data.streams) {
      let stream = this.streams.get(info.id);
      if (!stream) {
        stream = new Stream(info);
        this.streams.set(info.id, stream);
        changed = true;
      }
      stream.info = info;
    }
    for (const number of data.gone) this.streams.delete(number);
    this.amiss = data.amiss;
    const late = this.late(data.now, now);
    for (const [number, age] of data.ages) this.streams.get(number)?.aged(age === null ? null : age + late, now);
    this.dispatchEvent(new Event(changed ? "streams" : "status"));
  }

  /** By how much, s, this came later than others did: what waited on its way is older than it says. */
  late(told, now) {
    const way = now / 1000 - told; // and the difference of both clocks, which drifts: so the least is of minutes
    if (now - this.since > DRIFT) [this.since, this.before, this.least] = [now, this.least, way];
    this.least = Math.min(this.least, way);
    return way - Math.min(this.least, this.before);
  }

  data(data) {
    const now = performance.now();
    for (const [number, first, text] of data.samples) this.streams.get(number)?.samples(first, text, this.facts.step_mv, now);
    for (const [number, ...beat] of data.beats) this.streams.get(number)?.beat(beat);
  }

  beat(data) {
    this.streams.get(data.id)?.wholeBeat(data.beat);
    this.dispatchEvent(new Event("beat"));
  }

  told(data) {
    for (const alert of data.alerts) this.alerts.set(alert.id, alert);
    this.lastAlert = data.last;
    while (this.alerts.size > 500) this.alerts.delete(this.alerts.keys().next().value);
    this.dispatchEvent(Object.assign(new Event("alerts"), { news: data.past ? [] : data.alerts }));
  }
}
