// What is shown when somebody else was faster: both values, and what can be done.

import { readable } from "./bytes.js";
import { busy, fill, h, problem } from "./dom.js";
import { exactly } from "./format.js";

/**
 * Both values. `theirs` is null if there is none any more. `overwrite` stores mine in the place of what is shown here and of nothing
 * else, null if it cannot; `take` gives mine up; `further` goes on editing.
 */
export function conflict({ title, mine, theirs, overwrite, take, further }) {
  const both = theirs ? [mine, theirs] : [mine];
  const failed = h("div");
  const press = (element, act) => busy(element, async () => {
    try {
      await act();
    } catch (error) {
      fill(failed, problem(error));
    }
  });
  const button = (text, kind, act) => {
    const element = h("button", { type: "button", class: kind, onclick: () => press(element, act) }, text);
    return element;
  };
  const version = (name, bytes) => h("section", { "aria-label": name }, h("h4", {}, name),
    bytes ? [h("p", { class: "hint" }, exactly(bytes.length)), h("pre", { class: "value", tabindex: 0, role: "group", "aria-label": name }, readable(bytes, both))]
      : h("p", { class: "hint" }, "Nothing."));
  return h("section", { class: "conflict", role: "alert", "aria-label": title },
    h("h3", {}, title), h("p", {}, "Nothing was saved. Compare both, and decide."),
    h("div", { class: "versions" }, version("Stored now", theirs), version("Yours", mine)),
    failed,
    h("div", { class: "buttons" },
      button("Discard yours", null, take),
      button("Edit further", null, further),
      overwrite ? button(theirs ? "Overwrite with yours" : "Store yours again", "danger", overwrite) : null));
}
