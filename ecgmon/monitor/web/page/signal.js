// Samples of one stream and the place that is shown. They come in pieces, and are shown evenly.

const SIZE = 4096; // a power of two: half a minute
const HIGH_PASS = 0.5; // Hz: a monitor's; for the eye only
const MARGIN = 0.15; // s that are held in reserve beyond the longest wait for a piece
const WINDOW = 8000; // ms over which pace and waits are looked at

export class Signal {
  constructor(rate) {
    this.rate = rate;
    this.mv = new Float32Array(SIZE).fill(NaN);
    this.end = 0;
    this.begin = 0;
    this.shown = 0;
    this.came = []; // [ms, end] of the last pieces
    this.keep = 1 / (1 + (2 * Math.PI * HIGH_PASS) / rate);
    this.x = NaN;
    this.y = 0;
  }

  at(i) {
    return i < this.begin || i >= this.end ? NaN : this.mv[i & (SIZE - 1)];
  }

  add(first, text, step, now) {
    const bytes = atob(text);
    const fresh = this.came.length === 0;
    if (fresh) this.begin = this.end = first;
    if (first > this.end) this.hole(first);
    for (let i = 0, n = bytes.length >> 1; i < n; i++) {
      if (first + i < this.end) continue;
      const steps = ((bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8)) << 16) >> 16;
      this.push(steps === -32768 ? NaN : steps * step);
    }
    this.begin = Math.max(this.begin, this.end - SIZE + 512);
    this.came.push([now, this.end]);
    while (this.came.length > 2 && now - this.came[0][0] > WINDOW) this.came.shift();
    if (fresh) this.shown = Math.max(this.begin, this.end - this.reserve());
  }

  push(x) {
    if (Number.isNaN(x)) this.x = NaN;
    else {
      this.y = Number.isNaN(this.x) ? 0 : this.keep * (this.y + x - this.x);
      this.x = x;
    }
    this.mv[this.end & (SIZE - 1)] = Number.isNaN(x) ? NaN : this.y;
    this.end += 1;
  }

  hole(until) {
    if (until - this.end >= SIZE) this.begin = until;
    for (let i = Math.max(this.end, until - SIZE); i < until; i++) this.mv[i & (SIZE - 1)] = NaN;
    this.end = until;
    this.x = NaN;
  }

  /** Samples a second of our time: the device's rate, and other than it where a recording is played faster. */
  pace() {
    const [first, last] = [this.came[0], this.came.at(-1)];
    if (!first || last[0] - first[0] < 2000) return this.rate;
    return ((last[1] - first[1]) * 1000) / (last[0] - first[0]);
  }

  /** Samples to be held back, so that the trace does not halt before the next piece comes. */
  reserve() {
    let wait = 200;
    for (let i = 1; i < this.came.length; i++) wait = Math.max(wait, this.came[i][0] - this.came[i - 1][0]);
    return (Math.min(wait, 3000) / 1000 + MARGIN) * Math.max(this.pace(), this.rate / 4);
  }

  /** Show so much more, `ms` after the last time. */
  advance(ms) {
    const ahead = this.end - this.shown;
    const pace = Math.max(this.pace(), this.rate / 4);
    const reserve = this.reserve();
    if (ahead > 3 * reserve + 2 * pace) this.shown = this.end - reserve;
    else {
      const hurry = Math.max(-0.6, Math.min(0.6, (ahead - reserve) / (1.5 * pace)));
      this.shown = Math.min(this.end, this.shown + (ms / 1000) * pace * (1 + hurry));
    }
  }
}
