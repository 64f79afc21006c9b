// Deleting all keys with a prefix: counted first, confirmed, followed, and stopped at any time.

import { get, namespacePath, send } from "./api.js";
import { fill, h, problem } from "./dom.js";
import { count, counted } from "./format.js";

/** Two equal counts, this far apart, tell that nothing is under way; more counts than this are not made. */
const SETTLE_MS = 500;
const COUNTS_MAX = 20;

/** The page. `back` is the address of the keys. */
export function deletePrefix({ name, prefix, signal, back }) {
  const place = h("div");
  ask(place, { name, prefix, signal, back });
  return h("section", { class: "purge", "aria-label": "Delete by prefix" },
    h("h2", {}, "Delete all keys with this prefix"), h("pre", { class: "named" }, prefix), place);
}

function countOf({ name, prefix, signal }) {
  return get(namespacePath(name, "/count"), { query: { prefix }, signal }).then((found) => found.count);
}

/** Says how many keys there are, and asks. */
async function ask(place, context) {
  fill(place, h("p", { class: "quiet" }, "Counting the keys…"));
  let total;
  try {
    total = await countOf(context);
  } catch (error) {
    if (error.name !== "AbortError") fill(place, problem(error), toKeys(context));
    return;
  }
  if (total === 0) {
    fill(place, h("p", {}, "No key has this prefix."), toKeys(context));
    return;
  }
  const go = h("button", { type: "button", class: "danger", onclick: () => run(place, context, total) }, `Delete ${counted(total, "key")}`);
  fill(place,
    h("p", {}, h("strong", { class: "total" }, counted(total, "key")), ` in ${context.name} ${total === 1 ? "has" : "have"} this prefix now. What is deleted cannot be restored.`),
    h("p", { class: "hint" }, "They are deleted one by one, not in one step: keys that are created meanwhile may be deleted or not."),
    h("div", { class: "buttons" }, h("a", { class: "button", href: context.back }, "Cancel"), go));
}

function toKeys({ back }) {
  return h("div", { class: "buttons" }, h("a", { class: "button", href: back }, "Back to the keys"));
}

/** Deletes, and shows how far it is. Leaving the page stops it, too. */
async function run(place, context, total) {
  const stop = new AbortController();
  context.signal.addEventListener("abort", () => stop.abort(), { signal: stop.signal });
  const bar = h("progress", { max: total, value: 0, "aria-label": "Deleted" });
  const words = h("p", { class: "far", "aria-live": "polite" }, "Deleting…");
  const button = h("button", { type: "button", onclick: () => stop.abort() }, "Stop");
  fill(place, bar, words, h("div", { class: "buttons" }, button));
  button.focus();
  let last = { deleted: 0, is_complete: false, error: null };
  let why = null;
  try {
    const query = { prefix: context.prefix };
    const response = await send("POST", namespacePath(context.name, "/keys/delete"), { query, signal: stop.signal });
    for await (const line of lines(response.body)) {
      last = line;
      bar.value = Math.min(last.deleted, total);
      words.textContent = `Deleted ${count(last.deleted)} of ${counted(total, "key")}.`;
    }
    why = last.error ?? (last.is_complete ? null : "The connection ended.");
  } catch (error) {
    if (context.signal.aborted) return;
    why = error.name === "AbortError" ? "You stopped it." : error;
  }
  await tell(place, context, { last, why, total, isStopped: stop.signal.aborted });
}

/** How many keys are left once nothing is under way any more: the backend hears of a stop a moment later. */
async function settled(context) {
  let left = await countOf(context);
  for (let tries = 0; tries < COUNTS_MAX; tries += 1) {
    await new Promise((done) => setTimeout(done, SETTLE_MS));
    const again = await countOf(context);
    if (again === left) break;
    left = again;
  }
  return left;
}

/** The lines of JSON of a response, as they come. */
async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts.map((part) => JSON.parse(part));
  }
}

/** Says what was deleted and what is left. */
async function tell(place, context, { last, why, total, isStopped }) {
  if (!why) {
    fill(place, h("div", { class: "done", role: "status" }, h("strong", {}, `Deleted ${counted(last.deleted, "key")}.`)), toKeys(context));
    return;
  }
  fill(place, h("p", { class: "quiet" }, "Counting what is left…"));
  const left = await settled(context).catch(() => null);
  if (context.signal.aborted) return;
  // What was under way when the connection ended is not known, but the count tells it.
  const about = isStopped && left !== null ? `about ${counted(Math.max(total - left, last.deleted), "key")}` : `${last.error ? "" : "at least "}${counted(last.deleted, "key")}`;
  const deleted = `Deleted ${last.deleted === 0 && !isStopped ? "no key" : about}`;
  const rest = left === null ? "how many are left is not known" : left === 0 ? "none is left" : `${count(left)} with this prefix ${left === 1 ? "is" : "are"} left`;
  fill(place,
    typeof why === "string" ? h("div", { class: "warning", role: "alert" }, h("strong", {}, "Stopped before the end"), h("p", {}, why)) : problem(why),
    h("p", { class: "far" }, `${deleted}; ${rest}.`),
    h("div", { class: "buttons" }, h("a", { class: "button", href: context.back }, "Back to the keys"),
      left === 0 ? null : h("button", { type: "button", class: "danger", onclick: () => ask(place, context) }, "Delete the rest…")));
}
