// The alerts of all streams, the newest first.
import { arrange, element, say } from "./dom.js";
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
    model.addEventListener("alerts", () => this.show());
    model.addEventListener("run", () => this.renew());
    this.show();
  }

  show() {
    const alerts = [...this.model.alerts.values()].reverse();
    const told = alerts.filter((alert) => alert.state === "raised").length;
    const standing = Math.max(told, this.model.standing()); // of some it was told too long ago to be in this list
    say(this.standing, alerts.length || standing ? `${standing} standing` : "none so far");
    const shown = [...alerts.slice(0, SHOWN), ...this.past.filter((alert) => !this.model.alerts.has(alert.id))];
    const before = this.rows;
    this.rows = new Map();
    for (const alert of shown) {
      const known = before.get(alert.id);
      this.rows.set(alert.id, known?.alert === alert ? known : { alert, node: row(alert) });
    }
    this.place([...this.rows.values()].map(({ node }) => node));
    this.older.hidden = alerts.length === 0 || this.next === null;
  }

  /** A row that is made anew, for its alert was told again, takes the focus of the one before. */
  place(nodes) {
    const id = this.list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    arrange(this.list, nodes);
    if (id && !this.list.contains(document.activeElement)) this.rows.get(id)?.node.firstChild.focus({ preventScroll: true });
  }

  /** Another run of the daemon: what was asked for is of the past. */
  renew() {
    this.past = [];
    this.next = undefined;
    say(this.older, "Older");
    this.show();
  }

  async more() {
    const before = this.next ? `&before=${this.next}` : "";
    try {
      const page = await api(`/api/v1/alerts?limit=100${before}`);
      this.past.push(...page.alerts);
      this.next = page.next;
      say(this.older, "Older");
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
