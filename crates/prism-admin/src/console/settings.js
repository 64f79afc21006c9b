// The settings of a namespace as a form; the API's own messages appear next to the invalid field.

import { isKind, namespacePath, send } from "./api.js";
import { diff, outcome } from "./diff.js";
import { busy, fill, h, id, problem } from "./dom.js";

/** Every setting: where it is in the API, what it is, and its default and range, as CONFIGURATION.md has them. */
const SETTINGS = [
  { pointer: "/name", label: "Name", hint: "1 to 64 of a-z, 0-9 and -, starting with a letter.", required: true },
  { pointer: "/pattern", label: "Pattern", hint: "The interface that the backend must at least offer.", choices: ["keyvalue", "list"], required: true },
  { pointer: "/plugin/endpoint", label: "Backend endpoint", hint: "host:port, http://host:port, unix:PATH or embedded:NAME.", required: true },
  { pointer: "/timeout", label: "Timeout", hint: "For unary calls without a deadline, 1ms to 1h. Default: 30s." },
  { pointer: "/max_message_bytes", label: "Maximum message size, bytes", hint: "1,024 to 4,194,304. Default: 4194304 (4 MiB).", number: true },
  { pointer: "/max_in_flight", label: "Calls in flight", hint: "Maximum per proxy. Default: no limit.", number: true },
  { pointer: "/requests_per_second", label: "Calls per second", hint: "Maximum rate per proxy. Default: no limit.", number: true },
  { pointer: "/interfaces", label: "Interfaces", hint: "Serve only these: full names, one per line. Default: all that the backend has.", lines: true },
  { pointer: "/read_only", label: "Read-only", hint: "Serve only methods without side effects. Default: no.", check: true },
];

/** What is at a pointer. */
function at(namespace, pointer) {
  return pointer.slice(1).split("/").reduce((found, name) => found?.[name], namespace);
}

/** Puts a value at a pointer. */
function put(namespace, pointer, value) {
  const names = pointer.slice(1).split("/");
  const last = names.pop();
  const parent = names.reduce((found, name) => (found[name] ??= {}), namespace);
  parent[last] = value;
}

class Field {
  constructor(setting, value) {
    this.setting = setting;
    this.isThere = value !== undefined;
    const [field, hint, wrong] = [id("field"), id("hint"), id("wrong")];
    const attributes = { id: field, "aria-describedby": `${hint} ${wrong}`, "data-pointer": setting.pointer, spellcheck: "false", autocomplete: "off" };
    if (setting.choices) this.input = h("select", attributes, setting.choices.map((choice) => h("option", { selected: choice === value }, choice)));
    else if (setting.lines) this.input = h("textarea", { ...attributes, rows: 3 }, (value ?? []).join("\n"));
    else if (setting.check) this.input = h("input", { ...attributes, type: "checkbox", checked: value === true });
    else this.input = h("input", { ...attributes, value: value ?? "", inputmode: setting.number ? "numeric" : null });
    this.wrong = h("p", { id: wrong, class: "wrong" });
    this.element = h("div", { class: setting.check ? "field check" : "field" },
      h("label", { for: field }, setting.label, setting.required ? null : h("span", { class: "quiet" }, " optional")),
      this.input, h("p", { id: hint, class: "hint" }, setting.hint), this.wrong);
  }

  /** What is typed; undefined: nothing. A number that is none goes as it is, for the API to say so. */
  value() {
    const { number, lines, check } = this.setting;
    if (check) return this.input.checked || (this.isThere ? false : undefined);
    const text = this.input.value.trim();
    if (!text) return undefined;
    if (lines) return text.split("\n").map((line) => line.trim()).filter(Boolean);
    return number && /^\d+$/.test(text) ? Number(text) : text;
  }

  tell(details) {
    fill(this.wrong, details.join("; "));
    this.element.classList.toggle("is-wrong", details.length > 0);
    this.input.setAttribute("aria-invalid", String(details.length > 0));
  }
}

/** The form. `namespace` is what is there, null for a new one; `tag` its etag; `saved` gets the answer of a write. */
export function settingsForm({ namespace, tag, name, saved, readOnly }) {
  const fields = SETTINGS.filter(({ pointer }) => !namespace || pointer !== "/name")
    .map((setting) => new Field(setting, at(namespace, setting.pointer)));
  const told = h("div", { class: "told" });
  const body = () => {
    const settings = {};
    for (const field of fields) {
      const value = field.value();
      // A merge patch takes a setting back to its default by null.
      if (value !== undefined) put(settings, field.setting.pointer, value);
      else if (namespace && at(namespace, field.setting.pointer) !== undefined) put(settings, field.setting.pointer, null);
    }
    return settings;
  };
  const refused = (error) => {
    const errors = error.errors ?? [];
    const belongs = (field, { pointer }) => pointer === field.setting.pointer || pointer.startsWith(`${field.setting.pointer}/`)
      || (pointer === "/plugin" && field.setting.pointer === "/plugin/endpoint");
    for (const field of fields) field.tell(errors.filter((one) => belongs(field, one)).map((one) => one.detail));
    const rest = errors.filter((one) => !fields.some((field) => belongs(field, one)));
    const shown = errors.length && !rest.length
      ? { title: errors.length === 1 ? "One field is invalid" : `${errors.length} fields are invalid`, detail: "Nothing was changed." }
      : { ...error, detail: error.detail, errors: rest };
    fill(told, problem(shown), isKind(error, "precondition-failed")
      ? h("p", {}, "Somebody else changed it after you opened it. ", h("button", { type: "button", onclick: () => location.reload() }, "Reload")) : null);
    fields.find((field) => field.element.classList.contains("is-wrong"))?.input.focus();
  };
  const write = async (dryRun) => {
    fields.forEach((field) => field.tell([]));
    const [method, path] = namespace ? ["PATCH", namespacePath(name)] : ["POST", "/namespaces"];
    const headers = namespace ? { "if-match": tag } : {};
    try {
      const response = await send(method, path, { json: body(), query: { dry_run: dryRun || undefined }, headers });
      const answer = await response.json();
      if (dryRun) {
        fill(told, h("h3", {}, "Preview of the change"), diff(answer.diff), answer.warnings.map((warning) => h("p", { class: "warning" }, warning)));
      } else {
        fill(told, outcome(answer));
        saved(answer, response.headers.get("etag"));
      }
    } catch (error) {
      refused(error);
    }
  };
  const form = h("form", { class: "settings", novalidate: true, onsubmit: (event) => { event.preventDefault(); busy(form, () => write(false)); } },
    fields.map((field) => field.element), told,
    readOnly ? null : h("div", { class: "buttons" },
      h("button", { type: "button", onclick: () => busy(form, () => write(true)) }, "Preview changes"),
      h("button", { type: "submit", class: "primary" }, namespace ? "Save" : "Create")));
  if (readOnly) fields.forEach((field) => { field.input.disabled = true; });
  return form;
}
