// The audit log: who did what.

import { get } from "./api.js";
import { h, table } from "./dom.js";
import { hash, time } from "./format.js";

/** The page. */
export async function audit({ title, signal, query }) {
  title("Audit");
  const cursor = query.get("cursor") ?? "";
  const page = await get("/audit", { query: { limit: 100, cursor }, signal });
  const row = (entry) => [
    time(entry.at), entry.who,
    [entry.number ? h("a", { href: `#/revisions/${entry.number}` }, entry.action) : entry.action, entry.key === undefined ? null : h("code", { class: "audit-key" }, entry.key)],
    entry.sha256 ? hash(entry.sha256) : h("span", { class: "quiet" }, "unchanged"),
    entry.request_id ? h("code", { class: "quiet" }, entry.request_id) : h("span", { class: "quiet" }, "by hand"),
  ];
  return [
    h("div", { class: "title" }, h("h1", {}, "Audit")),
    page.unreadable ? h("p", { class: "warning" }, `${page.unreadable} lines of the log cannot be read and are skipped.`) : null,
    page.entries.length ? table("Audit log, newest first", ["When", "Who", "What", "File afterwards", "Request"], page.entries.map(row))
      : h("p", { class: "empty" }, "No changes through this admin yet."),
    h("nav", { class: "pages", "aria-label": "Pages of the log" },
      cursor ? h("a", { href: "#/audit" }, "Newest") : null,
      page.next_cursor ? h("a", { href: `#/audit?cursor=${page.next_cursor}` }, "Older") : null),
  ];
}
