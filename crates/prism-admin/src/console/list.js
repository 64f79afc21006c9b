// One list: how long it is, its ends, what it is cut down to, and the parts that have files of their own.

import { get, namespacePath, send } from "./api.js";
import { readable } from "./bytes.js";
import { confirm } from "./dialog.js";
import { busy, fill, h, id, notice, problem } from "./dom.js";
import { editor } from "./editor.js";
import { count, counted, exactly } from "./format.js";
import { indexOf } from "./index.js";
import { leases } from "./leases.js";
import { INDEXING, RANGE, RESERVE } from "./served.js";
import { values } from "./values.js";

/**
 * The list. `from` is the index of the first value that is shown, `index` that of one that is open, `at` the address of others; `measured`
 * is told the length whenever it is known.
 */
export function oneList({ name, key, from, index, served, mayWrite, may, signal, at, measured }) {
  const path = namespacePath(name, "/list");
  const length = h("p", { class: "length", "aria-live": "polite" });
  const place = h("div");
  const told = h("div", { "aria-live": "polite" });
  const say = (number) => {
    measured(number);
    fill(length, number === 0 ? "The list is empty, which is the same as missing." : counted(number, "value"));
  };
  const table = values({ name, key, from, served, mayWrite, signal, at, place, told: say });
  const measure = async () => say((await get(path, { query: { key }, signal })).length);
  const look = async () => {
    try {
      const told = served.has(RANGE) && await table.refresh();
      if (!told || table.isOpen()) await measure();
    } catch (error) {
      if (error.name !== "AbortError") fill(place, problem(error));
    }
  };
  if (index === null) look();
  else {
    table.open(Number(index));
    measure().catch(() => {});
  }
  // What was open may be gone.
  const back = () => (table.isOpen() ? table.leave() : look());
  const failing = (act) => async (...given) => {
    try {
      await act(...given);
    } catch (error) {
      fill(told, problem(error));
    }
  };
  const push = (end) => async (bytes) => {
    say((await (await send("POST", path, { query: { key, end }, bytes })).json()).length);
    notice(`Pushed ${end}.`);
    await look();
  };
  const pop = failing(async (end) => {
    let response;
    const done = await confirm({
      title: `Pop from the ${end} of this list?`,
      body: [h("p", {}, `This removes the ${end === "left" ? "first" : "last"} value of a list in `, h("strong", {}, name), " and shows it once:"), h("pre", { class: "named" }, key)],
      verb: `Pop ${end}`,
      act: async () => { response = await send("POST", `${path}/pop`, { query: { key, end } }); },
    });
    if (!done) return;
    await look();
    if (response.status === 204) {
      fill(told, h("p", { class: "empty" }, "The list was empty."));
      return;
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    fill(told, h("h3", {}, `Popped ${end}, ${exactly(bytes.length)}`), h("pre", { class: "value", tabindex: 0 }, readable(bytes)));
  });
  const clear = failing(async () => {
    const { length: number } = await get(path, { query: { key }, signal });
    const done = await confirm({
      title: "Clear this list?",
      body: [h("p", {}, "This permanently removes a list of ", h("strong", {}, counted(number, "value")), " from ", h("strong", {}, name), ":"), h("pre", { class: "named" }, key),
        h("p", {}, "Values that are reserved go, too: their leases end.")],
      verb: `Clear ${counted(number, "value")}`,
      act: () => send("POST", `${path}/clear`, { query: { key } }),
    });
    if (!done) return;
    notice("Cleared.");
    fill(told);
    await back();
  });
  const remove = async (bytes) => {
    const removed = await removeEqual({ name, key, bytes });
    if (removed === null) return;
    notice(`Removed ${counted(removed, "value")}.`);
    await back();
  };
  const button = (text, act) => h("button", { type: "button", class: "danger", onclick: act }, text);
  const cuts = served.has(RANGE);
  const verbs = { ...(served.has(INDEXING) ? { "Remove equal…": remove } : {}), "Push left": push("left"), "Push right": push("right") };
  table.removes(remove);
  return h("div", { class: "list" },
    h("h2", { class: "key-name" }, key),
    h("div", { class: "value-bar" }, length, h("span", { class: "value-acts" }, h("button", { type: "button", onclick: (event) => busy(event.currentTarget, look) }, "Refresh"),
      mayWrite ? [button("Pop left…", () => pop("left")), button("Pop right…", () => pop("right")), cuts ? button("Clear…", clear) : null] : null)),
    told, place,
    mayWrite ? [
      h("details", { class: "part", open: true }, h("summary", {}, "Push a value"), editor({ content: "", kind: "text", rows: 3, verbs })),
      cuts ? h("details", { class: "part" }, h("summary", {}, "Trim to a range"), trim({ name, key, look })) : null,
      served.has(RESERVE) ? h("details", { class: "part", open: true }, h("summary", {}, "Reserve values"), leases({ name, key, served, look }))
        : h("p", { class: "hint" }, "This backend has no leases: values cannot be reserved."),
    ] : may("write") ? null : h("p", { class: "hint" }, "Changing a list requires a token with the role write."));
}

/** A form that cuts the list down to a range. */
function trim({ name, key, look }) {
  const [first, last] = [id("start"), id("stop")];
  const start = h("input", { id: first, value: "0", inputmode: "numeric", autocomplete: "off" });
  const stop = h("input", { id: last, value: "-1", inputmode: "numeric", autocomplete: "off" });
  const failed = h("div");
  const submit = (event) => {
    event.preventDefault();
    busy(event.currentTarget, async () => {
      try {
        fill(failed);
        await cut();
      } catch (error) {
        fill(failed, problem(error));
      }
    });
  };
  const cut = async () => {
    const [from, to] = [start, stop].map(({ value }) => indexOf(value));
    const path = namespacePath(name, "/list");
    const { length } = await get(path, { query: { key } });
    const kept = keptBy(from, to, length);
    const done = await confirm({
      title: "Trim this list?",
      body: [h("p", {}, `Index ${from} to ${to} stays: `, h("strong", {}, `${count(kept)} of ${counted(length, "value")}`), `. The other ${count(length - kept)} are permanently removed from a list in `, h("strong", {}, name), ":"),
        h("pre", { class: "named" }, key)],
      verb: `Remove ${counted(length - kept, "value")}`,
      act: () => send("POST", `${path}/trim`, { query: { key, start: from, stop: to } }),
    });
    if (done) {
      notice("Trimmed.");
      await look();
    }
  };
  return h("form", { onsubmit: submit }, h("div", { class: "row" },
    h("div", { class: "field" }, h("label", { for: first }, "Keep from index"), start),
    h("div", { class: "field" }, h("label", { for: last }, "to index"), stop),
    h("div", { class: "field end" }, h("button", { type: "submit", class: "danger" }, "Trim…"))),
  h("p", { class: "hint" }, "Both are kept. From 0 at the left end, or from -1 at the right end."), failed);
}

/** How many values of a list of this length a range keeps. */
function keptBy(from, to, length) {
  const absolute = (index) => (index < 0 ? length + index : index);
  return Math.max(Math.min(absolute(to), length - 1) - Math.max(absolute(from), 0) + 1, 0);
}

/** Asks which of the values that are equal to this one go, and removes them: how many, or null if the answer was no. */
async function removeEqual({ name, key, bytes }) {
  const field = id("which");
  const which = h("select", { id: field }, [["1", "The first one"], ["-1", "The last one"], ["0", "All of them"]].map(([value, text]) => h("option", { value }, text)));
  let answer = null;
  await confirm({
    title: "Remove values that are equal to this one?",
    body: [h("p", {}, "From a list in ", h("strong", {}, name), ":"), h("pre", { class: "named" }, key),
      h("p", {}, `The value, ${exactly(bytes.length)}:`), h("pre", { class: "named" }, readable(bytes.subarray(0, 1024))),
      h("div", { class: "field" }, h("label", { for: field }, "Remove"), which)],
    verb: "Remove",
    act: async () => {
      const response = await send("POST", namespacePath(name, "/list/remove"), { query: { key, count: which.value }, bytes });
      answer = (await response.json()).removed;
    },
  });
  return answer;
}
