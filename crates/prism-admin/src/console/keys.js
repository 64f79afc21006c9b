// The keys of a namespace, in folders, page by page.

import { get, namespacePath } from "./api.js";
import { fill, h, problem, show } from "./dom.js";
import { count } from "./format.js";
import { newValue, openValue } from "./value.js";

const PAGE = 100;

/** The tab. */
export function keys({ query, signal, may }, name) {
  if (!may("data")) {
    return h("p", { class: "empty" }, "Your token may read configuration and figures. Keys and values need one of the role data or write.");
  }
  const [prefix, open, isNew] = [query.get("prefix") ?? "", query.get("key"), query.has("new")];
  const address = (parts) => `#/namespaces/${name}/keys?${new URLSearchParams(parts)}`;
  const found = h("ul", { class: "keys" });
  const below = h("div", { class: "below" });
  const total = h("span", { class: "quiet", "aria-live": "polite" });
  const item = (key, isFolder) => {
    const label = key.slice(prefix.length);
    const target = isFolder ? { prefix: key } : { prefix, key };
    return h("li", {}, h("a", { href: address(target), class: isFolder ? "folder" : "key", "aria-current": key === open ? "true" : null, title: key }, label || "(empty)"));
  };
  const load = async (cursor) => {
    const page = await get(namespacePath(name, "/keys"), { query: { prefix, delimiter: ":", cursor, limit: PAGE }, signal });
    found.append(...page.folders.map((folder) => item(folder, true)), ...page.keys.map((key) => item(key, false)));
    const more = h("button", { type: "button", onclick: async () => {
      more.disabled = true;
      try {
        await load(page.next_cursor);
      } catch (error) {
        fill(below, problem(error));
      }
    } }, "Load more");
    fill(below,
      page.next_cursor ? more : null,
      page.truncated ? h("p", { class: "hint" }, "This backend is not ordered, so only a first page can be shown; there is more. A longer prefix narrows it down.")
        : page.ordered ? null : h("p", { class: "hint" }, "This backend is not ordered: only a first page can ever be shown."));
    return page;
  };
  const list = h("div");
  show(list, load(undefined), (page) => (page.keys.length + page.folders.length
    ? [found, below] : h("p", { class: "empty" }, prefix ? "No key begins with this." : "There is no key yet.")));
  get(namespacePath(name, "/count"), { query: { prefix }, signal })
    .then(({ count: number }) => fill(total, number === 1 ? "1 key" : `${count(number)} keys`)).catch(() => {});
  const box = h("input", { type: "search", value: prefix, "aria-label": "Prefix", placeholder: "Prefix, such as user:", spellcheck: "false", autocomplete: "off" });
  const back = open !== null || isNew ? h("p", { class: "back" }, h("a", { href: address({ prefix }) }, "← All keys")) : null;
  const value = open !== null ? openValue({ name, key: open, may, gone: () => { location.hash = address({ prefix }); } })
    : isNew ? newValue({ name, prefix, made: (key) => { location.hash = address({ prefix, key }); } })
      : h("p", { class: "empty" }, "Choose a key to see its value.");
  return h("div", { class: open !== null || isNew ? "browser is-open" : "browser" },
    h("div", { class: "browser-list" },
      h("form", { role: "search", class: "prefix", onsubmit: (event) => { event.preventDefault(); location.hash = address({ prefix: box.value }); } },
        box, h("button", { type: "submit" }, "Show"),
        may("write") ? h("a", { class: "button", href: address({ prefix, new: "" }) }, "New key") : null),
      crumbs(prefix, address, total), list),
    h("div", { class: "browser-value" }, back, value));
}

/** The folders above a prefix. */
function crumbs(prefix, address, total) {
  const parts = prefix.split(":").slice(0, -1);
  const links = parts.map((part, at) => {
    const upTo = `${parts.slice(0, at + 1).join(":")}:`;
    return [" / ", h("a", { href: address({ prefix: upTo }) }, part || "(empty)")];
  });
  return h("nav", { class: "crumbs", "aria-label": "Folders" }, h("a", { href: address({ prefix: "" }) }, "All keys"), links, " ", total);
}
