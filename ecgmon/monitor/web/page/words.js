// How things are said.

export const PRIORITY = { critical: "!!!", warning: "!!", info: "!" };
const RANK = { critical: 3, warning: 2, info: 1 };
const QUALITY = { good: "good signal", noisy: "noisy", clipped: "clipped", flat: "flat line", missing: "gaps", unknown: "waiting" };

export const kind = (word) => word.replaceAll("-", " ");
export const quality = (word) => QUALITY[word] ?? word;
export const rank = (severity) => RANK[severity] ?? 0;

/** The gravest of standing alerts, the newest among equals; or null. */
export function gravest(alerts) {
  let best = null;
  for (const alert of alerts) {
    if (!best || rank(alert.severity) > rank(best.severity) || (alert.severity === best.severity && alert.onset > best.onset)) best = alert;
  }
  return best;
}

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export function lasting(seconds) {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** What veils a stream that is not live. */
export function veil(condition, age) {
  if (condition === "ended") return "ended";
  if (age === null) return "no data yet";
  return condition === "delayed" ? `data ${lasting(age)} old` : `no data for ${lasting(age)}`;
}

export const probability = (p) => (p >= 0.001 ? p.toFixed(3) : p.toExponential(1));
export const one = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
