// The dashboard: what the address says is shown, and drawn again every second.
import { Problem, isSignedIn, signIn, signOut } from "./api.js";
import { jobView } from "./job.js";
import { datasetList, jobList, modelList } from "./lists.js";
import { serverState } from "./server.js";

const PERIOD_MS = 1000;
const SERVER_PERIOD_MS = 5000;

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const main = byId("main"), trouble = byId("trouble"), form = byId("sign-in");
const leave = byId("sign-out");

/** @typedef {(refresh: () => void, complain: (error: unknown) => void) => Promise<Node[]>} View */

/** @type {View} */
let view = jobList;
let pressed = false; // a button that is replaced between press and release is never clicked
let turn = 0; // of the view: an answer for an earlier one is dropped

/** @returns {View} */
function route() {
  const [, place, id] = location.hash.split("/");
  if (place === "jobs" && id)
    return jobView(decodeURIComponent(id));
  if (place === "datasets")
    return datasetList;
  return place === "models" ? modelList : jobList;
}

/** @param {unknown} error */
function complain(error) {
  const needsToken = error instanceof Problem && error.status === 401;
  form.hidden = !needsToken;
  leave.hidden = needsToken || !isSignedIn();
  trouble.hidden = needsToken;
  trouble.textContent = error instanceof Error ? error.message : String(error);
}

/** What cannot be known is not shown; the view says why. */
async function showServer() {
  try {
    byId("server").replaceChildren(...await serverState());
  } catch {
    byId("server").replaceChildren();
  }
}

async function watchServer() {
  if (!document.hidden)
    await showServer();
  setTimeout(watchServer, SERVER_PERIOD_MS);
}

async function draw() {
  const mine = turn;
  try {
    const nodes = await view(draw, complain);
    if (mine !== turn || pressed)
      return;
    const list = main.querySelector(".events");
    const scrolled = list?.scrollTop ?? 0;
    main.replaceChildren(...nodes);
    if (scrolled > 0)
      /** @type {HTMLElement} */ (main.querySelector(".events"))?.scrollTo(0, scrolled);
    trouble.hidden = true;
    form.hidden = true;
    leave.hidden = !isSignedIn();
  } catch (error) {
    if (mine === turn)
      complain(error);
  }
}

function navigate() {
  turn++;
  view = route();
  main.replaceChildren();
  for (const link of document.querySelectorAll("nav a"))
    link.toggleAttribute("aria-current",
      (location.hash || "#/jobs").startsWith(/** @type {string} */ (link.getAttribute("href"))));
  draw();
}

/** One drawing after the other, and none while nobody looks. */
async function loop() {
  if (!document.hidden)
    await draw();
  setTimeout(loop, PERIOD_MS);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(/** @type {HTMLInputElement} */ (byId("token")).value);
  navigate();
  showServer();
});
leave.addEventListener("click", () => {
  signOut();
  byId("server").textContent = "";
  navigate();
});
addEventListener("pointerdown", () => { pressed = true; });
for (const name of ["pointerup", "pointercancel"])
  addEventListener(name, () => { pressed = false; });
addEventListener("hashchange", navigate);
navigate();
watchServer();
setTimeout(loop, PERIOD_MS);
