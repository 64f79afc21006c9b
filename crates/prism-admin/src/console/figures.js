// What a store within the proxies' processes reports about itself: its disk, its cache, its syncs.

import { get, namespacePath } from "./api.js";
import { fill, h } from "./dom.js";
import { bytes, count, duration, percent, rate, unknown } from "./format.js";

/** As often as the proxies' traffic is asked for. */
const EVERY_MS = 5_000;

const DURABILITY = { every_write: "every write is synced", periodic: "synced periodically", none: "not synced", replicated: "replicated" };

/** The figures of a backend at each proxy, until `signal` says stop; nothing for a backend that has none. */
export function figures(name, signal) {
  const place = h("div");
  let promised = null;
  const draw = async () => {
    const { proxies } = await get("/config/status", { signal });
    const found = proxies.map(({ url, status }) => ({ url, figures: status?.backends.find((one) => one.name === name)?.figures ?? {} }))
      .filter((one) => one.figures.prism_diskstore_disk_bytes !== undefined);
    if (found.length) promised ??= await promises(name, signal);
    fill(place, found.length ? h("section", { class: "store", "aria-label": "Store" },
      h("h2", {}, "Store"), found.map((one) => store(one, found.length > 1, promised)),
      h("p", { class: "hint" }, "Counted since the proxy has opened it.")) : null);
  };
  const again = async () => {
    if (!document.hidden) await draw().catch(() => {});
    if (!signal.aborted) setTimeout(again, EVERY_MS);
  };
  again();
  return place;
}

/** What the backend promises, as a namespace on it says; null if there is none. */
async function promises(name, signal) {
  const { backends } = await get("/backends", { query: { probe: false, limit: 1000 }, signal });
  const [namespace] = backends.find((backend) => backend.name === name)?.namespaces ?? [];
  return namespace ? get(namespacePath(namespace, "/promises"), { signal }) : null;
}

function store({ url, figures: all }, isOneOfMany, promised) {
  const value = (figure) => all[`prism_diskstore_${figure}`];
  const fact = (label, shown, hint = null) => h("div", {}, h("dt", {}, label), h("dd", {}, shown), hint ? h("dd", { class: "hint" }, hint) : null);
  const share = (part, whole, format) => (whole > 0 ? format(part / whole) : unknown("none yet"));
  const reads = value("cache_hits") + value("cache_misses");
  return [
    isOneOfMany ? h("h3", {}, url) : null,
    h("dl", { class: "facts" },
      fact("Size on disk", bytes(value("disk_bytes")), `journal ${bytes(value("journal_bytes"))}`),
      fact("Free on the disk", bytes(value("disk_free_bytes")), `writes fail below ${bytes(value("min_free_bytes"))}`),
      fact("Cache hits", share(value("cache_hits"), reads, percent), `of ${count(reads)} reads; ${bytes(value("cache_bytes"))} cached`),
      fact("Compactions", count(value("compactions"))),
      fact("Writes per batch", share(value("writes"), value("batches"), rate), `${count(value("batches"))} ${value("batches") === 1 ? "batch" : "batches"}`),
      fact("Commit time", share(value("commit_seconds"), value("batches"), duration), "mean, syncs of the batches included"),
      value("syncs") > 0 ? fact("Sync time", share(value("sync_seconds"), value("syncs"), duration), "mean, between the batches") : null,
      fact("Durability", promised?.durability ? DURABILITY[promised.durability] ?? promised.durability : unknown("no namespace on it says so"),
        promised ? `can lose: ${promised.can_lose}` : null)),
  ];
}
