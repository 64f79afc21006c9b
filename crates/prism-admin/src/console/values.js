// The values of a list by their indices, a page at a time; one of them read whole and changed.

import { get, isKind, namespacePath, send } from "./api.js";
import { areEqual, editableTextOf, hexOf, jsonOf, kindOf, looseText, ofBase64, readable, textOf } from "./bytes.js";
import { conflict } from "./conflict.js";
import { confirm } from "./dialog.js";
import { fill, h, notice, problem } from "./dom.js";
import { editor } from "./editor.js";
import { bytes as size, count, exactly } from "./format.js";
import { indexOf } from "./index.js";
import { INDEXING, RANGE } from "./served.js";

const PAGE = 50;

/** How much of a value its row shows. */
const ROW_CHARACTERS = 120;

/** What `load` shows in `place`, from the index `from`, which is null or as it is typed; `told` gets the length of the list. */
export function values({ name, key, from, served, mayWrite, signal, at, place, told }) {
  const path = namespacePath(name, "/list");
  let remove = null;
  let shownFrom = from;
  let opened = null;
  const whole = async (index) => new Uint8Array(await (await send("GET", `${path}/at`, { query: { key, index }, signal })).arrayBuffer());
  /** Whether the backend can show them. */
  const load = async () => {
    let part;
    try {
      const start = shownFrom === null ? 0 : indexOf(shownFrom);
      part = await get(`${path}/range`, { query: { key, start, limit: PAGE }, signal });
    } catch (error) {
      if (!served.lacks(RANGE, error)) throw error;
      fill(place, h("p", { class: "hint" }, "This backend cannot show the values between the ends of a list."));
      return false;
    }
    told(part.length);
    opened = null;
    fill(place, part.length ? draw(part) : null);
    return true;
  };

  // The rest of the page stays as it is.
  const go = (from) => {
    shownFrom = String(from);
    history.pushState(null, "", at({ from }));
    return load().catch((error) => fill(place, problem(error)));
  };
  const link = (text, address, act) => h("a", { href: address, onclick: (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    act();
  } }, text);

  const draw = ({ length, start, values: shown, next_start: next }) => {
    const opens = served.has(INDEXING);
    const row = ({ bytes, beginning_base64: beginning }, offset) => {
      const index = start + offset;
      const cells = [h("span", { class: "index" }, count(index)), h("code", {}, preview(ofBase64(beginning), bytes)), h("span", { class: "size" }, size(bytes))];
      return h("li", {}, opens ? link(cells, at({ from: start, index }), () => enter(index)) : h("div", {}, cells));
    };
    const page = (text, from) => link(text, at({ from }), () => go(from));
    const box = h("input", { value: String(start), inputmode: "numeric", autocomplete: "off", "aria-label": "From index" });
    const jump = (event) => {
      event.preventDefault();
      go(box.value.trim());
    };
    const end = start + shown.length;
    return [
      shown.length ? [h("p", { class: "columns quiet rows", "aria-hidden": "true" }, h("span", {}, "Index"), h("span", {}, "Value"), h("span", {}, "Size")),
        h("ul", { class: "keys rows", "aria-label": "Values" }, shown.map(row))]
        : h("p", { class: "empty" }, `The list has no index ${count(start)}.`),
      h("div", { class: "pages" },
        h("span", { class: "quiet" }, shown.length ? `Index ${count(start)} to ${count(end - 1)} of ${count(length)}` : null),
        start > 0 ? [page("First", 0), page("Previous", Math.max(start - PAGE, 0))] : null,
        next === null ? null : page("Next", next),
        end < length ? page("Last", -PAGE) : null,
        h("form", { class: "jump", onsubmit: jump }, box, h("button", { type: "submit" }, "Go to index"))),
    ];
  };

  const enter = (index) => {
    history.pushState(null, "", at({ from: shownFrom, index }));
    return open(index);
  };
  const leave = () => {
    history.pushState(null, "", at({ from: shownFrom }));
    return load();
  };

  /** Shows the whole value at an index. */
  const open = async (index) => {
    const back = () => h("button", { type: "button", onclick: leave }, "Back to the list");
    let bytes;
    try {
      bytes = await whole(index);
    } catch (error) {
      served.lacks(INDEXING, error);
      if (error.name !== "AbortError") fill(place, problem(error), h("div", { class: "buttons" }, back()));
      opened = index;
      return;
    }
    opened = index;
    fill(place,
      h("div", { class: "value-bar" }, h("h3", {}, `Value at index ${count(index)}`), h("span", { class: "quiet" }, exactly(bytes.length)),
        h("span", { class: "value-acts" }, back(), mayWrite ? [
          h("button", { type: "button", onclick: () => edit(index, bytes) }, "Edit"),
          h("button", { type: "button", class: "danger", onclick: () => remove(bytes) }, "Remove…")] : null)),
      h("pre", { class: "value", tabindex: 0, role: "group", "aria-label": "Value" }, (kindOf(bytes) === "json" && jsonOf(looseText(bytes))) || readable(bytes)));
  };

  const edit = (index, before) => {
    const text = editableTextOf(before);
    const met = h("div");
    const set = async (bytes) => {
      await send("PUT", `${path}/at`, { query: { key, index }, bytes });
      notice("Saved.");
      await open(index);
    };
    const now = () => whole(index).catch((error) => {
      if (isKind(error, "not-found")) return null;
      throw error;
    });
    let seen = before;
    // Lists have no conditional writes: what is compared is what stood there a moment ago.
    const save = async (bytes) => {
      const theirs = await now();
      if (theirs && seen && areEqual(theirs, seen)) {
        await set(bytes);
        return;
      }
      form.hidden = true;
      fill(met, conflict({
        title: theirs ? `Another value is at index ${count(index)} by now` : `The list has no index ${count(index)} any more`,
        mine: bytes, theirs, take: () => (theirs ? open(index) : leave()),
        further: () => {
          seen = theirs;
          fill(met);
          form.hidden = false;
        },
        overwrite: theirs && (async () => {
          seen = theirs;
          await save(bytes);
        }),
      }));
    };
    const form = editor({
      content: text ?? hexOf(before), kind: text === null ? "hex" : "text", rows: 6,
      below: h("p", { class: "hint" }, "It is saved by its index: a push or pop at the left end in the same moment moves another value there."),
      extra: h("button", { type: "button", onclick: () => open(index) }, "Cancel"),
      verbs: { "Save…": async (bytes) => {
        const body = [h("p", {}, "In a list of ", h("strong", {}, name), ":"), h("pre", { class: "named" }, key),
          h("p", {}, `${exactly(bytes.length)} replace the ${exactly(before.length)} at index ${count(index)}.`)];
        if (await confirm({ title: "Replace this value?", body, verb: "Replace" })) await save(bytes);
      } },
    });
    fill(place, h("h3", {}, `Edit the value at index ${count(index)}`), met, form);
    form.querySelector("textarea").focus();
  };

  /** Reads again what is shown; what somebody types stays. False: the backend cannot show the values. */
  const refresh = async () => {
    if (place.querySelector(".editor")) return true;
    if (opened === null) return load();
    await open(opened);
    return true;
  };

  return { refresh, open, leave, isOpen: () => opened !== null, removes: (act) => { remove = act; } };
}

/** The beginning of a value on one line. */
export function preview(bytes, whole) {
  const text = textOf(bytes) ?? (whole > bytes.length ? textOf(bytes.subarray(0, -3)) : null);
  const line = text === null ? hexOf(bytes.subarray(0, ROW_CHARACTERS / 3)) : text.slice(0, ROW_CHARACTERS).replace(/\s+/g, " ");
  const isCut = text === null ? whole > ROW_CHARACTERS / 3 : whole > bytes.length || text.length > ROW_CHARACTERS;
  return whole === 0 ? h("span", { class: "quiet" }, "(empty)") : `${line}${isCut ? "…" : ""}`;
}
