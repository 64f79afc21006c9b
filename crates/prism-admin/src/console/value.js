// One value: shown as text, JSON or hex, changed, removed.

import { isKind, namespacePath, send } from "./api.js";
import { SHOWN_BYTES, editableTextOf, hexDump, hexOf, jsonOf, kindOf, looseText, ofHex } from "./bytes.js";
import { confirm } from "./dialog.js";
import { busy, fill, h, id, notice, problem, show } from "./dom.js";
import { bytes as size, count } from "./format.js";

/** A key that is there. `gone` is called once it is deleted. */
export function openValue({ name, key, may, gone }) {
  const place = h("div");
  const draw = (bytes) => new View({ name, key, bytes, may, gone, reload }).element;
  const reload = () => show(place, load(name, key).catch((error) => {
    if (isKind(error, "not-found")) throw Object.assign(error, { title: "The key does not exist", detail: "It was deleted or has expired." });
    throw error;
  }), draw);
  reload();
  return [h("h2", { class: "key-name" }, key), place];
}

class View {
  constructor({ name, key, bytes, may, gone, reload }) {
    Object.assign(this, { name, key, bytes, may, gone, reload });
    this.isWhole = bytes.length <= SHOWN_BYTES;
    this.kind = kindOf(bytes);
    this.element = h("div");
    this.draw();
  }

  draw() {
    const shown = this.isWhole ? this.bytes : this.bytes.subarray(0, SHOWN_BYTES);
    const text = looseText(shown);
    const content = { text: () => text, json: () => jsonOf(text) ?? text, hex: () => hexDump(shown) }[this.kind]();
    const kinds = [["text", "Text"], ["json", "JSON"], ["hex", "Hex"]];
    fill(this.element,
      h("div", { class: "value-bar" },
        h("div", { class: "choices", role: "group", "aria-label": "Show as" }, kinds.map(([kind, label]) =>
          h("button", { type: "button", "aria-pressed": String(kind === this.kind), onclick: () => { this.kind = kind; this.draw(); } }, label))),
        h("span", { class: "quiet" }, this.bytes.length < 1024 ? `${count(this.bytes.length)} bytes` : `${count(this.bytes.length)} bytes (${size(this.bytes.length)})`),
        h("span", { class: "value-acts" },
          h("button", { type: "button", onclick: () => this.download() }, "Download"),
          this.may("write") ? [h("button", { type: "button", onclick: () => this.edit() }, "Edit"),
            h("button", { type: "button", class: "danger", onclick: () => this.remove() }, "Delete…")] : null)),
      h("pre", { class: "value", role: "group", tabindex: 0, "aria-label": "Value" }, content),
      this.isWhole ? null : h("p", { class: "hint" }, `Showing the first ${size(SHOWN_BYTES)}. `,
        h("button", { type: "button", onclick: () => { this.isWhole = true; this.draw(); } }, "Show all")));
  }

  download() {
    const link = h("a", { href: URL.createObjectURL(new Blob([this.bytes])), download: this.key.replace(/[^\w.-]+/g, "_") || "value" });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  edit() {
    const text = editableTextOf(this.bytes);
    const cancel = h("button", { type: "button", onclick: () => this.draw() }, "Cancel");
    fill(this.element, editor({
      content: text ?? hexOf(this.bytes), kind: text === null ? "hex" : "text", extra: cancel,
      verbs: { "Save…": async (bytes, ttl) => {
        if (await replace(this.name, this.key, this.bytes, bytes, ttl)) this.reload();
      } },
    }));
    this.element.querySelector("textarea").focus();
  }

  async remove() {
    const gone = await confirm({
      title: "Delete this key?",
      body: [h("p", {}, "This permanently deletes from ", h("strong", {}, this.name), ":"), h("pre", { class: "named" }, this.key)],
      verb: "Delete",
      act: () => send("DELETE", namespacePath(this.name, "/value"), { query: { key: this.key } }),
    });
    if (gone) {
      notice("Deleted.");
      this.gone();
    }
  }
}

async function load(name, key) {
  return new Uint8Array(await (await send("GET", namespacePath(name, "/value"), { query: { key } })).arrayBuffer());
}

/** Asks before a value goes, and stores the one in its place; whether it was done. */
async function replace(name, key, before, bytes, ttl) {
  const done = await confirm({
    title: "Replace this value?",
    body: [
      h("p", {}, "In ", h("strong", {}, name), ":"), h("pre", { class: "named" }, key),
      h("p", {}, `${count(bytes.length)} bytes replace the current ${count(before.length)} bytes, and the key `,
        ttl ? `expires ${ttl} s from now.` : "never expires."),
    ],
    verb: "Replace",
    act: () => store(name, key, bytes, ttl),
  });
  if (done) notice("Saved.");
  return done;
}

function store(name, key, bytes, ttl) {
  return send("PUT", namespacePath(name, "/value"), { query: { key, ttl_seconds: ttl }, bytes });
}

/** A key that is not there yet. */
export function newValue({ name, prefix, made }) {
  const field = id("key");
  const key = h("input", { id: field, value: prefix, required: true, spellcheck: "false", autocomplete: "off" });
  setTimeout(() => key.focus());
  return [
    h("h2", {}, "New key"),
    h("div", { class: "field" }, h("label", { for: field }, "Key"), key, h("p", { class: "hint" }, "1 to 4,096 bytes. An existing key is replaced.")),
    editor({
      content: "", kind: "text",
      verbs: { Set: async (bytes, ttl) => {
        const there = await load(name, key.value).catch((error) => {
          if (isKind(error, "not-found")) return null;
          throw error;
        });
        if (there) {
          if (!await replace(name, key.value, there, bytes, ttl)) return;
        } else {
          await store(name, key.value, bytes, ttl);
          notice("Saved.");
        }
        made(key.value);
      } },
    }),
  ];
}

/** A form for a value and its time to live. `verbs` are its buttons; each is given the bytes and the seconds, if any. */
export function editor({ content, kind, verbs, extra = null, ttl = true }) {
  const [value, as, seconds] = [id("value"), id("as"), id("ttl")];
  const failed = h("div");
  const text = h("textarea", { id: value, rows: ttl ? 10 : 4, spellcheck: "false" }, content);
  const choice = h("select", { id: as }, ["text", "hex"].map((one) => h("option", { value: one, selected: one === kind }, one)));
  const life = h("input", { id: seconds, inputmode: "numeric", autocomplete: "off" });
  const act = async (verb) => {
    try {
      const bytes = choice.value === "hex" ? ofHex(text.value) : new TextEncoder().encode(text.value);
      fill(failed);
      await verbs[verb](bytes, life.value.trim() || undefined);
    } catch (error) {
      fill(failed, problem(error));
    }
  };
  const submit = (event) => {
    event.preventDefault();
    busy(event.currentTarget, () => act(event.submitter?.textContent ?? Object.keys(verbs)[0]));
  };
  return h("form", { class: "editor", onsubmit: submit },
    h("div", { class: "field" }, h("label", { for: value }, "Value"), text),
    h("div", { class: "row" },
      h("div", { class: "field" }, h("label", { for: as }, "Format"), choice),
      ttl ? h("div", { class: "field" }, h("label", { for: seconds }, "Time to live, seconds"), life) : null),
    ttl ? h("p", { class: "hint" }, "Saving replaces the value and its time to live; the current time to live cannot be read. If you leave it empty, the key never expires.") : null,
    failed, h("div", { class: "buttons" }, extra, Object.keys(verbs).map((verb) => h("button", { type: "submit", class: "primary" }, verb))));
}
