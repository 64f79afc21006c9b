// One namespace: its metrics, settings, keys and lists.

import { namespacePath, send } from "./api.js";
import { confirm } from "./dialog.js";
import { outcome } from "./diff.js";
import { fill, h, notice } from "./dom.js";
import { bytes, count, percent, plugin, unknown } from "./format.js";
import { health } from "./health.js";
import { keys } from "./keys.js";
import { lists } from "./lists.js";
import { follow } from "./live.js";
import { errorShare, figure, totals } from "./overview.js";
import { served } from "./served.js";
import { backendNames, namespaceForm } from "./settings.js";

const TABS = [["", "Metrics"], ["keys", "Keys"], ["lists", "Lists"], ["settings", "Settings"]];

/** The page. */
export async function namespace(context) {
  const { parts: [name, tab = ""], signal, title } = context;
  title(name);
  const response = await send("GET", namespacePath(name), { signal });
  const [settings, tag] = [await response.json(), response.headers.get("etag")];
  const live = { state: h("span", {}, unknown("waiting for data")), memory: h("div"), charts: totals(), facts: h("dl", { class: "facts" }) };
  const head = h("div", { class: "title" });
  const drawHead = (now) => fill(head, h("h1", {}, name), live.state,
    h("span", { class: "tag" }, now.pattern), now.read_only ? h("span", { class: "tag" }, "read-only") : null,
    h("span", { class: "endpoint" }, plugin(now.plugin)));
  drawHead(settings);
  follow([name], signal, ({ series, sample }) => draw(live, series.namespaces[name], sample?.namespaces[name] ?? null));
  const data = async (part) => part({ ...context, mayWrite: context.may("write") && !settings.read_only, served: await served(name, signal) }, name);
  const shown = { "": () => live.charts.element, keys: () => data(keys), lists: () => data(lists), settings: () => edit(context, name, settings, tag, drawHead) }[tab];
  if (!shown) throw Object.assign(new Error(), { title: "Page not found", detail: `A namespace has no page “${tab}”.` });
  return [
    h("nav", { class: "crumbs", "aria-label": "Breadcrumb" }, h("a", { href: "#/" }, "Namespaces"), " / ", h("span", { "aria-current": "page" }, name)),
    head,
    live.memory,
    h("nav", { class: "tabs", "aria-label": `Parts of ${name}`, onkeydown: arrows }, TABS.map(([path, label]) =>
      h("a", { href: `#/namespaces/${name}${path ? `/${path}` : ""}`, "aria-current": path === tab ? "page" : null }, label))),
    tab === "" ? live.facts : null,
    settings.read_only && ["keys", "lists"].includes(tab) ? h("p", { class: "hint" }, "This namespace is read-only: nothing in it can be changed.") : null,
    h("section", { "aria-label": TABS.find(([path]) => path === tab)[1] }, await shown()),
  ];
}

/** The arrow keys go from tab to tab. */
function arrows(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const tabs = [...event.currentTarget.children];
  const next = step && tabs[tabs.indexOf(document.activeElement) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
}

function draw(live, series, state) {
  fill(live.state, state ? health(state.health, state.health_detail) : unknown("the admin does not respond"));
  const trouble = state?.health_detail ? h("p", { class: "warning" }, state.health_detail) : null;
  const lost = state?.in_memory ? h("p", { class: "hint" }, "In memory: data is lost when the backend restarts.") : null;
  fill(live.memory, trouble, lost);
  live.charts.draw(series, state);
  const share = errorShare(state);
  const silent = "the backend does not report it";
  const limit = state?.backend_bytes_max ? ` of ${bytes(state.backend_bytes_max)}` : "";
  const fact = (label, value) => h("div", {}, h("dt", {}, label), h("dd", {}, value));
  fill(live.facts,
    fact("In flight", figure(state?.in_flight, count)),
    fact("Error rate", share === null ? unknown() : percent(share)),
    fact("Keys", figure(state?.keys, count, silent)),
    fact("Lists", figure(state?.lists, count, silent)),
    fact("Memory of the entire backend", figure(state?.backend_bytes, (number) => `${bytes(number)}${limit}`, silent)));
}

async function edit({ may, signal }, name, settings, tag, changed) {
  const backends = await backendNames(signal);
  const place = h("div");
  const drawForm = (namespace, etag) => fill(place, namespaceForm({
    namespace, tag: etag, name, backends, readOnly: !may("write"),
    saved: (answer, newTag) => {
      notice(answer.applied ? "Saved and applied by every proxy." : "Saved, but not applied by every proxy.");
      changed(answer.namespace);
      const told = outcome(answer);
      drawForm(answer.namespace, newTag);
      place.querySelector(".told").append(told);
    },
  }));
  drawForm(settings, tag);
  return [
    may("write") ? null : h("p", { class: "hint" }, "Changing settings requires a token with the role write."),
    place,
    may("write") ? h("section", { class: "danger-zone", "aria-label": "Remove" },
      h("h2", {}, "Remove this namespace"),
      h("p", {}, "Its data stays in the backend. A namespace of the same name on the same backend will have it again."),
      h("button", { type: "button", class: "danger", onclick: () => remove(name) }, "Remove…")) : null,
  ];
}

async function remove(name) {
  const gone = await confirm({
    title: `Remove the namespace ${name}?`,
    body: h("p", {}, "New calls to ", h("strong", {}, name), " will be refused at once; calls in flight finish. Its data stays in the backend."),
    verb: `Remove ${name}`,
    act: () => send("DELETE", namespacePath(name)),
  });
  if (gone) {
    notice(`Removed ${name}.`);
    location.hash = "#/";
  }
}
