// The proxies: which revision each has in force, and why one was refused.

import { get } from "./api.js";
import { h, table } from "./dom.js";
import { count, hash, time, unknown } from "./format.js";

/** The page. */
export async function proxies({ title, signal }) {
  title("Proxies");
  const { file, in_sync: inSync, proxies: found } = await get("/config/status", { signal });
  return [
    h("div", { class: "title" }, h("h1", {}, "Proxies")),
    h("p", {}, "The file ", h("code", {}, file.path), file.exists ? [" is at ", hash(file.sha256), ` with ${file.namespaces === null ? "unreadable" : count(file.namespaces)} namespaces. `] : " is not there yet. ",
      inSync ? h("span", { class: "health good" }, "every proxy has it") : h("span", { class: "health bad" }, "not every proxy has it")),
    file.error ? h("p", { class: "warning" }, file.error) : null,
    table("Proxies", ["Proxy", "State", "Revision in force", "Since", ["Namespaces", "figure"], "Last attempt"], found.map(row)),
  ];
}

function row({ url, in_sync: inSync, error, status }) {
  const state = error ? h("span", { class: "health bad" }, "does not answer") : inSync ? h("span", { class: "health good" }, "in sync") : h("span", { class: "health bad" }, "out of sync");
  const attempt = status?.last_attempt;
  const restarts = status?.restart_required ?? [];
  return [
    h("code", {}, url),
    [state, error ? h("p", { class: "hint" }, error) : null,
      restarts.map((key) => h("p", { class: "hint" }, "A restart is needed for ", h("code", {}, key.field), `: ${key.at_start ?? "default"} at its start, ${key.in_file ?? "default"} in the file`)),
      (status?.problems ?? []).map((one) => h("p", { class: "hint" }, h("strong", {}, one.namespace), ": ", one.error))],
    error ? unknown("it does not answer") : status.revision ? hash(status.revision) : "built in",
    error ? unknown() : time(status.applied_at),
    error ? unknown() : count(status.namespaces),
    error ? unknown() : attempt ? [attempt.outcome, " ", time(attempt.at), attempt.error ? h("p", { class: "hint" }, attempt.error) : null] : h("span", { class: "quiet" }, "none since its start"),
  ];
}
