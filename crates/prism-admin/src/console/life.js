// How long a key lives: shown, counted down, and chosen.

import { get, namespacePath, send } from "./api.js";
import { confirm } from "./dialog.js";
import { h, id, notice } from "./dom.js";
import { span } from "./format.js";
import { TTL } from "./served.js";

/** How long a key has left in milliseconds; null: it does not expire; undefined: that is not known. */
export async function readLife(name, key, served) {
  if (!served.has(TTL)) return undefined;
  try {
    return (await get(namespacePath(name, "/ttl"), { query: { key } })).ttl_millis_left;
  } catch (error) {
    served.lacks(TTL, error);
    return undefined;
  }
}

/** What is left until a time, counted down; `over` once nothing is. */
export function countdown(until, before, over, ended = () => {}) {
  const element = h("span", { class: "countdown", title: new Date(until).toLocaleString() });
  let wasThere = false;
  const tick = () => {
    const left = until - Date.now();
    element.textContent = left > 0 ? `${before} ${span(left)}` : over;
    return left > 0;
  };
  tick();
  const timer = setInterval(() => {
    wasThere ||= element.isConnected;
    if (wasThere && !element.isConnected) clearInterval(timer);
    else if (!tick()) {
      clearInterval(timer);
      ended();
    }
  }, 1000);
  return element;
}

/** A line that says how long a key lives, and changes it. `left` as of now; `changed` is called afterwards. */
export function lifeLine({ name, key, left, mayWrite, changed }) {
  if (left === undefined) return h("p", { class: "life quiet" }, "This backend does not tell how long a key lives.");
  const shown = left === null ? "Never expires" : countdown(Date.now() + left, "Expires in", "Has expired");
  return h("p", { class: "life" }, shown, mayWrite
    ? h("button", { type: "button", class: "plain", onclick: () => change({ name, key, left, changed }) }, "Change time to live…") : null);
}

async function change({ name, key, left, changed }) {
  const path = namespacePath(name, "/ttl");
  const life = new LifeChoice({ choices: left === null ? ["set"] : ["set", "never"] });
  const done = await confirm({
    title: "Change the time to live?",
    body: [h("p", {}, "Of this key in ", h("strong", {}, name), "; its value stays:"), h("pre", { class: "named" }, key), life.element],
    verb: "Change", danger: false,
    act: () => {
      const query = { key, ...life.query() };
      return query.ttl_millis === undefined ? send("DELETE", path, { query }) : send("PUT", path, { query });
    },
  });
  if (done) {
    notice("Changed.");
    changed();
  }
}

/** A choice of how long a key shall live. `choices` of keep, set and never; `left` is what it has now. */
export class LifeChoice {
  constructor({ choices, left }) {
    const [choice, seconds] = [id("life"), id("seconds")];
    const texts = {
      keep: left ? `Keep: expires in ${span(left)}` : left === null ? "Keep: never expires" : "Keep what it has",
      set: "Expires after…",
      never: "Never expires",
    };
    this.choice = h("select", { id: choice, onchange: () => this.show() }, choices.map((one) => h("option", { value: one }, texts[one])));
    this.seconds = h("input", { id: seconds, inputmode: "decimal", autocomplete: "off" });
    this.after = h("div", { class: "field" }, h("label", { for: seconds }, "Seconds from now"), this.seconds);
    this.element = h("div", { class: "row" }, h("div", { class: "field" }, h("label", { for: choice }, "Time to live"), this.choice), this.after);
    this.show();
  }

  show() {
    this.after.hidden = this.choice.value !== "set";
  }

  /** What the API is asked for; throws what is wrong. */
  query() {
    if (this.choice.value === "keep") return { keep_ttl: true };
    if (this.choice.value === "never") return {};
    return { ttl_millis: millis(this.seconds.value) };
  }

  /** The same in words, as the end of a sentence about the key. */
  words() {
    if (this.choice.value === "keep") return "it keeps its time to live.";
    return this.choice.value === "never" ? "it never expires." : `it expires in ${span(millis(this.seconds.value))}.`;
  }
}

/** Milliseconds of a number of seconds as it is typed. */
export function millis(text) {
  const number = Math.round(Number(text.trim().replace(",", ".")) * 1000);
  if (!text.trim() || !(number >= 1)) {
    throw Object.assign(new Error(), { title: "This is no time", detail: "Expected a number of seconds, such as 90 or 0.5." });
  }
  return number;
}
