// One stream: its state, its signal while it is seen, its last beats.
import { Signal } from "./signal.js";

const BEATS = 400;
const WHOLE = 32;
const SCORED = 8;

export class Stream {
  constructor(info) {
    this.info = info;
    this.name = info.name;
    this.number = info.id;
    this.signal = null;
    this.beats = []; // the last, oldest first
    this.whole = [];
    this.age = null;
    this.agedAt = 0;
  }

  /** The daemon says how old its newest sample is, s. */
  aged(age, now) {
    this.age = age;
    this.agedAt = now;
  }

  /** Its age now: since the daemon last spoke time has passed here as well. */
  ageNow(now) {
    return this.age === null ? null : this.age + (now - this.agedAt) / 1000;
  }

  /** "live" only while the newest sample is young, whatever the connection does. */
  condition(now) {
    const told = this.info.condition;
    const age = this.ageNow(now);
    if (told === "ended" || told === "delayed") return told;
    return age === null || age > this.info.limit ? "stale" : "live";
  }

  samples(first, text, step, now) {
    if (!this.signal || this.signal.rate !== this.info.rate) this.signal = new Signal(this.info.rate);
    this.signal.add(first, text, step, now);
  }

  beat([number, at, rr, score, p, flags]) {
    const last = this.beats.at(-1);
    if (last && number <= last.number) return;
    const scored = (flags & SCORED) !== 0;
    this.beats.push({ number, at, rr, score: scored ? score : null, p: scored ? p : null, good: !!(flags & 1), odd: !!(flags & 2), alarming: !!(flags & 4) });
    if (this.beats.length > BEATS) this.beats.shift();
  }

  wholeBeat(beat) {
    if (this.whole.length && beat.number <= this.whole.at(-1).number) return;
    this.whole.push(beat);
    if (this.whole.length > WHOLE) this.whole.shift();
  }

  /** It is no longer seen: what would be old when it is seen again is forgotten. */
  forget() {
    this.signal = null;
    this.beats = [];
    this.whole = [];
  }
}
