// Line charts and bars as SVG.
import { el, number, svg } from "./dom.js";

const WIDTH = 420, HEIGHT = 170, LEFT = 46, BOTTOM = 18, TOP = 8;

/** @typedef {{name: string, step: number[], value: (number|string)[]}} Series */

/**
 * @param {Series[]} series
 * @returns {{low: number, high: number, first: number, last: number} | null} null: nothing finite
 */
function bounds(series) {
  let low = Infinity, high = -Infinity, first = Infinity, last = -Infinity;
  for (const one of series)
    one.value.forEach((value, i) => {
      if (typeof value !== "number")
        return;
      low = Math.min(low, value);
      high = Math.max(high, value);
      first = Math.min(first, one.step[i]);
      last = Math.max(last, one.step[i]);
    });
  if (!Number.isFinite(low))
    return null;
  if (high === low) {
    high += Math.abs(high) * 0.05 || 0.5;
    low -= Math.abs(low) * 0.05 || 0.5;
  }
  return { low, high, first, last: Math.max(last, first + 1) };
}

/**
 * Up to two series over steps. A value that is not finite breaks the line.
 * @param {string} title
 * @param {Series[]} series
 * @returns {HTMLElement | null}
 */
export function lineChart(title, series) {
  const range = bounds(series);
  if (!range)
    return null;
  const x = (/** @type {number} */ step) =>
    LEFT + (step - range.first) / (range.last - range.first) * (WIDTH - LEFT - 4);
  const y = (/** @type {number} */ value) =>
    TOP + (range.high - value) / (range.high - range.low) * (HEIGHT - TOP - BOTTOM);
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  for (const part of [0, 0.5, 1]) {
    const value = range.low + part * (range.high - range.low);
    drawing.append(
      svg("line", { class: "grid", x1: LEFT, x2: WIDTH - 4, y1: y(value), y2: y(value) }),
      svg("text", { x: LEFT - 5, y: y(value) + 3, "text-anchor": "end" }, number(Number(value.toPrecision(3)))));
  }
  drawing.append(
    svg("text", { x: LEFT, y: HEIGHT - 3 }, number(range.first)),
    svg("text", { x: WIDTH - 4, y: HEIGHT - 3, "text-anchor": "end" }, `step ${number(range.last)}`));
  series.forEach((one, index) => {
    let path = "", pen = "M";
    one.value.forEach((value, i) => {
      if (typeof value === "number") {
        path += `${pen}${x(one.step[i]).toFixed(1)} ${y(value).toFixed(1)}`;
        pen = "L";
      } else {
        pen = "M";
      }
    });
    drawing.append(svg("path", { class: `s${index}`, d: path }));
    const value = one.value.at(-1);
    if (typeof value === "number")
      drawing.append(svg("circle", {
        class: `s${index}`, r: 2, cx: x(Number(one.step.at(-1))), cy: y(value),
      }));
  });
  const caption = el("figcaption", {}, el("b", {}, title));
  series.forEach((one, index) => caption.append(
    el("span", { class: `key s${index}` }, `${one.name} ${number(one.value.at(-1))}`)));
  return el("figure", {}, caption, drawing);
}

/**
 * A bar on a logarithmic scale between 10^low and 10^high.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 * @param {boolean} alarm
 */
export function logBar(value, low, high, alarm) {
  const part = value > 0 ? (Math.log10(value) - low) / (high - low) : 0;
  const width = Math.max(0.5, Math.min(1, part) * 100);
  return svg("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { x: 0, y: 0, width, height: 6, class: alarm ? "alarm" : "" }));
}
