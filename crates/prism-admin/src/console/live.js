// The figures as they are sent: the last 15 minutes first, then a sample every few seconds.

import { address, get } from "./api.js";

/** How many samples are 15 minutes. */
export const POINTS = 180;

/** After this long without a sample nothing is known any more. */
const SILENCE_MS = 15_000;

/** After a refusal it is asked again this much later: the time between two samples. */
const RETRY_MS = 5_000;

const FIGURES = ["requests_per_second", "errors_per_second", "p50_seconds", "p99_seconds"];

/**
 * Follows some namespaces until `signal` says stop. `changed` gets {series, sample}: `series.total` and
 * `series.namespaces[name]` are columns of 15 minutes; `sample` is the newest one, or null while the admin is silent.
 */
export function follow(names, signal, changed) {
  if (signal.aborted) return;
  let source = null;
  let series = null;
  let silence = null;
  let retry = null;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => series && changed({ series, sample: null }), SILENCE_MS);
  };
  const add = (columns, point) => {
    for (const figure of FIGURES) {
      columns[figure].push(point[figure]);
      if (columns[figure].length > POINTS) columns[figure].shift();
    }
  };
  const began = (event) => {
    const { at, total, namespaces } = JSON.parse(event.data);
    series = { last: at.at(-1) ?? 0, total, namespaces };
    heard();
  };
  const sampled = (event) => {
    const sample = JSON.parse(event.data);
    // The first sample is the newest point of the history, with more about it.
    if (sample.at > series.last) {
      series.last = sample.at;
      add(series.total, sample.total);
      for (const [name, point] of Object.entries(sample.namespaces)) add(series.namespaces[name], point);
    }
    heard();
    changed({ series, sample });
  };
  const failed = () => {
    // A refusal is final for the browser, and may be over soon; one for want of a session leads to the login.
    if (source.readyState === EventSource.CLOSED) {
      get("/namespaces", { query: { limit: 1 } }).catch(() => {});
      retry = setTimeout(open, RETRY_MS);
    }
    if (series) changed({ series, sample: null });
  };
  const close = () => {
    clearTimeout(silence);
    clearTimeout(retry);
    source?.close();
    source = null;
  };
  // A browser keeps six connections to a server, for all of its tabs: one that nobody sees needs none.
  const open = () => {
    close();
    if (document.hidden) return;
    source = new EventSource(address("/traffic/events", { namespaces: names.join(",") }));
    source.addEventListener("history", began);
    source.addEventListener("sample", sampled);
    source.addEventListener("error", failed);
    heard();
  };
  open();
  document.addEventListener("visibilitychange", open, { signal });
  signal.addEventListener("abort", close);
}
