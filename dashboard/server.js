// The daemon's own state, in a line of the page's head: ready or why not, slots, sandbox.
import { Problem, call } from "./api.js";
import { el } from "./dom.js";

/** @returns {Promise<string|null>} what stands in the way of taking work, or null */
async function obstacle() {
  try {
    await call("/readyz");
    return null;
  } catch (error) {
    if (error instanceof Problem && error.status === 503)
      return error.message;
    throw error;
  }
}

/** @returns {Promise<Node[]>} */
export async function serverState() {
  const [why, info] = await Promise.all([obstacle(), call("/v1/info")]);
  const { total, used } = info.slots;
  const weak = info.sandbox !== "full";
  return [
    el("span", { class: `status ${why ? "failed" : "succeeded"}`, title: why },
      why ? `not ready: ${why}` : "ready"),
    el("span", {}, `${used} of ${total} slots in use`),
    el("span", weak ? { class: "warm", title: "Workers are not confined fully here." } : {},
      `sandbox ${info.sandbox}`),
    el("span", {}, `backpropd ${info.version}`),
  ];
}
