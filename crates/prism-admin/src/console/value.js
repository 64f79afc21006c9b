// One value: shown as text, JSON or hex, changed, removed. A change is made to what was seen, and to nothing else.

import { isKind, namespacePath, send } from "./api.js";
import { SHOWN_BYTES, areEqual, editableTextOf, hexDump, hexOf, jsonOf, kindOf, looseText } from "./bytes.js";
import { conflict } from "./conflict.js";
import { counter, isCounter } from "./counter.js";
import { confirm } from "./dialog.js";
import { fill, h, id, notice, show } from "./dom.js";
import { editor } from "./editor.js";
import { bytes as size, count, exactly } from "./format.js";
import { LifeChoice, lifeLine, readLife } from "./life.js";
import { CAS, COUNTER, TTL } from "./served.js";

const CANNOT_COMPARE = "This backend cannot compare while it saves: a change that somebody else makes at the same moment is lost.";

/** A key that is there. `gone` is called once it is deleted. */
export function openValue({ name, key, served, mayWrite, gone }) {
  const place = h("div");
  const step = { typed: "1" };
  const draw = (value) => new View({ name, key, value, served, mayWrite, step, gone, reload }).element;
  const reload = () => show(place, load(name, key, served).catch((error) => {
    if (isKind(error, "not-found")) throw Object.assign(error, { title: "The key does not exist", detail: "It was deleted or has expired." });
    throw error;
  }), draw);
  reload();
  return [h("h2", { class: "key-name" }, key), place];
}

class View {
  constructor({ name, key, value, served, mayWrite, step, gone, reload }) {
    Object.assign(this, { name, key, value, served, mayWrite, step, gone, reload });
    this.bytes = value.bytes;
    this.isWhole = this.bytes.length <= SHOWN_BYTES;
    this.kind = kindOf(this.bytes);
    this.element = h("div");
    this.draw();
  }

  draw() {
    const shown = this.isWhole ? this.bytes : this.bytes.subarray(0, SHOWN_BYTES);
    const text = looseText(shown);
    const content = { text: () => text, json: () => jsonOf(text) ?? text, hex: () => hexDump(shown) }[this.kind]();
    const kinds = [["text", "Text"], ["json", "JSON"], ["hex", "Hex"]];
    const { name, key, served, step, mayWrite, reload } = this;
    fill(this.element,
      h("div", { class: "value-bar" },
        h("div", { class: "choices", role: "group", "aria-label": "Show as" }, kinds.map(([kind, label]) =>
          h("button", { type: "button", "aria-pressed": String(kind === this.kind), onclick: () => { this.kind = kind; this.draw(); } }, label))),
        h("span", { class: "quiet" }, exactly(this.bytes.length)),
        h("span", { class: "value-acts" },
          h("button", { type: "button", onclick: () => this.download() }, "Download"),
          mayWrite ? [h("button", { type: "button", onclick: () => this.edit() }, "Edit"),
            h("button", { type: "button", class: "danger", onclick: () => this.remove() }, "Delete…")] : null)),
      lifeLine({ name, key, left: this.lifeLeft(), mayWrite: mayWrite && served.has(TTL), changed: reload }),
      isCounter(this.bytes) && mayWrite ? (served.has(COUNTER) ? counter({ name, key, served, step, changed: reload, refused: () => this.draw() })
        : h("p", { class: "hint" }, "A number, but this backend has no counters: edit the value instead.")) : null,
      h("pre", { class: "value", role: "group", tabindex: 0, "aria-label": "Value" }, content),
      this.isWhole ? null : h("p", { class: "hint" }, `Showing the first ${size(SHOWN_BYTES)}. `,
        h("button", { type: "button", onclick: () => { this.isWhole = true; this.draw(); } }, "Show all")));
  }

  /** What is left of the time to live by now. */
  lifeLeft() {
    const { left, at } = this.value;
    return left ? Math.max(left - (Date.now() - at), 1) : left;
  }

  download() {
    const link = h("a", { href: URL.createObjectURL(new Blob([this.bytes])), download: this.key.replace(/[^\w.-]+/g, "_") || "value" });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  edit() {
    const text = editableTextOf(this.bytes);
    const knowsLife = this.value.left !== undefined;
    const life = new LifeChoice({ choices: knowsLife ? ["keep", "set", "never"] : ["never", "set"], left: this.lifeLeft() });
    const hints = [
      knowsLife ? null : "Saving replaces the value and its time to live; the current time to live cannot be read.",
      this.served.has(CAS) ? null : CANNOT_COMPARE,
    ];
    const met = h("div");
    const form = editor({
      content: text ?? hexOf(this.bytes), kind: text === null ? "hex" : "text", life,
      below: hints.filter(Boolean).map((hint) => h("p", { class: "hint" }, hint)),
      extra: h("button", { type: "button", onclick: () => this.draw() }, "Cancel"),
      verbs: { "Save…": async (bytes, asked, words) => {
        const { name, key, served } = this;
        const outcome = await replace({ name, key, served, before: this.value, bytes, asked, words });
        if (outcome === "saved") this.reload();
        else if (outcome) this.meet(met, form, { theirs: outcome.theirs, bytes, asked });
      } },
    });
    fill(this.element, met, form);
    form.querySelector("textarea").focus();
  }

  /** Shows what somebody else has stored meanwhile. */
  meet(met, form, { theirs, bytes, asked }) {
    const { name, key, served } = this;
    const further = () => {
      if (theirs) this.value = theirs;
      fill(met);
      form.hidden = false;
      form.querySelector("textarea").focus();
    };
    form.hidden = true;
    fill(met, conflict({
      title: theirs ? "Somebody else changed this value meanwhile" : "The key was deleted meanwhile, or has expired",
      mine: bytes, theirs: theirs?.bytes ?? null, further,
      take: () => (theirs ? this.reload() : this.gone()),
      overwrite: async () => {
        let life = asked;
        if (!theirs && asked.keep_ttl) {
          // Nothing is left of a time to live that has ended. A key that never expired is stored as one that does not.
          if (this.value.left) throw new Error("There is no time to live to keep any more: edit further, and choose one.");
          life = {};
        }
        const newer = await store({ name, key, served, before: theirs, bytes, asked: life });
        if (newer) {
          this.meet(met, form, { theirs: newer.theirs, bytes, asked });
          return;
        }
        notice("Saved.");
        this.reload();
      },
    }));
    met.querySelector("button").focus();
  }

  async remove() {
    const { name, key, value, served } = this;
    let isStale = false;
    const gone = await confirm({
      title: "Delete this key?",
      body: [h("p", {}, "This permanently deletes from ", h("strong", {}, name), ":"), h("pre", { class: "named" }, key)],
      verb: "Delete",
      act: async () => {
        try {
          await send("DELETE", namespacePath(name, "/value"), { query: { key }, headers: served.has(CAS) ? { "if-match": value.tag } : {} });
        } catch (error) {
          if (served.lacks(CAS, error)) return send("DELETE", namespacePath(name, "/value"), { query: { key } });
          isStale = isKind(error, "precondition-failed");
          throw isStale ? Object.assign(error, { detail: "Somebody else changed or deleted it meanwhile, so nothing was deleted. Cancel to see what is stored now." }) : error;
        }
      },
    });
    if (gone) {
      notice("Deleted.");
      this.gone();
    } else if (isStale) this.reload();
  }
}

/** A value, its tag, and what it has left to live as of `at`. */
async function load(name, key, served) {
  const [response, left] = await Promise.all([send("GET", namespacePath(name, "/value"), { query: { key } }), readLife(name, key, served)]);
  return { bytes: new Uint8Array(await response.arrayBuffer()), tag: response.headers.get("etag"), left, at: Date.now() };
}

/** The same, or null if the key does not exist. */
async function find(name, key, served) {
  return load(name, key, served).catch((error) => {
    if (isKind(error, "not-found")) return null;
    throw error;
  });
}

/**
 * Stores a value in the place of `before`, or of nothing if that is null; null, or { theirs } if something else is there: what it is,
 * null if nothing.
 */
async function store({ name, key, served, before, bytes, asked }) {
  const put = (headers) => send("PUT", namespacePath(name, "/value"), { query: { key, ...asked }, bytes, headers });
  if (served.has(CAS)) {
    try {
      await put(before ? { "if-match": before.tag } : { "if-none-match": "*" });
      return null;
    } catch (error) {
      if (isKind(error, "precondition-failed")) return { theirs: await find(name, key, served) };
      if (!served.lacks(CAS, error)) throw error;
    }
  }
  const theirs = await find(name, key, served);
  if (theirs && before ? !areEqual(theirs.bytes, before.bytes) : theirs !== before) return { theirs };
  await put({});
  return null;
}

/** Asks before a value goes, and stores the one in its place: "saved", null if the answer was no, or { theirs }. */
async function replace({ name, key, served, before, bytes, asked, words }) {
  let met = null;
  const done = await confirm({
    title: "Replace this value?",
    body: [
      h("p", {}, "In ", h("strong", {}, name), ":"), h("pre", { class: "named" }, key),
      h("p", {}, `${count(bytes.length)} bytes replace the current ${count(before.bytes.length)} bytes, and ${words}`),
    ],
    verb: "Replace",
    act: async () => { met = await store({ name, key, served, before, bytes, asked }); },
  });
  if (!done || met) return met;
  notice("Saved.");
  return "saved";
}

/** A key that is not there yet. */
export function newValue({ name, prefix, served, made }) {
  const field = id("key");
  const key = h("input", { id: field, value: prefix, required: true, spellcheck: "false", autocomplete: "off" });
  setTimeout(() => key.focus());
  return [
    h("h2", {}, "New key"),
    h("div", { class: "field" }, h("label", { for: field }, "Key"), key, h("p", { class: "hint" }, "1 to 4,096 bytes.")),
    editor({
      content: "", kind: "text", life: new LifeChoice({ choices: ["never", "set"] }),
      verbs: { Set: async (bytes, asked, words) => {
        const there = { name, key: key.value, served };
        let met = await store({ ...there, before: null, bytes, asked });
        if (!met) notice("Saved.");
        // Somebody may change it while the question is open; then it is asked again, about what is there by then. If the key is
        // gone by then, it is stored as a new one.
        while (met && met !== "saved") {
          if (met.theirs) {
            met = await replace({ ...there, before: met.theirs, bytes, asked, words });
            if (met === null) return;
          } else {
            met = await store({ ...there, before: null, bytes, asked });
            if (!met) notice("Saved.");
          }
        }
        made(key.value);
      } },
    }),
  ];
}
