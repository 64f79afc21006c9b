// A new namespace.

import { h, notice } from "./dom.js";
import { backendNames, namespaceForm } from "./settings.js";

/** The page. */
export async function create({ title, may, signal }) {
  title("New namespace");
  const saved = (answer) => {
    notice(answer.applied ? `Created ${answer.namespace.name}.` : `Saved ${answer.namespace.name}, but not every proxy has applied it yet.`);
    if (answer.applied) location.hash = `#/namespaces/${answer.namespace.name}`;
  };
  return [
    h("div", { class: "title" }, h("h1", {}, "New namespace")),
    may("write") ? namespaceForm({ namespace: null, backends: await backendNames(signal), saved })
      : h("p", { class: "empty" }, "Creating a namespace requires a token with the role write."),
  ];
}
