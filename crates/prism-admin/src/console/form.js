// A form of settings, of a namespace or a backend; the API's own messages appear next to the invalid field.

import { isKind, send } from "./api.js";
import { diff, outcome } from "./diff.js";
import { busy, fill, h, problem } from "./dom.js";

/**
 * The form. `fields` are shown in their order; `body` is what is sent, by `method` to `path`, on the condition that what
 * is there has the etag `tag`; `saved` gets the answer of a write and the new etag. `probe` gets what would be sent, and
 * returns what to show of it.
 */
export function settingsForm({ fields, body, method, path, tag, saved, readOnly, probe }) {
  const isNew = method === "POST";
  const told = h("div", { class: "told" });
  const refused = (error) => {
    const errors = error.errors ?? [];
    for (const field of fields) field.tell(errors.filter((one) => field.belongs(one.pointer)));
    const rest = errors.filter((one) => !fields.some((field) => field.belongs(one.pointer)));
    const shown = errors.length && !rest.length
      ? { title: errors.length === 1 ? "One field is invalid" : `${errors.length} fields are invalid`, detail: "Nothing was changed." }
      : { ...error, detail: error.detail, errors: rest };
    fill(told, problem(shown), isKind(error, "precondition-failed")
      ? h("p", {}, "Somebody else changed it after you opened it. ", h("button", { type: "button", onclick: () => location.reload() }, "Reload")) : null);
    fields.find((field) => field.element.classList.contains("is-wrong"))?.input.focus();
  };
  const attempt = async (act) => {
    fields.forEach((field) => field.tell([]));
    try {
      await act();
    } catch (error) {
      refused(error);
    }
  };
  const write = (dryRun) => attempt(async () => {
    const headers = isNew ? {} : { "if-match": tag };
    const response = await send(method, path, { json: body(), query: { dry_run: dryRun || undefined }, headers });
    const answer = await response.json();
    if (dryRun) {
      fill(told, h("h3", {}, "Preview of the change"), diff(answer.diff), answer.warnings.map((warning) => h("p", { class: "warning" }, warning)));
    } else {
      fill(told, outcome(answer));
      saved(answer, response.headers.get("etag"));
    }
  });
  const look = () => attempt(async () => {
    fill(told, h("p", { class: "quiet" }, "Connecting…"));
    fill(told, await probe(body()));
  });
  const button = (name, act) => h("button", { type: "button", onclick: () => busy(form, act) }, name);
  const form = h("form", { class: "settings", novalidate: true, onsubmit: (event) => { event.preventDefault(); busy(form, () => write(false)); } },
    fields.map((field) => field.element), told,
    readOnly ? null : h("div", { class: "buttons" },
      probe ? button("Probe", look) : null,
      button("Preview changes", () => write(true)),
      h("button", { type: "submit", class: "primary" }, isNew ? "Create" : "Save")));
  if (readOnly) fields.forEach((field) => { field.input.disabled = true; });
  return form;
}
