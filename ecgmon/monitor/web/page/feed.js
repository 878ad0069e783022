// The one connection: asks for what is seen, goes on where it was, comes back when it breaks.
import { readEvents } from "./sse.js";
import { headers, refused } from "./token.js";

const SILENCE = 5000; // ms without a word: the connection is dead (the daemon speaks every second)
const FIRST = 400; // ms to the first try again; doubles up to LONGEST, each shortened by chance
const LONGEST = 8000;
const SETTLE = 150; // ms that what is seen must stay the same

export class Feed {
  /** `model` hears the events; `state(word)` hears "connecting", "live" or "lost" and, where it is known, why. */
  constructor(model, state) {
    this.model = model;
    this.state = state;
    this.seen = [];
    this.focus = 0;
    this.pause = FIRST;
  }

  start() {
    this.connect();
    setInterval(() => {
      if (this.heard !== null && performance.now() - this.heard > SILENCE) this.broken();
    }, 500);
    document.addEventListener("visibilitychange", () => this.connect());
  }

  /** Streams (numbers) whose samples are wanted from now on, and the one wanted whole, or 0. */
  see(numbers, focus = 0) {
    if (focus === this.focus && numbers.length === this.seen.length && numbers.every((n) => this.seen.includes(n))) return;
    this.seen = numbers;
    this.focus = focus;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.connect(), SETTLE);
  }

  async connect() {
    clearTimeout(this.settling);
    clearTimeout(this.again);
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.heard = performance.now();
    let why;
    try {
      const response = await fetch(`/api/v1/live?${this.query()}`, { headers: headers(), signal: abort.signal, cache: "no-store" });
      if (response.status === 401) {
        this.state("lost");
        this.heard = null;
        return await refused(() => this.connect());
      }
      if (!response.ok) why = (await response.json().catch(() => ({}))).detail; // a proxy may say it otherwise
      else await readEvents(response, (name, data) => this.hear(abort, name, data));
    } catch (error) {
      if (error.name === "SyntaxError") console.error(error);
    }
    if (abort === this.abort) this.broken(why);
  }

  hear(abort, name, data) {
    if (abort !== this.abort) return;
    this.heard = performance.now();
    if (name === "hello") {
      this.pause = FIRST;
      this.state("live");
    }
    this.model.hear(name, data);
  }

  query() {
    const seen = document.hidden ? [] : this.seen;
    const parts = [`see=${seen.map((n) => this.model.position(n)).join(",")}`];
    if (this.focus && !document.hidden) parts.push(`focus=${this.focus}`);
    if (this.model.run) parts.push(`run=${this.model.run}`, `alerts=${this.model.lastAlert}`);
    return parts.join("&");
  }

  /** `why`: what the daemon said, if it said something. */
  broken(why) {
    this.abort?.abort();
    this.abort = null;
    this.heard = null;
    this.state("lost", why);
    this.again = setTimeout(() => this.connect(), this.pause * (0.5 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST);
  }
}
