// All namespaces: their backends, health and metrics.

import { get } from "./api.js";
import { Chart, sparkline } from "./chart.js";
import { fill, h, show, table } from "./dom.js";
import { bytes, count, duration, percent, plugin, rate, unknown } from "./format.js";
import { health } from "./health.js";
import { POINTS, follow } from "./live.js";

const PAGE = 50;

const COLUMNS = ["Namespace", "Backend", "Health", ["Requests/s", "figure"], ["Errors", "figure"], ["p50", "figure"], ["p99", "figure"], ["Keys", "figure"], ["Lists", "figure"], ["Backend memory", "figure"], ["15 minutes", "spark"]];

/** The page. */
export async function overview({ query, signal, may, title }) {
  title("Namespaces");
  const [q, cursor] = [query.get("q") ?? "", query.get("cursor") ?? ""];
  const charts = totals();
  const proxies = h("p", { class: "proxies" });
  const list = h("div");
  const open = h("div");
  show(open, get("/config/status", { signal }), openToOthers);
  const search = h("input", { type: "search", id: "search", value: q, placeholder: "Name or backend", "aria-label": "Search namespaces" });
  const find = (event) => {
    event.preventDefault();
    location.hash = search.value ? `#/?q=${encodeURIComponent(search.value)}` : "#/";
  };
  show(list, get("/namespaces", { query: { limit: PAGE, q, cursor }, signal }), (page) => {
    const rows = page.namespaces.map((namespace) => new Row(namespace));
    follow(rows.map((row) => row.name), signal, ({ series, sample }) => {
      charts.draw(series.total, sample);
      fill(proxies, answering(sample));
      for (const row of rows) row.draw(series.namespaces[row.name], sample?.namespaces[row.name] ?? null);
    });
    return listed(page, rows, { q, cursor });
  });
  return [
    h("div", { class: "title" }, h("h1", {}, "Namespaces"),
      h("form", { role: "search", onsubmit: find }, search, h("button", { type: "submit" }, "Search")),
      may("write") ? h("a", { class: "button primary", href: "#/new" }, "New namespace") : null),
    open,
    h("section", { "aria-label": "Totals" }, charts.element, proxies),
    list,
  ];
}

function listed(page, rows, { q, cursor }) {
  if (!rows.length) {
    return h("p", { class: "empty" }, q ? `No namespace matches “${q}” by name or backend.` : "There are no namespaces yet.");
  }
  const link = (at) => `#/?${new URLSearchParams({ ...(q ? { q } : {}), ...(at ? { cursor: at } : {}) })}`;
  return [
    page.built_in ? h("p", { class: "hint" }, "There is no configuration file yet; this is what proxies serve without one. The first change creates it.") : null,
    table("Namespaces", COLUMNS, rows.map((row) => row.cells)),
    h("nav", { class: "pages", "aria-label": "Pages of namespaces" },
      h("span", { class: "quiet" }, page.total === 1 ? "1 namespace" : `${count(page.total)} namespaces`),
      cursor ? h("a", { href: link("") }, "First page") : null,
      page.next_cursor ? h("a", { href: link(page.next_cursor) }, "Next page") : null),
  ];
}

/** What other machines can reach without TLS or without credentials. */
function openToOthers({ open_to_others: ofAdmin, proxies }) {
  const reached = [["the admin", ofAdmin], ...proxies.map((proxy) => [proxy.url, proxy.status?.open_to_others ?? []])];
  return reached.filter(([, open]) => open.length).map(([server, open]) =>
    h("p", { class: "warning" }, `Other machines can reach ${open.join(" and ")} (${server}). `,
      "Add TLS and credentials, or listen on 127.0.0.1; with --require-secure the server does not start like this."));
}

function answering(sample) {
  if (!sample) return h("span", { class: "health bad" }, "The admin does not respond: live metrics are unavailable.");
  const silent = sample.proxies.filter((proxy) => proxy.error);
  if (!silent.length) return null;
  return [
    h("span", { class: "health bad" }, `${silent.length} of ${sample.proxies.length} proxies do not answer`),
    silent.map((proxy) => h("span", { class: "quiet" }, ` ${proxy.url}: ${proxy.error}`)),
  ];
}

/** The charts of all namespaces together, or of one. */
export function totals() {
  const requests = new Chart("Requests/s", rate, POINTS);
  const errors = new Chart("Errors/s", rate, POINTS);
  const latency = new Chart("Latency", duration, POINTS);
  const draw = (series, sample) => {
    const now = (values) => (sample ? values : [...values.slice(1), null]);
    requests.draw([{ name: "requests", values: now(series.requests_per_second), tone: "one" }]);
    errors.draw([{ name: "errors", values: now(series.errors_per_second), tone: "bad" }]);
    latency.draw([{ name: "p50", values: now(series.p50_seconds), tone: "one" }, { name: "p99", values: now(series.p99_seconds), tone: "two" }]);
  };
  const none = { requests_per_second: [], errors_per_second: [], p50_seconds: [], p99_seconds: [] };
  draw(none, {});
  return { element: h("div", { class: "charts" }, requests.element, errors.element, latency.element), draw };
}

/** A figure of a sample, or that it is unknown. */
export function figure(value, format, why = "unknown") {
  return value === null || value === undefined ? unknown(why) : format(value);
}

/** The share of errors. */
export function errorShare(state) {
  if (!state || state.requests_per_second === null) return null;
  return state.requests_per_second > 0 ? state.errors_per_second / state.requests_per_second : 0;
}

/** A namespace of the table, whose cells are drawn anew with each sample. */
class Row {
  constructor(namespace) {
    this.name = namespace.name;
    this.live = Array.from({ length: 9 }, () => h("span", {}, unknown("waiting for data")));
    const [state, ...figures] = this.live;
    this.cells = [
      [h("a", { href: `#/namespaces/${this.name}` }, this.name), h("span", { class: "tag" }, namespace.pattern),
        namespace.read_only ? h("span", { class: "tag" }, "read-only") : null],
      plugin(namespace.plugin), state, ...figures,
    ];
  }

  draw(series, state) {
    const silent = state ? "no proxy answered" : "the admin does not respond";
    const share = errorShare(state);
    const shown = [
      state ? health(state.health, state.health_detail) : unknown(silent),
      figure(state?.requests_per_second, rate, silent),
      share === null ? unknown(silent) : h("span", { class: share > 0 ? "bad-text" : null }, percent(share)),
      figure(state?.p50_seconds, duration, state?.requests_per_second === 0 ? "no calls" : silent),
      figure(state?.p99_seconds, duration, state?.requests_per_second === 0 ? "no calls" : silent),
      figure(state?.keys, count, "the backend does not report it"),
      figure(state?.lists, count, "the backend does not report it"),
      figure(state?.backend_bytes, bytes, "the backend does not report it"),
      sparkline(series.requests_per_second, POINTS, `requests per second of ${this.name} over the last 15 minutes`),
    ];
    this.live.forEach((cell, at) => fill(cell, shown[at]));
  }
}
