// A value's bytes as text, JSON or hex, and back.

/** What is shown at first; a value may have 4 MiB. */
export const SHOWN_BYTES = 64 * 1024;

/** Indented deeper, 4 MiB of JSON could become more than the 512 MiB that a text may have: 2 Mi lines of 2 x 100 spaces. */
const DEPTH_MAX = 100;

// A byte order mark is three bytes of the value like any others.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text that some bytes are, or null: they are not UTF-8, or hold control characters. */
export function textOf(bytes) {
  try {
    const text = strict.decode(bytes);
    // eslint-disable-next-line no-control-regex
    return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** The text of some bytes that a field gives back as it was, or null: a field makes a line feed of each carriage return. */
export function editableTextOf(bytes) {
  const text = textOf(bytes);
  return text === null || text.includes("\r") ? null : text;
}

/** How a value is best shown: "json", "text" or "hex". */
export function kindOf(bytes) {
  const text = textOf(bytes);
  if (text === null) return "hex";
  return /^\s*[[{]/.test(text) && isJson(text) ? "json" : "text";
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON with its lines apart, or null: it is none, or too deep. */
export function jsonOf(text) {
  return isJson(text) ? indented(text) : null;
}

/** The tokens of JSON as they are written: a value of JavaScript would round numbers and lose names that are there twice. */
function indented(text) {
  let [shown, depth, isOpened] = ["", 0, false];
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]+|\\.)*"|[[\]{},:]|[^\s"[\]{},:]+/g)) {
    const closes = token === "]" || token === "}";
    if (closes) depth -= 1;
    // What is empty stays on its line.
    if (closes !== isOpened) shown += line();
    isOpened = token === "[" || token === "{";
    if (isOpened) depth += 1;
    if (depth > DEPTH_MAX) return null;
    shown += token === "," ? `,${line()}` : token === ":" ? ": " : token;
  }
  return shown;
}

/** The text of some bytes, whatever they are. */
export function looseText(bytes) {
  return lenient.decode(bytes);
}

/** Rows of 16 bytes: where they are, in hex, as ASCII. */
export function hexDump(bytes) {
  const rows = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    const ascii = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    rows.push(`${at.toString(16).padStart(8, "0")}  ${hex}  ${ascii}`);
  }
  return rows.join("\n");
}

/** Bytes as pairs of digits. */
export function hexOf(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** The bytes of pairs of digits; throws what is wrong. */
export function ofHex(text) {
  const digits = text.replace(/\s/g, "");
  if (/[^0-9a-f]/i.test(digits) || digits.length % 2) {
    throw Object.assign(new Error(), { title: "This is not hex", detail: "Expected pairs of the digits 0-9 and a-f." });
  }
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** The bytes of a text in base64, as the API has values in JSON. */
export function ofBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Whether two values are the same. */
export function areEqual(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** Bytes as text or, if they are none, as a dump; `both` decides for two values that are shown beside each other. */
export function readable(bytes, both = [bytes]) {
  return both.some((one) => textOf(one) === null) ? hexDump(bytes) : looseText(bytes);
}
