// Elements, made so that no text is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element. Attributes that begin with "on" are listeners; `null` and `false` leave one out. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An element of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Puts children in the place of those that are there. The focus, if it was among them, goes to the one that is called the
 * same, or else to the page: without it the keyboard would begin anew at the top.
 */
export function fill(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const name = focused && nameOf(focused);
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  if (!focused || focused.isConnected) return;
  const successor = name && [...element.querySelectorAll(focused.tagName)].find((one) => nameOf(one) === name);
  (successor || document.getElementById("main")).focus({ preventScroll: true });
}

/** What an element is called. */
function nameOf(element) {
  return element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent ?? element.textContent;
}

let count = 0;

/** An id that no other element has. */
export function id(name) {
  count += 1;
  return `${name}-${count}`;
}

/** A table in a box of its own. `columns` are names, or [name, class]; `rows` arrays of cells, or elements. */
export function table(label, columns, rows) {
  const names = columns.map((column) => (Array.isArray(column) ? column[0] : column));
  const classes = columns.map((column) => (Array.isArray(column) ? column[1] : null));
  const cell = (content, at) => h(at === 0 ? "th" : "td", { scope: at === 0 ? "row" : null, class: classes[at], "data-label": names[at] }, content);
  const row = (cells) => (Array.isArray(cells) ? h("tr", {}, cells.map(cell)) : cells);
  return h("div", { class: "table" }, h("table", { "aria-label": label },
    h("thead", {}, h("tr", {}, columns.map((_, at) => h("th", { scope: "col", class: classes[at] }, names[at])))),
    h("tbody", {}, rows.map(row))));
}

/** Says something for a moment, to eyes and screen readers. */
export function notice(text) {
  const shown = h("p", { class: "notice" }, text);
  document.getElementById("notices").append(shown);
  setTimeout(() => shown.remove(), 6000);
}

/** What went wrong, and what to do. */
export function problem(error) {
  const fields = (error.errors ?? []).map(({ pointer, detail }) => h("li", {}, pointer ? h("code", {}, pointer) : null, pointer ? ": " : null, detail));
  return h("div", { class: "problem", role: "alert" },
    h("strong", {}, error.title ?? "The request failed"),
    h("p", {}, error.detail ?? error.message ?? String(error)),
    fields.length > 1 ? h("ul", {}, fields) : null,
    error.request_id ? h("p", { class: "quiet" }, "Request ", h("code", {}, error.request_id)) : null);
}

/** Shows what a promise brings in an element; while it takes long, that it is under way. */
export async function show(element, promise, draw) {
  const slow = setTimeout(() => fill(element, h("p", { class: "quiet" }, "Loading…")), 150);
  try {
    fill(element, draw(await promise));
  } catch (error) {
    if (error.name !== "AbortError") fill(element, problem(error));
  } finally {
    clearTimeout(slow);
  }
}

/**
 * Does something that an element began, unless it is doing it already: who clicks twice does it once. Its buttons are not
 * disabled, for then they would lose the focus.
 */
export async function busy(element, act) {
  if (element.getAttribute("aria-busy") === "true") return;
  element.setAttribute("aria-busy", "true");
  try {
    await act();
  } finally {
    element.removeAttribute("aria-busy");
  }
}
