// One job: progress, curves, the gradient's flow through the layers, events.
import { call, save } from "./api.js";
import { lineChart, logBar } from "./chart.js";
import { duration, el, number, time } from "./dom.js";

const CURVES = [
  ["Loss", "loss", "val_loss"],
  ["Accuracy", "accuracy", "val_accuracy"],
  ["R²", "r2", "val_r2"],
  ["Perplexity", "perplexity", "val_perplexity"],
  ["Mean absolute error", "mae", "val_mae"],
  ["Learning rate", "learning_rate"],
];
const VANISHING = 1e-7, EXPLODING = 1e3;

/** Events of a training in trouble, and how they are headed.
 * @type {Record<string, string>} */
const TROUBLES = {
  vanishing_gradient: "Vanishing gradient",
  exploding_gradient: "Exploding gradient",
  dead_units: "Dead units",
  plateau: "Plateau",
  diverged: "Diverged",
};

/** @type {Record<string, string[]>} */
const ACTIONS = {
  queued: ["pause", "cancel"],
  running: ["stop", "pause", "cancel"],
  paused: ["resume", "cancel"],
};

/**
 * @param {string} term
 * @param {any} value
 */
function fact(term, value) {
  return el("div", {}, el("dt", {}, term), el("dd", {}, value));
}

/**
 * @param {any} job
 * @param {() => void} refresh
 * @param {(error: unknown) => void} complain
 */
function title(job, refresh, complain) {
  const actions = el("span", { class: "actions" });
  for (const verb of ACTIONS[job.status] ?? [])
    actions.append(el("button", {
      type: "button",
      click: () => call(`/v1/jobs/${job.id}/${verb}`, "POST").then(refresh, complain),
    }, verb));
  if (job.model)
    for (const format of ["safetensors", "npz", "onnx"])
      actions.append(el("button", {
        type: "button",
        click: () => save(`/v1/models/${job.model}/weights?format=${format}`,
          `${job.model}.${format}`).catch(complain),
      }, format));
  return el("div", { class: "title" }, el("h2", {}, job.name),
    el("span", { class: `status ${job.status}` }, job.status), el("span", { class: "id" }, job.id), actions);
}

/** @param {any} job */
function summary(job) {
  const { progress, metrics } = job;
  const list = el("dl", { class: "facts" },
    fact("epoch", `${number(progress?.epoch)} of ${number(progress?.epochs)}`),
    fact("step", `${number(progress?.step)} of ${number(progress?.steps)}`),
    fact("samples a second", number(progress?.samples_per_second)),
    job.terminal ? fact("ended", job.stop_reason ?? "–")
      : fact("time left", duration(progress?.eta_seconds)));
  if (job.queue_position)
    list.append(fact("place in the queue", job.queue_position));
  for (const [name, value] of Object.entries(metrics?.test ?? {}))
    list.append(fact(`test ${name}`, number(value)));
  return list;
}

/** @param {any} error */
function failure(error) {
  return el("p", { class: "error" }, el("b", {}, error.code ?? "error"), ` ${error.message ?? ""}\n`,
    typeof error.detail === "string" ? error.detail : "");
}

/** @param {any[]} series */
function charts(series) {
  const byName = new Map(series.map((one) => [one.name, one]));
  const grid = el("div", { class: "charts" });
  for (const [caption, ...names] of CURVES) {
    const chart = lineChart(caption, names.map((name) => byName.get(name)).filter(Boolean));
    if (chart)
      grid.append(chart);
  }
  return grid;
}

/**
 * The last value of each per-layer series, output layer first: the way that the gradient goes.
 * @param {any[]} series
 */
function flow(series) {
  /** @type {Map<string, Record<string, any>>} */
  const layers = new Map();
  for (const one of series) {
    const slash = one.name.indexOf("/");
    if (slash < 0)
      continue;
    const layer = one.name.slice(slash + 1);
    const entry = layers.get(layer) ?? {};
    entry[one.name.slice(0, slash)] = one.value.at(-1);
    layers.set(layer, entry);
  }
  const rows = [...layers].filter(([, entry]) => entry.gradient_norm !== undefined)
    .sort(([a], [b]) => b.localeCompare(a, "en", { numeric: true }));
  if (rows.length === 0)
    return null;
  const body = el("tbody");
  for (const [layer, entry] of rows) {
    const norm = entry.gradient_norm;
    const alarm = typeof norm !== "number" || norm < VANISHING || norm > EXPLODING;
    body.append(el("tr", {}, el("td", {}, el("code", {}, layer)),
      el("td", { class: "bar" }, logBar(typeof norm === "number" ? norm : Infinity, -8, 3, alarm)),
      el("td", { class: "number" }, number(norm)),
      el("td", { class: "number" }, number(entry.update_ratio)),
      el("td", { class: "number" }, number(entry.activation_mean)),
      el("td", { class: "number" }, number(entry.activation_std)),
      el("td", { class: "number" }, number(entry.dead_fraction))));
  }
  return el("section", {}, el("h3", {}, "Gradient flow, from the output back to the input"),
    el("div", { class: "scroll" }, el("table", { class: "flow" },
      el("thead", {}, el("tr", {}, ...["layer", "gradient norm (log scale)", "", "update / weight",
        "activation mean", "deviation", "dead units"].map((text) => el("th", {}, text)))), body)));
}

/** @param {any[]} events */
function eventList(events) {
  const list = el("ol", { class: "events" });
  for (const event of events.slice().reverse()) {
    const trouble = TROUBLES[event.type];
    list.append(el("li", { class: trouble ? "trouble" : "" }, el("time", {}, time(event.created_at)),
      trouble ? el("b", {}, `${trouble}. `) : "", event.message));
  }
  return el("section", {}, el("h3", {}, "Events"), list);
}

/**
 * All events, a page at a time; they only ever grow, so earlier ones are kept.
 * @param {string} id
 * @param {any[]} known appended to
 */
async function readEvents(id, known) {
  for (let more = true; more;) {
    const page = await call(`/v1/jobs/${id}/events?limit=1000&after=${known.at(-1)?.id ?? 0}`);
    known.push(...page.data);
    more = page.has_more;
  }
}

/**
 * A view of a job that can be drawn again and again.
 * @param {string} id
 * @returns {(refresh: () => void, complain: (error: unknown) => void) => Promise<Node[]>}
 */
export function jobView(id) {
  /** @type {any[]} */
  const events = [];
  return async (refresh, complain) => {
    const job = await call(`/v1/jobs/${id}`);
    const { series } = await call(`/v1/jobs/${id}/metrics?max_points=400`);
    await readEvents(id, events);
    const parts = [
      title(job, refresh, complain),
      el("progress", { max: 1, value: job.progress?.fraction ?? 0, "aria-label": "progress" }),
      summary(job),
      job.error ? failure(job.error) : null,
      charts(series),
      flow(series),
      eventList(events),
    ];
    return parts.flatMap((part) => part ?? []);
  };
}
