// An index into a list.

/** An index as it is typed; throws what is wrong. */
export function indexOf(text) {
  if (!/^-?\d{1,15}$/.test(text.trim())) throw Object.assign(new Error(), { title: "This is no index", detail: "Expected a whole number, such as 0 or -1." });
  return Number(text);
}
