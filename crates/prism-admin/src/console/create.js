// A new namespace.

import { h, notice } from "./dom.js";
import { settingsForm } from "./settings.js";

/** The page. */
export async function create({ title, may }) {
  title("New namespace");
  const saved = (answer) => {
    notice(answer.applied ? `${answer.namespace.name} is served.` : `${answer.namespace.name} is saved; not every proxy has it yet.`);
    if (answer.applied) location.hash = `#/namespaces/${answer.namespace.name}`;
  };
  return [
    h("div", { class: "title" }, h("h1", {}, "New namespace")),
    may("write") ? settingsForm({ namespace: null, saved })
      : h("p", { class: "empty" }, "Only a token of the role write may create a namespace."),
  ];
}
