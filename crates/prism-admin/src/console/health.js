// The health of a namespace's backend, as a word with a colour.

import { h } from "./dom.js";

const WORDS = {
  serving: ["serving", "good"],
  down: ["unreachable", "bad"],
  refused: ["not served", "bad"],
  not_serving: ["not serving", "bad"],
  unreachable: ["unreachable", "bad"],
  ready: ["ready", "good"],
  idle: ["idle", "quiet"],
  not_asked: ["not queried", "quiet"],
  unknown: ["unknown", "quiet"],
};

/** The word; why, when pointed at. */
export function health(state, detail) {
  const [word, tone] = WORDS[state] ?? [state, "quiet"];
  return h("span", { class: `health ${tone}`, title: detail ?? null }, word);
}
