// Says alerts aloud, to those who listen, without talking all the time.
import { kind, one } from "./words.js";

const PAUSE = 4000; // ms between two announcements
const KEPT = 20;

export function announcing(node, model) {
  let waiting = [];
  let spoke = -PAUSE;
  let timer = null;
  const speak = () => {
    timer = null;
    spoke = performance.now();
    const last = waiting.at(-1);
    const more = waiting.length > 1 ? `, and ${one(waiting.length - 1, "more alert")}` : "";
    const line = document.createElement("p");
    line.textContent = `${last.severity}: ${kind(last.kind)} in ${last.stream}${more}`;
    node.append(line);
    while (node.children.length > KEPT) node.firstChild.remove();
    waiting = [];
  };
  model.addEventListener("alerts", (event) => {
    waiting.push(...(event.news ?? []).filter((alert) => alert.state === "raised"));
    if (waiting.length && timer === null) timer = setTimeout(speak, Math.max(0, PAUSE - (performance.now() - spoke)));
  });
}
