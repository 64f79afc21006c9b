// The backends: what each reports itself, and what the proxies report of it.

import { get } from "./api.js";
import { h, show, table } from "./dom.js";
import { count, counted, duration, unknown } from "./format.js";
import { health } from "./health.js";

const PAGE = 50;
const NAMED = 5;

/** The page. */
export async function backends({ title, signal, query, may }) {
  title("Backends");
  const cursor = query.get("cursor") ?? "";
  const place = h("div", {}, h("p", { class: "quiet" }, "Querying the backends…"));
  show(place, get("/backends", { query: { limit: PAGE, cursor }, signal }), (page) => (page.backends.length ? [
    table("Backends", ["Backend", "Health", ["Response time", "figure"], "In memory", "Interfaces", "Namespaces", "Seen by proxies"], page.backends.map(row)),
    h("nav", { class: "pages", "aria-label": "Pages of backends" }, h("span", { class: "quiet" }, page.total === 1 ? "1 backend" : `${count(page.total)} backends`),
      cursor ? h("a", { href: "#/backends" }, "First page") : null,
      page.next_cursor ? h("a", { href: `#/backends?cursor=${encodeURIComponent(page.next_cursor)}` }, "Next page") : null),
  ] : h("p", { class: "empty" }, "There are no backends yet.")));
  return [
    h("div", { class: "title" }, h("h1", {}, "Backends"),
      may("write") ? h("a", { class: "button primary", href: "#/new-backend" }, "New backend") : null),
    place,
  ];
}

function row(backend) {
  const more = backend.namespaces.length - NAMED;
  const short = (name) => name.replace(/^prism\.interfaces\./, "");
  return [
    backend.name === null ? h("code", {}, backend.endpoint)
      : [h("a", { href: `#/backends/${backend.name}` }, backend.name), h("p", { class: "hint" }, h("code", {}, backend.endpoint))],
    [health(backend.health, backend.error), backend.error ? h("p", { class: "hint" }, backend.error) : null],
    backend.latency_ms === null ? unknown("not measured") : duration(backend.latency_ms / 1000),
    backend.would_lose === null ? unknown("it keeps its data elsewhere, or no proxy says") : held(backend.would_lose),
    backend.interfaces === null ? unknown("no reflection, or not queried")
      : h("ul", { class: "plain" }, backend.interfaces.map((name) => h("li", { title: name }, short(name)))),
    h("ul", { class: "plain" }, backend.namespaces.slice(0, NAMED).map((name) => h("li", {}, h("a", { href: `#/namespaces/${name}` }, name))),
      more > 0 ? h("li", {}, h("a", { href: `#/?q=${encodeURIComponent(backend.name ?? backend.endpoint)}` }, `and ${count(more)} more`)) : null),
    backend.proxies.length ? h("ul", { class: "plain" }, backend.proxies.map((proxy) => h("li", {}, health(proxy.state, proxy.error), " ", h("span", { class: "quiet" }, proxy.url))))
      : unknown("not reported by any proxy"),
  ];
}

function held({ keys, lists }) {
  return h("ul", { class: "plain" }, h("li", {}, counted(keys, "key")), h("li", {}, counted(lists, "list")));
}
