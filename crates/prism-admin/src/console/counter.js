// A value that is a number: what is added to it, without being read first.

import { namespacePath, send } from "./api.js";
import { looseText } from "./bytes.js";
import { busy, fill, h, id, problem } from "./dom.js";
import { COUNTER } from "./served.js";

/** The longest number of 64 bits has 19 digits and a sign. */
const NUMBER_BYTES_MAX = 20;

/** Whether a value is a counter: decimal text of 64 bits, written as the gateway writes it. */
export function isCounter(bytes) {
  if (!bytes.length || bytes.length > NUMBER_BYTES_MAX) return false;
  const text = looseText(bytes);
  return /^(0|-?[1-9]\d*)$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
}

/** The buttons. `step` remembers what was typed; `changed` is called after a change, and `refused` when the interface is lacking. */
export function counter({ name, key, served, step, changed, refused }) {
  const field = id("step");
  const amount = h("input", { id: field, value: step.typed, inputmode: "numeric", autocomplete: "off", oninput: () => { step.typed = amount.value; } });
  const failed = h("div");
  const add = async (sign) => {
    const typed = amount.value.trim();
    try {
      if (!/^\d{1,19}$/.test(typed)) throw Object.assign(new Error(), { title: "This is no whole number", detail: "Expected digits only, such as 1 or 100." });
      await send("POST", namespacePath(name, "/increment"), { query: { key, delta: `${sign}${typed}` } });
      fill(failed);
      changed();
    } catch (error) {
      if (served.lacks(COUNTER, error)) refused();
      else fill(failed, problem(error));
    }
  };
  const button = (text, called, sign) => h("button", { type: "button", "aria-label": called, title: called, onclick: () => busy(row, () => add(sign)) }, text);
  const row = h("div", { class: "counter", role: "group", "aria-label": "Counter" },
    h("label", { for: field }, "Counter: change by"), amount, button("−", "Subtract", "-"), button("+", "Add", ""));
  return h("div", {}, row, failed);
}
