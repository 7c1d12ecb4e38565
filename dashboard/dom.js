// Making elements, and numbers that people can read.

/**
 * An element with attributes and children. Text is always text, never markup.
 * @param {string} tag
 * @param {Record<string, any>} [attributes] functions become listeners; false and null are left out
 * @param {...(Node|string|number|null)} children
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function")
      node.addEventListener(name, value);
    else if (value !== false && value !== null && value !== undefined)
      node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children)
    if (child !== null)
      node.append(child instanceof Node ? child : String(child));
  return node;
}

/**
 * @param {string} tag
 * @param {Record<string, string|number>} attributes
 * @param {...(Node|string)} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes))
    node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/**
 * @param {any} value a number, or one of the strings "NaN", "Infinity", "-Infinity"
 * @returns {string}
 */
export function number(value) {
  if (value === null || value === undefined)
    return "–";
  if (typeof value !== "number")
    return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9)
    return value.toLocaleString("en");
  if (size >= 1e6 || (size < 1e-3 && size > 0))
    return value.toExponential(2);
  return value.toLocaleString("en", { maximumSignificantDigits: size >= 1000 ? 6 : 4 });
}

/** @param {number} bytes */
export function bytes(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit++;
  }
  return `${unit ? bytes.toPrecision(3) : bytes} ${units[unit]}`;
}

/** @param {number|null} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds))
    return "–";
  if (seconds < 1)
    return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60)
    return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {string|null} text RFC 3339 */
export function time(text) {
  return text ? new Date(text).toLocaleString([], { dateStyle: "short", timeStyle: "medium" }) : "–";
}
