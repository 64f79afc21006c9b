// A difference in the unified format, line by line; and what a write did.

import { h } from "./dom.js";

/** The difference. */
export function diff(text) {
  if (!text.trim()) return h("p", { class: "quiet" }, "No differences.");
  const tone = (line) => (line.startsWith("@@") || line.startsWith("---") || line.startsWith("+++") ? "where" : { "+": "added", "-": "removed" }[line[0]] ?? null);
  return h("pre", { class: "diff", role: "group", tabindex: 0, "aria-label": "Difference" },
    text.replace(/\n$/, "").split("\n").map((line) => h("span", { class: tone(line) }, `${line}\n`)));
}

/** What a write did, and whether every proxy has it. */
export function outcome(answer) {
  const lacking = answer.proxies.filter((proxy) => !proxy.applied);
  const said = !answer.changed ? "No change was necessary."
    : answer.applied ? `Saved as revision ${answer.revision} and applied by every proxy.`
      : `Saved as revision ${answer.revision}, but not applied by every proxy.`;
  return h("div", { class: answer.applied || !answer.changed ? "done" : "warning", role: "status" },
    h("p", {}, said),
    lacking.length || answer.warnings.length
      ? h("ul", {}, lacking.map((proxy) => h("li", {}, h("code", {}, proxy.url), `: ${proxy.error}`)), answer.warnings.map((warning) => h("li", {}, warning)))
      : null);
}
