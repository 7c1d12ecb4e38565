// The lists of jobs, datasets and models.
import { call } from "./api.js";
import { bytes, duration, el, number, time } from "./dom.js";

/**
 * @param {string[]} heads
 * @param {(Node|string)[][]} rows
 * @param {string} empty what to say when there are none
 */
function table(heads, rows, empty) {
  if (rows.length === 0)
    return el("p", { class: "empty" }, empty);
  const body = el("tbody");
  for (const cells of rows)
    body.append(el("tr", {}, ...cells.map((cell) => el("td", {}, cell))));
  return el("div", { class: "scroll" },
    el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", {}, text)))), body));
}

/** @param {any} job */
function outcome(job) {
  const { test, latest } = job.metrics ?? {};
  const figures = test ?? latest ?? {};
  for (const name of ["accuracy", "r2", "val_accuracy", "val_r2", "loss"])
    if (figures[name] !== undefined)
      return `${test ? "test " : ""}${name} ${number(figures[name])}`;
  return "";
}

/** @param {any} job */
function spent(job) {
  if (!job.started_at)
    return job.queue_position ? `queued as number ${job.queue_position}` : "–";
  if (!job.terminal)
    return `${Math.round((job.progress?.fraction ?? 0) * 100)} %`;
  return duration((Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000);
}

/**
 * Whose it is, where the list has objects of several owners (an administrator's).
 * @param {any[]} data
 * @param {any} item
 */
function owner(data, item) {
  const shown = data.some((other) => other.owner !== item.owner);
  return shown ? el("span", { class: "id" }, ` ${item.owner}`) : "";
}

export async function jobList() {
  const { data } = await call("/v1/jobs?limit=100");
  return [table(["job", "status", "", "result", "posted"], data.map((/** @type {any} */ job) => [
    el("span", {}, el("a", { href: `#/jobs/${job.id}` }, job.name), owner(data, job)),
    el("span", { class: `status ${job.status}` }, job.status), spent(job), outcome(job), time(job.created_at),
  ]), "No jobs yet. Post one: curl -d @job.json …/v1/jobs")];
}

export async function datasetList() {
  const { data } = await call("/v1/datasets?limit=100");
  return [table(["dataset", "kind", "rows", "columns", "size", "uploaded"], data.map((/** @type {any} */ dataset) => [
    el("span", {}, dataset.name, " ", el("span", { class: "id" }, dataset.id), owner(data, dataset)),
    dataset.kind,
    number((dataset.rows.train ?? 0) + (dataset.rows.test ?? 0)),
    dataset.sample_shape ? dataset.sample_shape.join(" × ") : number(dataset.columns.length),
    bytes(dataset.bytes), time(dataset.created_at),
  ]), "No datasets yet. Upload one: curl --data-binary @data.csv …/v1/datasets")];
}

export async function modelList() {
  const { data } = await call("/v1/models?limit=100");
  return [table(["model", "parameters", "result", "made"], data.map((/** @type {any} */ model) => [
    el("span", {}, model.job ? el("a", { href: `#/jobs/${model.job}` }, model.name) : model.name, " ",
      el("span", { class: "id" }, model.id), owner(data, model)),
    number(model.parameters), outcome(model), time(model.created_at),
  ]), "No models yet: a job that succeeds makes one.")];
}
