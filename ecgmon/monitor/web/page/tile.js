// One stream on the wall.
import { element, mark, say } from "./dom.js";
import { Sweep } from "./sweep.js";
import { gravest, kind, one, PRIORITY, quality, veil } from "./words.js";

export class Tile {
  constructor(mm) {
    this.name = element("span", { class: "name" });
    this.lead = element("span", { class: "lead" });
    this.alarm = element("span", { class: "alarm" });
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.veiled = element("span");
    this.rate = element("span", { class: "rate" });
    this.word = element("span", { class: "word" });
    const head = element("div", { class: "head" }, [this.name, this.lead, this.alarm]);
    const trace = element("div", { class: "trace" }, [this.canvas, element("div", { class: "veil" }, [this.veiled])]);
    const side = element("div", { class: "side" }, [this.rate, element("span", { class: "unit" }, "/min"), this.word]);
    this.node = element("a", { class: "tile", tabindex: "-1", role: "listitem" }, [head, trace, side]);
    this.sweep = new Sweep(this.canvas, { mm });
    this.drawn = null;
  }

  show(stream) {
    if (this.stream === stream) return;
    this.stream = stream;
    this.sweep.renew();
    this.node.href = `#/stream/${encodeURIComponent(stream.name)}`;
    this.node.dataset.stream = stream.name;
    say(this.name, stream.name);
    this.status(performance.now());
  }

  place(x, y, width, height) {
    const style = `${width}x${height}`;
    this.node.style.transform = `translate(${x}px, ${y}px)`;
    if (this.size === style) return;
    this.size = style;
    this.node.style.width = `${width}px`;
    this.node.style.height = `${height}px`;
    this.sweep.fit(width - 80, height - 26); // less its border, words above and beside
  }

  /** Words; several times a second at most. */
  status(now) {
    const { stream } = this;
    const { info } = stream;
    const condition = stream.condition(now);
    const alert = condition === "ended" ? null : gravest(info.alerts);
    const live = condition === "live";
    mark(this.node, "data-condition", condition);
    mark(this.node, "data-severity", alert?.severity ?? null);
    say(this.lead, info.lead ?? "");
    this.alarm.hidden = !alert;
    if (alert) say(this.alarm, `${PRIORITY[alert.severity]} ${kind(alert.kind)}${info.alerts.length > 1 ? ` +${info.alerts.length - 1}` : ""}`);
    say(this.rate, live && info.heart_rate !== null ? `${Math.round(info.heart_rate)}` : "--");
    say(this.word, live ? quality(info.quality) : condition);
    mark(this.word, "data-quality", live ? info.quality : "unknown");
    if (!live) say(this.veiled, veil(condition, stream.ageNow(now)));
    const rate = live && info.heart_rate !== null ? `${Math.round(info.heart_rate / 5) * 5} per minute` : "no heart rate";
    const alerts = alert ? `${alert.severity} ${kind(alert.kind)}, ${one(info.alerts.length, "alert")}` : "no alert";
    mark(this.node, "aria-label", `${stream.name}: ${alerts}, ${condition}, ${rate}${live ? `, ${quality(info.quality)}` : ""}`);
  }

  frame() {
    this.sweep.frame(this.stream);
  }
}
