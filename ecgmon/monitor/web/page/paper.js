// ECG paper: 1 mm is 0.04 s and 0.1 mV. Colours come from the style sheet.

let cached = null;

/** Colours of the theme in force. */
export function colours() {
  if (!cached) {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(`--${name}`).trim();
    cached = Object.fromEntries(["paper", "grid", "grid-major", "trace", "odd", "quiet", "line", "text", "restored", "error", "critical", "warning", "info"].map((name) => [name, of(name)]));
  }
  return cached;
}

export function themeChanged() {
  cached = null;
}

/** Device pixels to the mm, so that five of them are whole: else the grid's lines would blur. */
export const exact = (mm) => Math.max(5, Math.round(mm * 5 * devicePixelRatio)) / 5;

/** A pattern of paper with `mm` device pixels to the mm; fine lines where they can be told apart. */
export function paper(context, mm) {
  const { paper, grid, "grid-major": major } = colours();
  const side = Math.round(mm * 5);
  const tile = document.createElement("canvas");
  tile.width = tile.height = side;
  const ink = tile.getContext("2d");
  ink.fillStyle = paper;
  ink.fillRect(0, 0, side, side);
  ink.fillStyle = grid;
  for (let i = 1; i < 5 && mm >= 2; i++) {
    ink.fillRect(Math.round(i * mm), 0, 1, side);
    ink.fillRect(0, Math.round(i * mm), side, 1);
  }
  ink.fillStyle = major;
  ink.fillRect(0, 0, 1, side);
  ink.fillRect(0, 0, side, 1);
  return context.createPattern(tile, "repeat");
}
