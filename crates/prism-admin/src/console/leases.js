// Values of a list under a lease: reserved, acknowledged, returned. Nothing tells what others have reserved.

import { namespacePath, send } from "./api.js";
import { ofBase64 } from "./bytes.js";
import { confirm } from "./dialog.js";
import { busy, fill, h, id, notice, problem, table } from "./dom.js";
import { bytes as size, count, counted } from "./format.js";
import { countdown, millis } from "./life.js";
import { RESERVE } from "./served.js";
import { preview } from "./values.js";

/** The leases of this page by list, until they end or the page is loaded anew. */
const held = new Map();

/** The form and the leases. `look` is called after the list has changed. */
export function leases({ name, key, served, look }) {
  const path = namespacePath(name, "/list");
  const mine = `${name}\n${key}`;
  const [number, seconds, side] = [id("number"), id("lease"), id("end")];
  const amount = h("input", { id: number, value: "1", inputmode: "numeric", autocomplete: "off" });
  const time = h("input", { id: seconds, value: "60", inputmode: "decimal", autocomplete: "off" });
  const end = h("select", { id: side }, ["left", "right"].map((one) => h("option", {}, one)));
  const failed = h("div", { "aria-live": "polite" });
  const place = h("div");
  const put = (all) => held.set(mine, all);
  const draw = () => fill(place, (held.get(mine) ?? []).map(card));

  const reserve = async () => {
    const [typed, lease_millis] = [amount.value.trim(), millis(time.value)];
    if (!/^\d{1,4}$/.test(typed)) throw Object.assign(new Error(), { title: "This is no number of values", detail: "Expected 1 to 1,000." });
    const response = await send("POST", `${path}/reserve`, { query: { key, end: end.value, count: typed, lease_millis } });
    const { lease, values } = await response.json();
    if (lease === null) {
      fill(failed, h("p", { class: "hint" }, "The list has no value to reserve."));
      return;
    }
    const read = values.map((one) => ({ bytes: ofBase64(one.value_base64), deliveries: one.deliveries }));
    put([...(held.get(mine) ?? []), { lease, until: Date.now() + lease_millis, values: read, end: null }]);
    draw();
    await look();
  };
  const submit = (event) => {
    event.preventDefault();
    busy(event.currentTarget, async () => {
      fill(failed);
      try {
        await reserve();
      } catch (error) {
        if (served.lacks(RESERVE, error)) fill(form, h("p", { class: "hint" }, "This backend has no leases: values cannot be reserved."));
        else fill(failed, problem(error));
      }
    });
  };

  /** Does something with a lease; one that has ended meanwhile says so. */
  const act = async (one, verb, query, done) => {
    fill(failed);
    try {
      await send("POST", `${path}/${verb}`, { query: { key, lease: one.lease, ...query } });
      done();
    } catch (error) {
      if (error.reason !== "LEASE_ENDED") {
        fill(failed, problem(error));
        return;
      }
      one.end = "ended";
    }
    draw();
    await look();
  };
  const drop = (one) => put(held.get(mine).filter((other) => other !== one));
  const ended = (one, said) => () => {
    drop(one);
    notice(said);
  };
  const ack = async (one) => {
    const what = counted(one.values.length, "value");
    const yes = await confirm({
      title: "Acknowledge this lease?",
      body: [h("p", {}, "This permanently removes ", h("strong", {}, what), " from a list in ", h("strong", {}, name), ":"), h("pre", { class: "named" }, key)],
      verb: "Acknowledge",
    });
    if (yes) await act(one, "ack", {}, ended(one, `Acknowledged ${what}.`));
  };
  const extend = (one) => act(one, "extend", { lease_millis: millis(time.value) }, () => {
    one.until = Date.now() + millis(time.value);
    notice("Extended.");
  });

  const card = (one) => {
    const isOver = one.end === "ended" || one.until <= Date.now();
    const button = (text, kind, press) => {
      const element = h("button", { type: "button", class: kind, onclick: () => busy(element, () => Promise.resolve(press()).catch((error) => fill(failed, problem(error)))) }, text);
      return element;
    };
    return h("section", { class: "lease", "aria-label": `Lease of ${counted(one.values.length, "value")}` },
      h("div", { class: "value-bar" },
        h("strong", {}, counted(one.values.length, "value")),
        isOver ? h("span", { class: "quiet" }, "The lease has ended: what was not acknowledged is in the list again.")
          : countdown(one.until, "reserved for", "the lease has ended", () => { draw(); look(); }),
        h("span", { class: "value-acts" }, isOver ? button("Dismiss", null, () => { drop(one); draw(); })
          : [button("Acknowledge…", "danger", () => ack(one)), button("Extend", null, () => extend(one)), button("Release", null, () => act(one, "release", {}, ended(one, "Released.")))])),
      table("Reserved values", ["Value", ["Size", "figure"], ["Deliveries", "figure"]], one.values.map(({ bytes, deliveries }) =>
        [h("code", { class: "list-value" }, preview(bytes, bytes.length)), size(bytes.length), count(deliveries)])));
  };
  const form = h("form", { onsubmit: submit }, h("div", { class: "row" },
    h("div", { class: "field" }, h("label", { for: number }, "Values"), amount),
    h("div", { class: "field" }, h("label", { for: side }, "From the"), end),
    h("div", { class: "field" }, h("label", { for: seconds }, "Lease, seconds"), time),
    h("div", { class: "field end" }, h("button", { type: "submit", class: "primary" }, "Reserve"))),
  h("p", { class: "hint" }, "Reserved values leave the list, and return when the lease ends. The length counts none of them, and no interface shows what others have reserved."),
  failed);
  draw();
  return [form, place];
}
