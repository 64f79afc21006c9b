// The fields of a form of settings: what is typed, as the API has it, and what the API says about it.

import { fill, h, id } from "./dom.js";

/** What is at a pointer. */
export function at(settings, pointer) {
  return pointer.slice(1).split("/").reduce((found, name) => found?.[name], settings);
}

/** Puts a value at a pointer. */
export function put(settings, pointer, value) {
  const names = pointer.slice(1).split("/");
  const last = names.pop();
  const parent = names.reduce((found, name) => (found[name] ??= {}), settings);
  parent[last] = value;
}

/** JSON, or else the text as it is. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Options, one per line as `KEY: VALUE`; a text that would be read as something else is in quotes. */
function written(options) {
  const value = (option) => (typeof option === "string" && parsed(option) === option && option === option.trim() && option ? option : JSON.stringify(option));
  return Object.entries(options).map(([key, option]) => `${key}: ${value(option)}`).join("\n");
}

function read(lines) {
  const pair = (line) => (line.includes(":") ? [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()] : [line, ""]);
  return Object.fromEntries(lines.map(pair).map(([key, value]) => [key, parsed(value)]));
}

/** Who may call, one per line as `NAME RIGHT RIGHT`. */
function callers(access) {
  return access.map(({ name, rights }) => [name, ...rights].join(" ")).join("\n");
}

function readCallers(lines) {
  return lines.map((line) => line.split(/[\s,]+/).filter(Boolean)).map(([name, ...rights]) => ({ name, rights }));
}

/**
 * A field. `setting` has a `label`, a `hint` and a `pointer` into the settings, which may be null for a field that is
 * none of them; it is a line of text, a `number`, a `check`, some `lines`, some `options`, the `callers`, or one of the `choices`, each
 * a value or [value, text].
 */
export class Field {
  constructor(setting, value) {
    this.setting = setting;
    this.isThere = value !== undefined;
    const [field, hint, wrong] = [id("field"), id("hint"), id("wrong")];
    const attributes = { id: field, "aria-describedby": `${hint} ${wrong}`, "data-pointer": setting.pointer, spellcheck: "false", autocomplete: "off" };
    const choice = (one) => (Array.isArray(one) ? one : [one, one]);
    if (setting.choices) this.input = h("select", attributes, setting.choices.map(choice).map(([name, text]) => h("option", { value: name, selected: name === value }, text)));
    else if (setting.lines) this.input = h("textarea", { ...attributes, rows: 3 }, (value ?? []).join("\n"));
    else if (setting.callers) this.input = h("textarea", { ...attributes, rows: 3 }, callers(value ?? []));
    else if (setting.options) this.input = h("textarea", { ...attributes, rows: 3 }, written(value ?? {}));
    else if (setting.check) this.input = h("input", { ...attributes, type: "checkbox", checked: value === true });
    else this.input = h("input", { ...attributes, value: value ?? "", inputmode: setting.number ? "numeric" : null });
    this.wrong = h("p", { id: wrong, class: "wrong" });
    this.element = h("div", { class: setting.check ? "field check" : "field" },
      h("label", { for: field }, setting.label, setting.required ? null : h("span", { class: "quiet" }, " optional")),
      this.input, h("p", { id: hint, class: "hint" }, setting.hint), this.wrong);
  }

  /** What is typed; undefined: nothing. A number that is none goes as it is, for the API to say so. */
  value() {
    const { number, lines, options, callers: names, check } = this.setting;
    if (this.element.hidden) return undefined;
    if (check) return this.input.checked || (this.isThere ? false : undefined);
    const text = this.input.value.trim();
    if (!text) return undefined;
    const each = () => text.split("\n").map((line) => line.trim()).filter(Boolean);
    if (lines) return each();
    if (options) return read(each());
    if (names) return readCallers(each());
    return number && /^\d+$/.test(text) ? Number(text) : text;
  }

  /** Whether a message about a pointer belongs to this field. */
  belongs(pointer) {
    const own = this.setting.pointer;
    return !this.element.hidden && own !== null && (pointer === own || pointer.startsWith(`${own}/`));
  }

  tell(errors) {
    const within = ({ pointer }) => (this.setting.options ? pointer.slice(this.setting.pointer.length + 1) : "");
    fill(this.wrong, errors.map((error) => (within(error) ? `${within(error)}: ${error.detail}` : error.detail)).join("; "));
    this.element.classList.toggle("is-wrong", errors.length > 0);
    this.input.setAttribute("aria-invalid", String(errors.length > 0));
  }
}
