// All streams, side by side; only those in sight have a tile and are asked for.
import { element } from "./dom.js";
import { Tile } from "./tile.js";
import { gravest, rank } from "./words.js";

const SIZES = { small: [250, 92, 1.8], medium: [330, 124, 2.4], large: [460, 172, 3.2] }; // least width, height, mm
const HIGHEST = 220; // of a tile that is as large as all streams in sight allow
const GAP = 8;
const MOST = 512; // streams that the daemon shows at a time
const MANY = 16; // more tiles are drawn by turns, each in every other frame: 30 times a second, 2 pixels at a time

export class Wall {
  constructor(model, feed, options) {
    Object.assign(this, { model, feed, options });
    this.node = element("div", { class: "wall", role: "list", "aria-label": "Streams" });
    this.empty = element("p", { class: "empty", role: "status" }, "No streams yet. They appear here when their first samples come.");
    this.tiles = new Map(); // by stream number
    this.spare = [];
    this.focused = null; // name
    this.told = this.turn = 0;
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("focusin", (event) => {
      const name = event.target.closest(".tile")?.dataset.stream;
      if (name) this.focused = name;
    });
    this.onScroll = () => this.layout();
    this.onChange = () => this.order();
  }

  open(view) {
    this.view = view;
    view.replaceChildren(this.empty, this.node);
    view.addEventListener("scroll", this.onScroll, { passive: true });
    this.model.addEventListener("streams", this.onChange);
    this.model.addEventListener("hello", this.onChange);
    this.watcher = new ResizeObserver(() => this.layout());
    this.watcher.observe(view);
    this.order();
    view.scrollTop = this.scrolled ?? 0;
    if (this.focused) this.focus(this.focused);
  }

  close() {
    this.scrolled = this.view.scrollTop;
    this.view.removeEventListener("scroll", this.onScroll);
    this.model.removeEventListener("streams", this.onChange);
    this.model.removeEventListener("hello", this.onChange);
    this.watcher.disconnect();
    for (const number of [...this.tiles.keys()]) this.drop(number);
  }

  /** Which streams, in which order: stable, for people find a patient by place. */
  order() {
    const wanted = this.options.filter.toLowerCase();
    const worst = (stream) => rank(gravest(stream.info.alerts)?.severity);
    const names = new Intl.Collator(undefined, { numeric: true });
    this.shown = [...this.model.streams.values()].filter((stream) => stream.name.toLowerCase().includes(wanted));
    this.shown.sort((a, b) => (this.options.order === "alerts" ? worst(b) - worst(a) : 0) || names.compare(a.name, b.name) || a.number - b.number);
    this.empty.hidden = this.shown.length > 0;
    this.layout();
  }

  layout() {
    const room = this.view.clientWidth - 2 * GAP;
    if (room <= 0) return;
    const { columns, width, height, mm } = this.measures(room);
    this.columns = columns;
    const pitch = height + GAP;
    this.pitch = pitch;
    this.node.style.height = `${Math.ceil(this.shown.length / this.columns) * pitch}px`;
    const first = Math.max(0, Math.floor((this.view.scrollTop - GAP) / pitch)) * this.columns;
    const last = Math.min(first + MOST, Math.ceil((this.view.scrollTop + this.view.clientHeight) / pitch) * this.columns);
    const seen = this.shown.slice(first, last);
    const numbers = new Set(seen.map((stream) => stream.number));
    if (mm !== this.mm) {
      for (const number of [...this.tiles.keys()]) this.drop(number);
      this.spare = [];
      this.mm = mm;
    }
    for (const number of [...this.tiles.keys()]) if (!numbers.has(number)) this.drop(number);
    seen.forEach((stream, i) => {
      let tile = this.tiles.get(stream.number);
      if (!tile) {
        tile = this.spare.pop() ?? new Tile(mm);
        tile.show(stream);
        this.tiles.set(stream.number, tile);
      }
      const place = first + i;
      tile.place((place % this.columns) * (width + GAP), Math.floor(place / this.columns) * pitch, width, height);
      tile.node.setAttribute("aria-setsize", this.shown.length);
      tile.node.setAttribute("aria-posinset", place + 1);
      const next = this.node.children[i];
      if (next !== tile.node) this.node.insertBefore(tile.node, next ?? null);
    });
    const reached = this.shown.some((stream) => stream.name === this.focused) ? this.focused : this.shown[0]?.name;
    for (const tile of this.tiles.values()) tile.node.tabIndex = tile.stream.name === reached ? 0 : -1;
    if (!seen.some((stream) => stream.name === reached) && seen.length) this.tiles.get(seen[0].number).node.tabIndex = 0;
    this.feed.see([...numbers]);
  }

  /** Columns, and how large a tile is. */
  measures(room) {
    const wide = (columns) => Math.floor((room + GAP) / columns) - GAP;
    const most = (least) => Math.max(1, Math.floor((room + GAP) / (least + GAP)));
    const [least, lowest] = SIZES.small;
    const [good, high] = SIZES.medium;
    let best = null;
    for (let columns = most(least); columns >= 1 && this.options.size === "fit"; columns--) {
      const rows = Math.max(1, Math.ceil(this.shown.length / columns));
      const height = Math.min(HIGHEST, Math.floor((this.view.clientHeight - GAP) / rows) - GAP);
      const merit = Math.min(wide(columns) / good, height / high);
      if (height >= lowest && merit > (best?.merit ?? 0)) best = { columns, height, merit };
    }
    if (best) return { ...best, width: wide(best.columns), mm: Math.min(3.4, Math.max(1.8, Math.round(best.height / 10.4) / 5)) };
    const [width, height, mm] = SIZES[this.options.size] ?? SIZES.small;
    return { columns: most(width), width: wide(most(width)), height, mm };
  }

  drop(number) {
    const tile = this.tiles.get(number);
    this.tiles.delete(number);
    tile.node.remove();
    tile.stream.forget();
    tile.stream = null;
    this.spare.push(tile);
  }

  frame(now, ms) {
    const words = now - this.told > 250;
    if (words) this.told = now;
    const turns = this.tiles.size > MANY ? 2 : 1;
    this.turn = (this.turn + 1) % turns;
    let place = 0;
    for (const tile of this.tiles.values()) {
      tile.waited = (tile.waited ?? 0) + ms;
      if (place++ % turns === this.turn) {
        tile.stream.signal?.advance(tile.waited);
        tile.waited = 0;
        tile.frame();
      }
      if (words) tile.status(now);
    }
    if (words && this.options.order === "alerts" && now - (this.sorted ?? 0) > 2000) {
      this.sorted = now;
      if (!this.node.contains(document.activeElement)) this.order();
    }
  }

  themed() {
    for (const tile of this.tiles.values()) tile.sweep.renew();
  }

  key(event) {
    const rows = Math.max(1, Math.floor(this.view.clientHeight / this.pitch));
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, PageDown: rows * this.columns, PageUp: -rows * this.columns, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const at = this.shown.findIndex((stream) => stream.name === this.focused);
    const to = Math.max(0, Math.min(this.shown.length - 1, Math.max(at, 0) + step));
    if (this.shown[to]) this.focus(this.shown[to].name);
  }

  /** Bring a stream into sight and focus its tile. */
  focus(name) {
    const at = this.shown.findIndex((stream) => stream.name === name);
    if (at < 0) return;
    this.focused = name;
    const top = Math.floor(at / this.columns) * this.pitch;
    if (top < this.view.scrollTop) this.view.scrollTop = top;
    const below = top + this.pitch + GAP - this.view.clientHeight;
    if (below > this.view.scrollTop) this.view.scrollTop = below;
    this.layout();
    this.tiles.get(this.shown[at].number)?.node.focus({ preventScroll: true });
  }
}
