// The keys of a namespace, in folders, page by page.

import { get, namespacePath } from "./api.js";
import { busy, fill, h, problem, show } from "./dom.js";
import { counted } from "./format.js";
import { deletePrefix } from "./prefix.js";
import { KEYS, SCAN } from "./served.js";
import { newValue, openValue } from "./value.js";

const PAGE = 100;

/** The tab. */
export function keys({ query, signal, may, served, mayWrite }, name) {
  if (!may("data")) {
    return h("p", { class: "empty" }, "Your token may read configuration and metrics. Keys and values require the role data or write.");
  }
  if (!served.has(KEYS)) return h("p", { class: "empty" }, "This namespace serves no keys and values.");
  const [prefix, isNew, scans] = [query.get("prefix") ?? "", query.has("new"), served.has(SCAN)];
  const address = (parts) => `#/namespaces/${name}/keys?${new URLSearchParams(parts)}`;
  if (query.has("delete") && prefix && mayWrite && scans) return deletePrefix({ name, prefix, signal, back: address({ prefix }) });
  const found = h("ul", { class: "keys" });
  const below = h("div", { class: "below" });
  const total = h("span", { class: "quiet", "aria-live": "polite" });
  const pane = h("div", { class: "browser-value" });
  const browser = h("div", { class: "browser" });
  const back = () => h("p", { class: "back" }, h("a", { href: address({ prefix }) }, "← All keys"));
  let open = query.get("key");
  const select = () => {
    browser.classList.toggle("is-open", open !== null || isNew);
    for (const link of found.querySelectorAll(".key")) {
      if (link.title === open) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    fill(pane, open !== null ? [back(), openValue({ name, key: open, served, mayWrite, gone: () => { location.hash = address({ prefix }); } })]
      : isNew ? [back(), newValue({ name, prefix, served, made: (key) => { location.hash = address({ prefix, key }); } })]
        : h("p", { class: "empty" }, "Select a key to see its value."));
  };
  // A key opens beside the list, which stays as far as it was loaded.
  const choose = (event, key) => {
    if (isNew || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    open = key;
    history.pushState(null, "", address({ prefix, key }));
    select();
  };
  const item = (key, isFolder) => {
    const label = key.slice(prefix.length) || "(empty)";
    const link = isFolder ? h("a", { href: address({ prefix: key }), class: "folder", title: key }, label)
      : h("a", { href: address({ prefix, key }), class: "key", title: key, "aria-current": key === open ? "true" : null, onclick: (event) => choose(event, key) }, label);
    return h("li", {}, link);
  };
  // Without order, later pages may repeat what earlier ones have shown.
  const seen = new Set();
  const isUnseen = (kind) => (key) => {
    const before = seen.size;
    return seen.add(`${kind} ${key}`).size > before;
  };
  const load = async (cursor) => {
    const page = await get(namespacePath(name, "/keys"), { query: { prefix, delimiter: ":", cursor, limit: PAGE }, signal });
    found.append(...page.folders.filter(isUnseen("folder")).map((folder) => item(folder, true)), ...page.keys.filter(isUnseen("key")).map((key) => item(key, false)));
    const more = h("button", { type: "button", onclick: () => busy(more, async () => {
      try {
        await load(page.next_cursor);
      } catch (error) {
        fill(below, problem(error));
      }
    }) }, "Load more");
    fill(below,
      page.next_cursor ? more : null,
      page.truncated ? h("p", { class: "hint" }, "This backend can neither scan in order nor continue a scan, so only the first page can be shown. There are more keys: narrow them down with a longer prefix.")
        : page.ordered ? null : h("p", { class: "hint" }, "This backend is not ordered: each page is sorted by itself."));
    return page;
  };
  const list = h("div");
  if (scans) show(list, load(undefined), (page) => (page.keys.length + page.folders.length
    ? [found, below] : h("p", { class: "empty" }, prefix ? "No key has this prefix." : "There are no keys yet.")));
  else fill(list, h("p", { class: "empty" }, "This backend cannot list its keys: open one by its name."));
  if (scans) {
    get(namespacePath(name, "/count"), { query: { prefix }, signal })
      .then(({ count: number }) => fill(total, counted(number, "key"))).catch(() => {});
  }
  const called = scans ? "Prefix" : "Key";
  const box = h("input", { type: "search", value: scans ? prefix : open ?? "", "aria-label": called, placeholder: `${called}, such as user:${scans ? "" : "1"}`, spellcheck: "false", autocomplete: "off" });
  const find = (event) => {
    event.preventDefault();
    location.hash = address(scans ? { prefix: box.value } : { key: box.value });
  };
  fill(browser,
    h("div", { class: "browser-list" },
      h("form", { role: "search", class: "prefix", onsubmit: find }, box, h("button", { type: "submit" }, scans ? "Show" : "Open"),
        mayWrite ? h("a", { class: "button", href: address({ prefix, new: "" }) }, "New key") : null),
      scans ? crumbs(prefix, address, total) : null, list,
      scans && prefix && mayWrite ? h("p", {}, h("a", { href: address({ prefix, delete: "" }), class: "danger-link" }, "Delete all keys with this prefix…")) : null),
    pane);
  select();
  return browser;
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
