// The page put together: views by address, keys, theme, one loop that draws.
import { AlertList } from "./alerts.js";
import { announcing } from "./announce.js";
import { element, mark, say } from "./dom.js";
import { Feed } from "./feed.js";
import { Model } from "./model.js";
import { OneStream } from "./one.js";
import { themeChanged } from "./paper.js";
import { Wall } from "./wall.js";

const node = (id) => document.getElementById(id);
const view = node("view");
const options = { filter: "", order: localStorage.getItem("order") ?? "name", size: localStorage.getItem("size") ?? "fit" };
const model = new Model();
const link = { state: "connecting", why: null };
const feed = new Feed(model, (state, why) => {
  Object.assign(link, { state, why });
  tellLink();
});
for (const told of ["status", "streams"]) model.addEventListener(told, tellLink);
const wall = new Wall(model, feed, options);
let shown = null;

/** The stream that the address names; null: none, or nothing that can be read. */
function named() {
  const found = location.hash.match(/^#\/stream\/(.+)$/);
  try {
    return found && decodeURIComponent(found[1]);
  } catch {
    return null;
  }
}

/** How we and the monitor behind the page are connected: what it cannot hear it does not watch. */
function tellLink() {
  const amiss = link.state === "live" && model.amiss.length > 0;
  const words = { connecting: "connecting", live: "connected", lost: link.why ? `${link.why}; trying again` : "connection lost, trying again" };
  mark(node("link"), "data-state", amiss ? "amiss" : link.state);
  say(node("link").querySelector(".word"), amiss ? `monitor not ready: ${model.amiss.join(", ")}` : words[link.state]);
}

function route() {
  const found = named();
  shown?.close();
  shown = found ? new OneStream(model, feed, found) : wall;
  document.title = found ? `${found} - ecgmon` : "ecgmon";
  node("tools").classList.toggle("on-one", !!found);
  say(node("scale"), found ? "25 mm/s · 10 mm/mV · 0.5-40 Hz" : "25 mm/s · 10 mm/mV · large square 0.2 s, 0.5 mV · 0.5-40 Hz");
  shown.open(view);
  if (found) view.focus();
}

function counts() {
  const now = performance.now();
  const streams = [...model.streams.values()];
  const live = streams.filter((stream) => stream.condition(now) === "live").length;
  const alarmed = streams.filter((stream) => stream.info.alerts.length && stream.info.condition !== "ended").length;
  const dead = streams.length - live;
  const parts = [[streams.length, streams.length === 1 ? "stream" : "streams"], [live, "live"], [dead, "not live"], [alarmed, "with alerts"]];
  const text = parts.join();
  if (node("counts").dataset.text === text) return;
  node("counts").dataset.text = text;
  node("counts").replaceChildren(...parts.map(([n, word]) => element("span", word === "not live" && n ? { class: "amiss" } : {}, [element("b", {}, `${n}`), ` ${word}`])));
}

const THEMES = ["system", "dark", "light"];
const dark = matchMedia("(prefers-color-scheme: dark)");

function theme(change = 0) {
  const wanted = THEMES[(THEMES.indexOf(localStorage.getItem("theme") ?? "system") + change) % THEMES.length];
  localStorage.setItem("theme", wanted);
  document.documentElement.dataset.theme = wanted === "system" ? (dark.matches ? "dark" : "light") : wanted;
  say(node("theme"), { system: "Auto", dark: "Dark", light: "Light" }[wanted]);
  themeChanged();
  shown?.themed();
}

/** On paper everything is as in the light, whatever the screen shows. */
function printed(begins) {
  if (begins) document.documentElement.dataset.theme = "light";
  else return theme();
  themeChanged();
  shown?.themed();
  shown?.frame(performance.now(), 0);
}

function help() {
  const keys = [["arrows", "from stream to stream"], ["Enter", "look at one"], ["Esc", "back to all"], ["/", "filter by name"], ["a", "to the alerts"], ["o", "last odd beat (one stream)"], ["t", "dark, light, as the system"], ["?", "this"]];
  const list = element("dl", {}, keys.flatMap(([key, does]) => [element("dt", {}, [element("kbd", {}, key)]), element("dd", {}, does)]));
  const close = element("button", { type: "submit" }, "Close");
  const dialog = element("dialog", { "aria-label": "Keys" }, [element("form", { method: "dialog" }, [element("h2", {}, "Keys"), list, element("p", { class: "note" }, ["The same data for programs: ", element("a", { href: "/api/openapi.json" }, "/api/openapi.json")]), close])]);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function keys(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (event.target === node("filter")) clear();
    else if (shown !== wall) location.hash = "#/";
    return;
  }
  if (event.target.matches?.("input, select, textarea")) return;
  const does = { "/": () => node("filter").focus(), "?": help, t: () => theme(1), a: () => node("alerts").querySelector("a")?.focus(), o: () => shown.toggle?.() }[event.key];
  if (!does && event.key.startsWith("Arrow") && shown === wall && event.target === document.body) return wall.key(event);
  if (!does) return;
  event.preventDefault();
  does();
}

function clear() {
  node("filter").value = options.filter = "";
  wall.order();
  view.focus();
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const CALM = 1000; // ms between two pictures for those who want no motion
let last = performance.now();

function loop(now) {
  requestAnimationFrame(loop);
  const ms = now - last;
  if (calm.matches && ms < CALM) return;
  last = now;
  shown?.frame(now, Math.min(ms, 2 * CALM));
}

theme();
dark.addEventListener("change", () => theme());
announcing(node("announce"), model);
new AlertList(node("alerts"), model);
for (const name of ["order", "size"]) {
  node(name).value = options[name];
  node(name).addEventListener("change", () => {
    options[name] = node(name).value;
    localStorage.setItem(name, options[name]);
    if (shown === wall) wall.order();
  });
}
node("filter").addEventListener("input", () => {
  options.filter = node("filter").value;
  if (shown === wall) wall.order();
});
node("filter").addEventListener("keydown", (event) => event.key === "Enter" && shown === wall && wall.shown[0] && wall.focus(wall.shown[0].name));
node("theme").addEventListener("click", () => theme(1));
node("help").addEventListener("click", help);
addEventListener("keydown", keys);
addEventListener("beforeprint", () => printed(true));
addEventListener("afterprint", () => printed(false));
addEventListener("hashchange", route);
setInterval(counts, 500);
route();
feed.start();
requestAnimationFrame(loop);
