// Figures and times as people read them. What is unknown is a dash that says so, never a zero.

import { h } from "./dom.js";

/** What serves a namespace: a backend by its name, or an endpoint. */
export function plugin({ backend, endpoint }) {
  return backend === undefined ? h("code", {}, endpoint) : h("a", { href: `#/backends/${backend}` }, backend);
}

/** A dash for what is not known. */
export function unknown(why = "unknown") {
  return h("span", { class: "unknown", title: why, role: "img", "aria-label": why }, "–");
}

const counts = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

/** A whole number with its thousands apart. */
export function count(number) {
  return counts.format(number);
}

/** A number that is not whole, with as many digits as matter. */
export function rate(number) {
  if (number === 0) return "0";
  if (number < 0.1) return "<0.1";
  return number < 100 ? number.toFixed(1) : counts.format(number);
}

/** A share as a percentage. */
export function percent(share) {
  if (share === 0) return "0 %";
  if (share < 0.001) return "<0.1 %";
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** A duration given in seconds. */
export function duration(seconds) {
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 0.0995) return `${(seconds * 1e3).toFixed(1)} ms`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(0)} ms`;
  return `${seconds.toFixed(1)} s`;
}

const UNITS = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];

/** A time that is left, given in milliseconds: the two largest units that it has. */
export function span(millis) {
  let rest = Math.ceil(millis / 1000);
  const first = Math.max(UNITS.findIndex(([, seconds]) => rest >= seconds), 0);
  const parts = UNITS.slice(first, first + 2).map(([unit, seconds]) => {
    const number = Math.floor(rest / seconds);
    rest %= seconds;
    return number ? `${count(number)} ${unit}` : null;
  });
  return parts.filter(Boolean).join(" ") || "0 s";
}

/** A number of things, such as "1 key" and "2 keys". */
export function counted(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** A number of bytes, exactly, and rounded where that is shorter. */
export function exactly(number) {
  return number < 1024 ? counted(number, "byte") : `${count(number)} bytes (${bytes(number)})`;
}

/** A number of bytes. */
export function bytes(number) {
  if (number < 1024) return `${number} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(number) / 10), units.length);
  const value = number / 1024 ** power;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[power - 1]}`;
}

const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A time: in the reader's own zone, and exactly when pointed at. */
export function time(rfc3339) {
  const at = new Date(rfc3339);
  if (Number.isNaN(at.getTime())) return String(rfc3339);
  return h("time", { datetime: rfc3339, title: rfc3339 }, moments.format(at));
}

/** The beginning of a hash, all of it when pointed at. */
export function hash(hex) {
  return hex ? h("code", { title: hex }, hex.slice(0, 12)) : unknown("none");
}
