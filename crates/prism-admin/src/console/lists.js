// The lists of a namespace, page by page, and the one that is open.

import { get, namespacePath } from "./api.js";
import { busy, fill, h, problem, show } from "./dom.js";
import { count, counted } from "./format.js";
import { oneList } from "./list.js";
import { LISTS, LIST_SCAN } from "./served.js";

const PAGE = 100;

/** The tab. */
export function lists(context, name) {
  const { query, signal, may, served, mayWrite } = context;
  if (!may("data")) {
    return h("p", { class: "empty" }, "Your token may read configuration and metrics. Lists require the role data or write.");
  }
  if (!served.has(LISTS)) return h("p", { class: "empty" }, "This namespace serves no lists.");
  const prefix = query.get("prefix") ?? "";
  let open = query.get("key") ?? "";
  const address = (parts) => `#/namespaces/${name}/lists?${new URLSearchParams(parts)}`;
  const list = h("div");
  const total = h("span", { class: "quiet", "aria-live": "polite" });
  const one = () => h("p", { class: "empty" }, "This backend cannot list its lists: open one by its name.");
  const box = h("input", { type: "search", value: open || prefix, "aria-label": "List or prefix", placeholder: "Name, or a prefix such as jobs:", spellcheck: "false", autocomplete: "off" });
  const submit = (event) => {
    event.preventDefault();
    const opens = event.submitter?.textContent === "Open" || !served.has(LIST_SCAN);
    if (!opens) location.hash = address({ prefix: box.value });
    else if (box.value) location.hash = address({ prefix, key: box.value });
  };
  const pane = h("div", { class: "browser-value" });
  const browser = h("div", { class: "browser" });
  const measured = (key, length) => {
    const link = [...names.querySelectorAll(".key")].find((one) => one.title === key);
    if (link) fill(link.querySelector(".figure"), count(length));
  };
  const select = (from, index) => {
    browser.classList.toggle("is-open", open !== "");
    for (const link of names.querySelectorAll(".key")) {
      if (link.title === open) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const key = open;
    const at = (parts) => address(Object.fromEntries(Object.entries({ prefix, key, ...parts }).filter(([, part]) => part !== null && part !== undefined)));
    fill(pane, open ? [h("p", { class: "back" }, h("a", { href: address({ prefix }) }, "← All lists")), oneList({ name, key, from, index, served, mayWrite, may, signal, at, measured: (length) => measured(key, length) })]
      : h("p", { class: "empty" }, "Select a list to see its values."));
  };
  // A list opens beside the others, which stay as far as they were loaded.
  const choose = (event, key) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    open = key;
    history.pushState(null, "", address({ prefix, key }));
    select(null, null);
  };
  const item = (found) => h("li", {}, h("a", { href: address({ prefix, key: found.key }), class: "key", title: found.key, "aria-current": found.key === open ? "true" : null, onclick: (event) => choose(event, found.key) },
    h("span", { class: "list-name" }, found.key), h("span", { class: "quiet figure" }, count(found.length))));
  const names = h("ul", { class: "keys lists" });
  const below = h("div", { class: "below" });
  const seen = new Set();
  const load = async (cursor) => {
    const page = await get(namespacePath(name, "/lists"), { query: { prefix, cursor, limit: PAGE }, signal });
    // Without order, later pages may repeat what earlier ones have shown.
    for (const found of page.lists.filter((one) => !seen.has(one.key))) {
      seen.add(found.key);
      names.append(item(found));
    }
    const more = h("button", { type: "button", onclick: () => busy(more, () => load(page.next_cursor).catch((error) => fill(below, problem(error)))) }, "Load more");
    fill(below, page.next_cursor ? more : null,
      page.truncated ? h("p", { class: "hint" }, "This backend cannot continue a scan. There are more lists: narrow them down with a longer prefix.") : null);
    return page;
  };
  if (served.has(LIST_SCAN)) {
    show(list, load(undefined).catch((error) => {
      if (!served.lacks(LIST_SCAN, error)) throw error;
      return null;
    }), (page) => (page === null ? one() : page.lists.length ? [h("p", { class: "columns quiet", "aria-hidden": "true" }, h("span", {}, "List"), h("span", {}, "Values")), names, below]
      : h("p", { class: "empty" }, prefix ? "No list has this prefix." : "There are no lists yet. Open one by its name and push a value to create it.")));
    get(namespacePath(name, "/lists/count"), { query: { prefix }, signal }).then((found) => fill(total, counted(found.count, "list"))).catch(() => {});
  } else fill(list, one());
  fill(browser,
    h("div", { class: "browser-list" },
      h("form", { role: "search", class: "prefix", onsubmit: submit }, box,
        served.has(LIST_SCAN) ? h("button", { type: "submit" }, "Show") : null, h("button", { type: "submit" }, "Open")),
      served.has(LIST_SCAN) ? h("nav", { class: "crumbs", "aria-label": "Lists" }, h("a", { href: address({}) }, "All lists"), prefix ? [" / ", h("span", {}, prefix)] : null, " ", total) : null,
      list),
    pane);
  select(query.get("from"), query.get("index"));
  return browser;
}
