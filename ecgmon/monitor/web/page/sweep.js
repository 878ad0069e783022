// A sweep display: the trace is written from left to right over what stood there, at 25 mm/s and 10 mm/mV.
import { colours, exact, paper } from "./paper.js";

const SPEED = 25; // mm/s
const GAIN = 10; // mm/mV
const GAP = 6; // mm wiped in front of the pen
const BEFORE = 0.28; // s of an odd beat that is drawn in its colour, before the R-peak
const BEHIND = 0.42; // and behind it

export class Sweep {
  /** `mm`: CSS pixels to the mm; `ticks`: mark every R-peak, not odd beats alone. */
  constructor(canvas, { mm, ticks = false }) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.ticks = ticks;
    this.wanted = mm;
    this.fit();
  }

  /** Take the canvas's size as it is now. */
  fit(width = this.canvas.clientWidth, height = this.canvas.clientHeight) {
    this.mm = exact(this.wanted);
    this.canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
    this.canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
    this.renew();
  }

  /** Everything is to be drawn anew. */
  renew() {
    this.pattern = paper(this.context, this.mm);
    this.signal = null;
    this.context.fillStyle = this.pattern;
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** Draw what `stream` shows now, as far as it is not drawn. */
  frame(stream) {
    const signal = stream.signal;
    if (!signal) {
      if (this.signal) this.renew();
      return;
    }
    if (signal !== this.signal || signal.shown < this.drawn) {
      this.renew();
      this.signal = signal;
      this.step = (SPEED * this.mm) / signal.rate; // pixels to the sample
      this.across = this.canvas.width / this.step;
      this.drawn = Math.max(signal.begin, Math.floor(signal.shown - this.across + (GAP * this.mm) / this.step));
      this.told = 0;
    }
    const until = Math.floor(signal.shown);
    if (until - this.drawn > this.across) this.drawn = Math.floor(until - this.across) + 1;
    if (until > this.drawn) this.write(signal, this.drawn, until);
    this.marks(stream, signal, until);
    this.drawn = Math.max(this.drawn, until);
  }

  x(i) {
    return (i * this.step) % this.canvas.width;
  }

  write(signal, from, until) {
    const { width, height } = this.canvas;
    const context = this.context;
    const left = this.x(from);
    const right = left + (until - from) * this.step + GAP * this.mm;
    context.fillStyle = this.pattern;
    context.fillRect(left + 1, 0, Math.min(right, width) - left - 1, height);
    if (right > width) context.fillRect(0, 0, right - width, height);
    this.stroke(signal, from, until, colours().trace);
  }

  stroke(signal, from, until, colour) {
    const context = this.context;
    const middle = this.canvas.height * 0.6;
    const gain = GAIN * this.mm;
    context.strokeStyle = colour;
    context.lineWidth = 1.4 * devicePixelRatio;
    context.lineJoin = "round";
    context.beginPath();
    let pen = false;
    let last = -1;
    for (let i = from; i <= until; i++) {
      const y = signal.at(i);
      const x = this.x(i);
      if (Number.isNaN(y)) pen = false;
      else {
        if (pen && x > last) context.lineTo(x, middle - y * gain);
        else context.moveTo(x, middle - y * gain);
        pen = true;
      }
      last = x;
    }
    context.stroke();
  }

  /** Beats are known a moment after they were drawn: mark them where they stand. */
  marks(stream, signal, until) {
    const oldest = until - this.across + (GAP * this.mm) / this.step + BEHIND * signal.rate;
    for (let k = stream.beats.length - 1; k >= 0; k--) {
      const beat = stream.beats[k];
      if (beat.number < this.told) break;
      if (beat.at < oldest) break;
      if (beat.at + BEHIND * signal.rate <= until) this.beat(signal, beat);
      else this.later = Math.min(this.later ?? beat.number, beat.number);
    }
    const newest = stream.beats.at(-1);
    if (newest) this.told = this.later ?? newest.number + 1;
    this.later = undefined;
  }

  beat(signal, { at, odd }) {
    if (!odd && !this.ticks) return;
    const context = this.context;
    const x = this.x(at);
    const unit = devicePixelRatio;
    if (!odd) {
      context.fillStyle = colours().quiet;
      context.fillRect(x - unit / 2, 0, unit, 7 * unit);
      return;
    }
    this.stroke(signal, Math.round(at - BEFORE * signal.rate), Math.round(at + BEHIND * signal.rate), colours().odd);
    context.fillStyle = colours().odd;
    context.beginPath();
    context.moveTo(x - 5 * unit, 1);
    context.lineTo(x + 5 * unit, 1);
    context.lineTo(x, 9 * unit);
    context.fill();
  }
}
