// The history of the configuration: who changed what, and how to roll back.

import { get, send } from "./api.js";
import { confirm } from "./dialog.js";
import { diff, outcome } from "./diff.js";
import { busy, fill, h, id, notice, problem, show, table } from "./dom.js";
import { bytes, hash, time } from "./format.js";

/** The page of all. */
export async function revisions({ title, signal }) {
  title("Revisions");
  const { revisions: found } = await get("/config/revisions", { signal });
  const row = (revision, at) => [
    h("a", { href: `#/revisions/${revision.number}` }, `Revision ${revision.number}`), at === 0 ? h("span", { class: "tag" }, "newest") : null,
  ];
  return [
    h("div", { class: "title" }, h("h1", {}, "Revisions")),
    found.length ? table("Revisions", ["Revision", "When", "Who", "What", ["Size", "figure"], "SHA-256"],
      found.map((revision, at) => [row(revision, at), time(revision.at), revision.who, revision.action, bytes(revision.bytes), hash(revision.sha256)]))
      : h("p", { class: "empty" }, "There are no revisions yet; the first change through the admin creates one."),
    found.length ? h("p", { class: "hint" }, "The last 100 revisions are kept. The audit log keeps an entry for every revision.") : null,
  ];
}

/** The page of one. */
export async function revision(context) {
  const { parts: [number], title, signal, query, may } = context;
  title(`Revision ${number}`);
  const [{ revisions: found }, { file }] = await Promise.all([get("/config/revisions", { signal }), get("/config/status", { signal })]);
  const one = found.find((revision) => String(revision.number) === number);
  if (!one) throw Object.assign(new Error(), { title: "This revision is no longer kept", detail: "Only the last 100 revisions are." });
  const from = query.get("from") ?? "";
  const place = h("div");
  const text = send("GET", `/config/revisions/${number}/diff`, { query: { from }, signal }).then((response) => response.text());
  show(place, text, diff);
  const field = id("from");
  const compare = h("select", { id: field, onchange: (event) => {
    location.hash = event.target.value ? `#/revisions/${number}?from=${event.target.value}` : `#/revisions/${number}`;
  } }, h("option", { value: "" }, "the previous revision"), found.filter((other) => other !== one)
    .map((other) => h("option", { value: other.number, selected: String(other.number) === from }, `revision ${other.number}: ${other.action}`)));
  const told = h("div");
  // The newest one is a way back, too, if the file was deleted or broken since.
  const isInForce = file.exists && file.sha256 === one.sha256;
  return [
    h("nav", { class: "crumbs", "aria-label": "Breadcrumb" }, h("a", { href: "#/revisions" }, "Revisions"), " / ",
      h("span", { "aria-current": "page" }, number)),
    h("div", { class: "title" }, h("h1", {}, `Revision ${number}`),
      may("write") && !isInForce ? h("button", { type: "button", class: "danger", onclick: (event) => busy(event.currentTarget, () => rollBack(number, told)) }, "Roll back to this…") : null),
    h("p", {}, one.action, h("span", { class: "quiet" }, " by "), one.who, ", ", time(one.at)), told,
    h("div", { class: "row" }, h("div", { class: "field" }, h("label", { for: field }, "Compare with"), compare)),
    place,
    h("details", {}, h("summary", {}, "Entire file"), whole(number, signal)),
  ];
}

function whole(number, signal) {
  const place = h("div");
  const text = send("GET", `/config/revisions/${number}`, { signal }).then((response) => response.text());
  show(place, text, (file) => h("pre", { class: "value", tabindex: 0 }, file));
  return place;
}

async function rollBack(number, told) {
  const path = `/config/rollback/${number}`;
  try {
    const tag = (await send("HEAD", "/config")).headers.get("etag");
    const dry = await (await send("POST", path, { query: { dry_run: true } })).json();
    let answer;
    const done = await confirm({
      title: `Roll back to revision ${number}?`,
      body: [h("p", {}, "This restores the configuration of that revision, as a new revision. Changes:"), diff(dry.diff)],
      verb: "Roll back",
      act: async () => { answer = await (await send("POST", path, { headers: { "if-match": tag } })).json(); },
    });
    if (!done) return;
    notice("Rolled back.");
    fill(told, outcome(answer));
  } catch (error) {
    fill(told, problem(error));
  }
}
