// A list by its name: how long it is, and its ends.

import { get, namespacePath, send } from "./api.js";
import { hexDump, looseText, textOf } from "./bytes.js";
import { confirm } from "./dialog.js";
import { fill, h, id, notice, problem, show } from "./dom.js";
import { count } from "./format.js";
import { editor } from "./value.js";

/** The tab. */
export function lists({ query, may }, name) {
  if (!may("data")) {
    return h("p", { class: "empty" }, "Your token may read configuration and metrics. Lists require the role data or write.");
  }
  const key = query.get("key") ?? "";
  const field = id("list");
  const box = h("input", { id: field, value: key, spellcheck: "false", autocomplete: "off" });
  const open = (event) => {
    event.preventDefault();
    location.hash = `#/namespaces/${name}/lists?${new URLSearchParams({ key: box.value })}`;
  };
  return [
    h("form", { class: "prefix", onsubmit: open }, h("label", { for: field }, "List"), box, h("button", { type: "submit" }, "Open")),
    h("p", { class: "hint" }, "Enter the name of a list: no interface can enumerate lists yet, or read the values between their ends."),
    key ? oneList(name, key, may) : null,
  ];
}

function oneList(name, key, may) {
  const path = namespacePath(name, "/list");
  const length = h("p", { class: "length", "aria-live": "polite" });
  const popped = h("div", { "aria-live": "polite" });
  const words = ({ length: number }) => (number === 0 ? "The list is empty, which is the same as missing." : number === 1 ? "1 value" : `${count(number)} values`);
  const look = () => show(length, get(path, { query: { key } }), words);
  look();
  const push = (end) => async (bytes) => {
    fill(length, words(await (await send("POST", path, { query: { key, end }, bytes })).json()));
    notice(`Pushed ${end}.`);
  };
  const pop = async (end) => {
    let response;
    const done = await confirm({
      title: `Pop from the ${end} of this list?`,
      body: [h("p", {}, `This removes the ${end === "left" ? "first" : "last"} value of a list in `, h("strong", {}, name), " and shows it once:"), h("pre", { class: "named" }, key)],
      verb: `Pop ${end}`,
      act: async () => { response = await send("POST", `${path}/pop`, { query: { key, end } }); },
    });
    if (!done) return;
    look();
    if (response.status === 204) {
      fill(popped, h("p", { class: "empty" }, "The list was empty."));
      return;
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    fill(popped, h("h3", {}, `Popped ${end}, ${count(bytes.length)} bytes`), h("pre", { class: "value", tabindex: 0 }, textOf(bytes) === null ? hexDump(bytes) : looseText(bytes)));
  };
  const button = (end) => h("button", { type: "button", class: "danger", onclick: () => pop(end).catch((error) => fill(popped, problem(error))) }, `Pop ${end}…`);
  return h("div", { class: "list" },
    h("h2", { class: "key-name" }, key), length,
    may("write") ? [
      h("div", { class: "buttons start" }, button("left"), button("right")), popped,
      editor({ content: "", kind: "text", ttl: false, verbs: { "Push left": push("left"), "Push right": push("right") } }),
    ] : h("p", { class: "hint" }, "Pushing and popping require a token with the role write."));
}
