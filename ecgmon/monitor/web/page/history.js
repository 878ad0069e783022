// The alerts of one stream, each with what it rests on.
import { moment, priority } from "./alerts.js";
import { arrange, element, say } from "./dom.js";
import { drawBeat } from "./plots.js";
import { api } from "./token.js";
import { lasting, one, probability } from "./words.js";

export class History {
  constructor(model, name) {
    this.model = model;
    this.name = name;
    this.about = element("span");
    this.list = element("div");
    const note = element("p", { class: "note" }, "Read-only: alerts clear by themselves when what raised them is over. They are acknowledged where your alarm system does it, not here.");
    this.node = element("section", { class: "plot history", "aria-label": "Alerts of this stream" }, [element("h2", {}, ["Alerts of this stream", this.about]), note, this.list]);
    this.rows = new Map();
    this.older = [];
    this.onAlerts = () => this.show();
  }

  async open() {
    this.model.addEventListener("alerts", this.onAlerts);
    this.show();
    try {
      this.older = (await api(`/api/v1/alerts?limit=100&stream=${encodeURIComponent(this.name)}`)).alerts;
      this.show();
    } catch (error) {
      say(this.about, error.message);
    }
  }

  close() {
    this.model.removeEventListener("alerts", this.onAlerts);
  }

  themed() {
    for (const { details } of this.rows.values()) if (details.open) details.dispatchEvent(new Event("toggle"));
  }

  show() {
    const fresh = [...this.model.alerts.values()].filter((alert) => alert.stream === this.name).reverse();
    const known = new Set(fresh.map((alert) => alert.id));
    const alerts = [...fresh, ...this.older.filter((alert) => !known.has(alert.id))];
    say(this.about, alerts.length ? `${alerts.length}, the newest first` : "none so far");
    const before = this.rows;
    this.rows = new Map();
    for (const alert of alerts) {
      const row = before.get(alert.id);
      if (row?.alert.state === alert.state) this.rows.set(alert.id, row);
      else this.rows.set(alert.id, { alert, details: this.row(alert, row?.details.open ?? false) });
    }
    const id = this.list.contains(document.activeElement) ? document.activeElement.closest("details").dataset.id : null;
    arrange(this.list, [...this.rows.values()].map(({ details }) => details));
    if (id && !this.list.contains(document.activeElement)) this.rows.get(id)?.details.firstChild.focus({ preventScroll: true });
  }

  row(alert, open) {
    const lasted = alert.state === "cleared" ? `lasted ${lasting(Math.max(0, alert.end - alert.onset))}` : "stands";
    const summary = element("summary", {}, [priority(alert), moment(alert), element("span", { class: "note" }, lasted), element("span", { class: "summary" }, alert.evidence?.summary ?? "")]);
    const evidence = element("div", { class: "evidence" });
    const details = element("details", { "data-id": alert.id, "data-state": alert.state }, [summary, evidence]);
    details.addEventListener("toggle", () => details.open && this.fill(evidence, alert));
    details.open = open;
    return details;
  }

  async fill(evidence, brief) {
    let alert = brief;
    try {
      alert = await api(`/api/v1/alerts/${encodeURIComponent(brief.id)}`);
    } catch (error) {
      evidence.replaceChildren(element("p", { class: "note" }, error.message));
      return;
    }
    const told = alert.evidence;
    const facts = [
      alert.heart_rate === null ? null : `heart rate ${Math.round(alert.heart_rate)}/min`,
      alert.beats ? one(alert.beats, "odd beat") : null,
      alert.p_value === null ? null : `p ${probability(alert.p_value)}, threshold ${probability(alert.threshold)}`,
      told ? `error ${told.error?.toFixed(2) ?? "?"} mV` : null,
      `model ${alert.model.name} ${alert.model.hash.slice(0, 8)}`,
    ].filter(Boolean);
    const items = [...(told?.findings ?? []).map((finding) => finding.text), facts.join(" · ")];
    const list = element("ul", {}, items.map((text) => element("li", {}, text)));
    const canvas = element("canvas", { role: "img", "aria-label": "The oddest beat over its reconstruction" });
    evidence.replaceChildren(list, ...(told ? [canvas] : []));
    if (told) drawBeat(canvas, told.window, told.reconstruction);
  }
}
