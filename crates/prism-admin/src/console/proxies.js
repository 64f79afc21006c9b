// The proxies: the revision that each has in force, and why it refused another.

import { get } from "./api.js";
import { h, table } from "./dom.js";
import { count, hash, time, unknown } from "./format.js";

/** The page. */
export async function proxies({ title, signal }) {
  title("Proxies");
  const { file, in_sync: inSync, proxies: found } = await get("/config/status", { signal });
  return [
    h("div", { class: "title" }, h("h1", {}, "Proxies")),
    h("p", {}, "The file ", h("code", {}, file.path), file.exists ? [" is at ", hash(file.sha256), file.namespaces === null ? "; its namespaces cannot be read. " : ` with ${file.namespaces === 1 ? "1 namespace" : `${count(file.namespaces)} namespaces`}. `] : " does not exist yet. ",
      inSync ? h("span", { class: "health good" }, "applied by every proxy") : h("span", { class: "health bad" }, "not applied by every proxy")),
    file.error ? h("p", { class: "warning" }, file.error) : null,
    table("Proxies", ["Proxy", "State", "Revision in force", "Since", ["Namespaces", "figure"], "Last reload"], found.map(row)),
  ];
}

function row({ url, in_sync: inSync, error, status }) {
  const state = error ? h("span", { class: "health bad" }, "does not answer") : inSync ? h("span", { class: "health good" }, "in sync") : h("span", { class: "health bad" }, "out of sync");
  const attempt = status?.last_attempt;
  const restarts = status?.restart_required ?? [];
  return [
    h("code", {}, url),
    [state, error ? h("p", { class: "hint" }, error) : null,
      restarts.map((key) => h("p", { class: "hint" }, "Restart the proxy to apply ", h("code", {}, key.field), `: it runs with ${key.at_start ?? "the default"}, the file has ${key.in_file ?? "the default"}`)),
      (status?.problems ?? []).map((one) => h("p", { class: "hint" }, h("strong", {}, one.namespace), ": ", one.error))],
    error ? unknown("the proxy does not answer") : status.revision ? hash(status.revision) : "built-in",
    error ? unknown() : time(status.applied_at),
    error ? unknown() : count(status.namespaces),
    error ? unknown() : attempt ? [attempt.outcome, " ", time(attempt.at), attempt.error ? h("p", { class: "hint" }, attempt.error) : null] : h("span", { class: "quiet" }, "none since startup"),
  ];
}
