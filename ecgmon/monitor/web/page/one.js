// One stream: live sweep, last beat over its reconstruction, scores, RR intervals, alerts with evidence.
import { History } from "./history.js";
import { element, mark, say } from "./dom.js";
import { drawBeat, drawIntervals, drawScores } from "./plots.js";
import { Sweep } from "./sweep.js";
import { gravest, kind, one, PRIORITY, probability, quality, veil } from "./words.js";

const MM = 96 / 25.4; // CSS pixels: what a browser takes for a millimetre
const SPAN = 120; // s

export class OneStream {
  constructor(model, feed, name) {
    Object.assign(this, { model, feed, name });
    this.told = this.plotted = 0;
    this.onlyOdd = false;
    this.node = element("article", { class: "one", "aria-label": `Stream ${name}` });
    this.history = new History(model, name);
    this.build();
    this.onStreams = () => this.find();
    this.onResize = () => this.fit();
  }

  build() {
    this.alarm = element("span", { class: "pri" });
    this.rate = element("span", { class: "rate" });
    this.facts = element("p", { class: "facts" });
    const title = element("div", { class: "title" }, [
      element("a", { class: "back", href: "#/" }, "← All streams"),
      element("h1", {}, this.name), this.alarm, this.rate, this.facts,
    ]);
    this.canvas = element("canvas", { role: "img", "aria-label": "Live trace, R-peaks marked above, odd beats in another colour under a triangle" });
    this.veiled = element("span");
    this.strip = element("div", { class: "strip" }, [this.canvas, element("div", { class: "veil" }, [this.veiled])]);
    this.beatCanvas = element("canvas", { role: "img" });
    this.scoreCanvas = element("canvas", { role: "img" });
    this.rrCanvas = element("canvas", { role: "img" });
    this.beatWords = element("span");
    this.scoreWords = element("span");
    this.rrWords = element("span");
    const toggle = element("button", { type: "button", "aria-pressed": "false", title: "Hold the last odd beat (o)" }, "Last odd beat");
    toggle.addEventListener("click", () => this.toggle());
    this.oddButton = toggle;
    const key = element("p", { class: "key" }, [
      keyed("k-window", "beat"), keyed("k-restored", "as restored"), keyed("k-error", "error"),
    ]);
    this.node.append(
      title,
      this.strip,
      element("div", { class: "plots" }, [
        plot(["Beat and reconstruction", this.beatWords, toggle], this.beatCanvas, key),
        plot(["Score against the threshold", this.scoreWords], this.scoreCanvas,
          element("p", { class: "key" }, [keyed("k-limit", "threshold"), element("span", { class: "k-odd" }, "▲ odd beat"), element("span", {}, "p: how often a normal beat looks this odd")])),
        plot(["RR intervals", this.rrWords], this.rrCanvas, element("p", { class: "key" }, [element("span", { class: "k-odd" }, "▲ odd beat"), element("span", {}, "seconds from beat to beat")])),
      ]),
      this.history.node,
    );
  }

  open(view) {
    view.replaceChildren(this.node);
    view.scrollTop = 0;
    this.sweep = new Sweep(this.canvas, { mm: MM, ticks: true });
    this.model.addEventListener("streams", this.onStreams);
    this.model.addEventListener("hello", this.onStreams);
    addEventListener("resize", this.onResize);
    this.history.open();
    this.find();
    this.words(performance.now());
  }

  close() {
    this.model.removeEventListener("streams", this.onStreams);
    this.model.removeEventListener("hello", this.onStreams);
    removeEventListener("resize", this.onResize);
    this.history.close();
    this.stream?.forget();
  }

  /** The stream of this name; another of the same name may come when it ended. */
  find() {
    const found = this.model.byName(this.name);
    if (found !== this.stream) {
      this.stream = found;
      this.sweep.renew();
    }
    if (found) this.feed.see([found.number], found.number);
    else this.feed.see([]);
  }

  fit() {
    this.sweep.fit();
    this.plotted = 0;
  }

  themed() {
    this.sweep.renew();
    this.plotted = 0;
    this.history.themed();
  }

  toggle() {
    this.onlyOdd = !this.onlyOdd;
    mark(this.oddButton, "aria-pressed", String(this.onlyOdd));
    say(this.oddButton, this.onlyOdd ? "Newest beat" : "Last odd beat");
    this.plotted = 0;
  }

  frame(now, ms) {
    if (this.stream) {
      this.stream.signal?.advance(ms);
      this.sweep.frame(this.stream);
    }
    if (now - this.told > 250) {
      this.told = now;
      this.words(now);
    }
    if (now - this.plotted > 500) {
      this.plotted = now;
      this.plots();
    }
  }

  words(now) {
    const { stream } = this;
    if (!stream) {
      for (const node of [this.node, this.strip]) mark(node, "data-condition", "stale");
      this.alarm.hidden = true; // what was of the stream before is not of now
      say(this.rate, "-- /min");
      say(this.facts, "");
      say(this.veiled, this.model.run === null ? "connecting" : "there is no such stream now");
      return;
    }
    const { info } = stream;
    const condition = stream.condition(now);
    const live = condition === "live";
    const alert = condition === "ended" ? null : gravest(info.alerts);
    mark(this.node, "data-condition", condition);
    mark(this.strip, "data-condition", condition);
    this.alarm.hidden = !alert;
    if (alert) {
      say(this.alarm, `${PRIORITY[alert.severity]} ${kind(alert.kind)}`);
      mark(this.alarm, "data-severity", alert.severity);
    }
    say(this.rate, live && info.heart_rate !== null ? `${Math.round(info.heart_rate)} /min` : "-- /min");
    const pace = stream.signal ? stream.signal.pace() / stream.signal.rate : 1;
    const fast = Math.abs(pace - 1) > 0.15 ? `, played ${pace.toFixed(1)} times as fast` : "";
    say(this.facts, `${condition}${fast} · ${live ? quality(info.quality) : "signal unknown"} · lead ${info.lead ?? "?"}, ${info.fs ?? "?"} Hz · ${one(info.beats, "beat")}, ${info.odd_beats} odd`);
    if (!live) say(this.veiled, veil(condition, stream.ageNow(now)));
  }

  plots() {
    const { stream } = this;
    const wanted = (stream?.whole ?? []).filter((beat) => !this.onlyOdd || beat.odd);
    const beat = wanted.at(-1);
    if (beat) {
      drawBeat(this.beatCanvas, beat.window, beat.reconstruction);
      const p = beat.p_value === null ? "not scored" : `p ${probability(beat.p_value)}`;
      say(this.beatWords, `number ${beat.number}, ${p}${beat.odd ? ", odd" : ""}`);
      mark(this.beatCanvas, "aria-label", `Beat ${beat.number}, ${p}, ${beat.odd ? "odd" : "not odd"}`);
    } else say(this.beatWords, this.onlyOdd ? "none since you look" : "waiting for a beat");
    this.overTime(stream?.beats ?? []);
  }

  overTime(beats) {
    const last = beats.at(-1);
    const rate = this.stream?.signal?.rate;
    if (!last || !rate) return;
    const end = Math.max(this.stream.signal.shown, last.at);
    const near = beats.filter((beat) => (end - beat.at) / rate <= SPAN).map((beat) => ({ ...beat, x: (end - beat.at) / rate }));
    const span = Math.min(SPAN, Math.max(30, near[0]?.x ?? 30));
    const threshold = this.model.facts.beat_threshold;
    const scored = near.filter((beat) => beat.p !== null);
    drawScores(this.scoreCanvas, scored.map(({ x, p, odd }) => ({ x, y: Math.log10(Math.max(p, 1e-6)), odd })), span, threshold);
    const odd = scored.filter((beat) => beat.odd).length;
    say(this.scoreWords, `${odd} of ${one(scored.length, "beat")} odd, p ≤ ${probability(threshold)}`);
    mark(this.scoreCanvas, "aria-label", this.scoreWords.textContent);
    const intervals = near.filter((beat) => beat.rr !== null);
    drawIntervals(this.rrCanvas, intervals.map(({ x, rr, odd: isOdd }) => ({ x, y: rr, odd: isOdd })), span);
    const newest = intervals.at(-1);
    say(this.rrWords, newest ? `last ${newest.rr.toFixed(2)} s` : "");
    mark(this.rrCanvas, "aria-label", `RR intervals of the last ${Math.round(span)} seconds, ${this.rrWords.textContent}`);
  }
}

function plot(title, canvas, below) {
  const heading = element("h2", {}, title);
  return element("section", { class: "plot" }, [heading, canvas, below]);
}

function keyed(name, text) {
  return element("span", { class: name }, [element("i"), text]);
}
