// The alerts of all streams, the newest first.
import { element, say } from "./dom.js";
import { api } from "./token.js";
import { clock, kind, one, PRIORITY } from "./words.js";

const SHOWN = 60;

/** How grave, and what. */
export function priority(alert) {
  return element("span", { class: "pri", "data-severity": alert.severity }, `${PRIORITY[alert.severity]} ${kind(alert.kind)}`);
}

export function moment(alert) {
  const text = alert.state === "raised" ? clock(alert.onset) : `${clock(alert.onset)} cleared`;
  return element("time", { datetime: new Date(alert.onset * 1000).toISOString(), title: "onset, by the device's clock" }, text);
}

export class AlertList {
  constructor(node, model) {
    this.model = model;
    this.standing = element("span");
    this.list = element("ol");
    this.older = element("button", { type: "button", class: "more" }, "Older");
    this.older.addEventListener("click", () => this.more());
    node.append(element("h2", {}, ["Alerts", this.standing]), this.list, this.older);
    this.rows = new Map(); // id to its row
    this.past = []; // older ones, asked for
    this.next = undefined;
    model.addEventListener("alerts", (event) => this.show(event.news ?? null));
    this.show(null);
  }

  show() {
    const alerts = [...this.model.alerts.values()].reverse();
    const standing = alerts.filter((alert) => alert.state === "raised").length;
    say(this.standing, alerts.length ? `${standing} standing` : "none so far");
    const shown = [...alerts.slice(0, SHOWN), ...this.past.filter((alert) => !this.model.alerts.has(alert.id))];
    const before = this.rows;
    this.rows = new Map();
    for (const alert of shown) {
      const known = before.get(alert.id);
      this.rows.set(alert.id, known?.alert === alert ? known : { alert, node: row(alert) });
    }
    const nodes = [...this.rows.values()].map(({ node }) => node);
    if (nodes.some((node, i) => this.list.children[i] !== node) || nodes.length !== this.list.children.length) this.list.replaceChildren(...nodes);
    this.older.hidden = alerts.length === 0 || this.next === null;
  }

  async more() {
    const before = this.next ? `&before=${this.next}` : "";
    try {
      const page = await api(`/api/v1/alerts?limit=100${before}`);
      this.past.push(...page.alerts);
      this.next = page.next;
      this.show();
    } catch (error) {
      say(this.older, `Older: ${error.message}`);
    }
  }
}

function row(alert) {
  const text = alert.evidence?.summary || (alert.heart_rate ? `${Math.round(alert.heart_rate)}/min` : alert.beats ? one(alert.beats, "beat") : "");
  const top = element("span", { class: "top" }, [element("b", {}, alert.stream), moment(alert)]);
  const link = element(
    "a",
    { class: "alert", href: `#/stream/${encodeURIComponent(alert.stream)}`, "data-severity": alert.severity, "data-state": alert.state, "data-id": alert.id },
    [top, element("span", { class: "text" }, [priority(alert), ` ${text}`])],
  );
  return element("li", {}, [link]);
}
