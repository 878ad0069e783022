// Small plots: each draws itself whole into its canvas.
import { colours } from "./paper.js";

/** Clears the canvas at its present size; gives the context, in CSS pixels, and what a plot needs to know. */
export function sheet(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const [w, h] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const ink = canvas.getContext("2d");
  ink.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  ink.clearRect(0, 0, width, height);
  ink.font = "11px system-ui, sans-serif";
  return { ink, width, height, ...colours() };
}

const LEFT = 34;
const BOTTOM = 16;
const TOP = 8;

function axes({ ink, width, height, line, quiet }, ys, label, y) {
  ink.lineWidth = 1;
  ink.textAlign = "right";
  ink.textBaseline = "middle";
  for (const value of ys) {
    ink.strokeStyle = line;
    ink.beginPath();
    ink.moveTo(LEFT, y(value));
    ink.lineTo(width, y(value));
    ink.stroke();
    ink.fillStyle = quiet;
    ink.fillText(label(value), LEFT - 5, y(value));
  }
  return { right: width - 6, low: height - BOTTOM };
}

function path(ink, xs, ys, colour, width, dash = []) {
  ink.strokeStyle = colour;
  ink.lineWidth = width;
  ink.setLineDash(dash);
  ink.lineJoin = "round";
  ink.beginPath();
  xs.forEach((x, i) => (i ? ink.lineTo(x, ys[i]) : ink.moveTo(x, ys[i])));
  ink.stroke();
  ink.setLineDash([]);
}

/** A beat over its reconstruction; what lies between is the error. [187] mV each, at 125 Hz. */
export function drawBeat(canvas, window, restored) {
  const page = sheet(canvas);
  const { ink, width, height } = page;
  const all = [...window, ...(restored ?? [])];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const span = Math.max(high - low, 0.5) * 1.1;
  const bottom = (low + high - span) / 2;
  const y = (mv) => TOP + (height - BOTTOM - TOP) * (1 - (mv - bottom) / span);
  const x = (i) => LEFT + ((width - LEFT - 6) * i) / (window.length - 1);
  const step = [0.2, 0.5, 1, 2, 5].find((s) => span / s <= 6) ?? 10;
  const ticks = [];
  for (let v = Math.ceil(bottom / step) * step; v < bottom + span; v += step) ticks.push(v);
  axes(page, ticks, (v) => v.toFixed(step < 1 ? 1 : 0), y);
  const xs = window.map((_, i) => x(i));
  const ys = window.map(y);
  if (restored?.length) {
    const back = restored.map(y);
    ink.fillStyle = page.error;
    ink.beginPath();
    xs.forEach((at, i) => (i ? ink.lineTo(at, ys[i]) : ink.moveTo(at, ys[i])));
    for (let i = back.length - 1; i >= 0; i--) ink.lineTo(xs[i], back[i]);
    ink.fill();
    path(ink, xs, back, page.restored, 1.4, [5, 3]);
  }
  path(ink, xs, ys, page.trace, 1.8);
  ink.fillStyle = page.quiet;
  ink.textBaseline = "alphabetic";
  ink.textAlign = "left";
  ink.fillText("mV", 2, height - 4);
  ink.textAlign = "right";
  ink.fillText(`${((window.length - 1) / 125).toFixed(1)} s`, width - 6, height - 3);
}

/** Points over the last beats, odd ones as triangles. `points`: {x (s before now), y, odd}. */
function scatter(page, points, x, y, joined) {
  const { ink, trace, odd, quiet } = page;
  if (joined && points.length > 1) path(ink, points.map((p) => x(p.x)), points.map((p) => y(p.y)), quiet, 0.8);
  for (const point of points) {
    const [px, py] = [x(point.x), y(point.y)];
    ink.fillStyle = point.odd ? odd : trace;
    ink.beginPath();
    if (point.odd) {
      ink.moveTo(px - 4.5, py + 4);
      ink.lineTo(px + 4.5, py + 4);
      ink.lineTo(px, py - 4.5);
    } else ink.arc(px, py, 2.2, 0, 7);
    ink.fill();
  }
}

function overTime(canvas, points, span, range, ticks, label, { joined = false, limits = [], down = false } = {}) {
  const page = sheet(canvas);
  const { ink, width, height } = page;
  const [low, high] = range;
  const share = (v) => (Math.max(low, Math.min(high, v)) - low) / (high - low);
  const y = (v) => TOP + (height - BOTTOM - TOP) * (down ? share(v) : 1 - share(v));
  const x = (s) => width - 8 - ((width - LEFT - 16) * s) / span;
  axes(page, ticks, label, y);
  for (const limit of limits) path(ink, [LEFT, width], [y(limit.at), y(limit.at)], page.critical, 1.3, [6, 4]);
  scatter(page, points, x, y, joined);
  ink.fillStyle = page.quiet;
  ink.textBaseline = "alphabetic";
  ink.textAlign = "left";
  ink.fillText(`${Math.round(span)} s ago`, LEFT, height - 3);
  ink.textAlign = "right";
  ink.fillText("now", width - 6, height - 3);
}

/** p-values of beats on a log scale against the threshold: the odder, the higher. */
export function drawScores(canvas, points, span, threshold) {
  const decades = [0, -1, -2, -3, -4, -5, -6];
  const label = (v) => (v > -3 ? String(10 ** v) : `1e${v}`);
  overTime(canvas, points, span, [-6, 0], decades, label, { limits: [{ at: Math.log10(threshold) }], down: true });
}

/** RR intervals, s. */
export function drawIntervals(canvas, points, span) {
  const values = points.map((point) => point.y);
  const low = Math.max(0, Math.floor((Math.min(...values, 0.6) - 0.1) * 5) / 5);
  const high = Math.min(4, Math.ceil((Math.max(...values, 1.0) + 0.1) * 5) / 5);
  const step = high - low > 1.6 ? 0.5 : 0.2;
  const ticks = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + 1e-9; v += step) ticks.push(v);
  overTime(canvas, points, span, [low, high], ticks, (v) => v.toFixed(1), { joined: true });
}
