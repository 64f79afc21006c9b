// A form for a value.

import { ofHex } from "./bytes.js";
import { busy, fill, h, id, problem } from "./dom.js";

/** What comes of a choice, or nothing where there is none to make. */
const NOTHING = { element: null, query: () => ({}), words: () => "" };

/**
 * The form. `verbs` are its buttons; each is given the bytes, what `life` asks the API for, and the same in words. `below`
 * is shown above the buttons, `extra` among them. A refusal of a verb is shown where the form is.
 */
export function editor({ content, kind, verbs, extra = null, life = NOTHING, below = null, rows = 10 }) {
  const [value, as] = [id("value"), id("as")];
  const failed = h("div");
  const text = h("textarea", { id: value, rows, spellcheck: "false" }, content);
  const choice = h("select", { id: as }, ["text", "hex"].map((one) => h("option", { value: one, selected: one === kind }, one)));
  const act = async (verb) => {
    try {
      const bytes = choice.value === "hex" ? ofHex(text.value) : new TextEncoder().encode(text.value);
      const asked = life.query();
      fill(failed);
      await verbs[verb](bytes, asked, life.words());
    } catch (error) {
      fill(failed, problem(error));
    }
  };
  const submit = (event) => {
    event.preventDefault();
    busy(event.currentTarget, () => act(event.submitter?.textContent ?? Object.keys(verbs)[0]));
  };
  const names = Object.keys(verbs);
  return h("form", { class: "editor", onsubmit: submit },
    h("div", { class: "field" }, h("label", { for: value }, "Value"), text),
    h("div", { class: "row" }, h("div", { class: "field" }, h("label", { for: as }, "Format"), choice), life.element),
    below, failed,
    h("div", { class: "buttons" }, extra, names.map((verb) => h("button", { type: "submit", class: verb.startsWith("Remove") ? "danger" : "primary" }, verb))));
}
