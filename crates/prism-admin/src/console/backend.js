// One backend: its settings, what a probe finds, and its removal; or a new one.

import { backendPath, send } from "./api.js";
import { confirm } from "./dialog.js";
import { outcome } from "./diff.js";
import { fill, h, notice } from "./dom.js";
import { Field, at, put } from "./fields.js";
import { figures } from "./figures.js";
import { settingsForm } from "./form.js";
import { duration, unknown } from "./format.js";
import { health } from "./health.js";

const NAME = { pointer: "/name", label: "Name", hint: "1 to 64 of a-z, 0-9 and -, starting with a letter.", required: true };
const PLACE = { pointer: null, label: "Where it runs", hint: "A driver opens it in each proxy's process; a plugin is a process of its own.", required: true, choices: [["embedded", "in the proxies"], ["endpoint", "behind an endpoint"]] };
const EMBEDDED = { pointer: "/embedded", label: "Driver", hint: "A driver of the proxies, such as memstore.", required: true };
const OPTIONS = { pointer: "/options", label: "Options", hint: "Those of the driver, one per line, such as memory_limit: 512MiB. Default: the driver's own.", options: true };
const TOKEN_FILE = { pointer: "/token_file", label: "Token file", hint: "File with the token that the proxies present to the plugin, below --secrets-root. Default: none." };
const ENDPOINT = { pointer: "/endpoint", label: "Endpoint", hint: "host:port, http://host:port or unix:PATH.", required: true };

const PROMISES = {
  ordered: "ordered scans", scan_exactly_once: "each key once in a scan", exact_count: "exact count", linearizable: "linearizable", resumable: "scans continue at tokens", in_memory: "in memory: data is lost with it",
};

/** The page of a new one. */
export async function newBackend({ title, may }) {
  title("New backend");
  const saved = (answer) => {
    notice(answer.applied ? `Created ${answer.backend.name}.` : `Saved ${answer.backend.name}, but not every proxy has applied it yet.`);
    if (answer.applied) location.hash = `#/backends/${answer.backend.name}`;
  };
  return [
    h("div", { class: "title" }, h("h1", {}, "New backend")),
    may("write") ? form({ backend: null, saved })
      : h("p", { class: "empty" }, "Creating a backend requires a token with the role write."),
  ];
}

/** The page of one. */
export async function backend({ parts: [name], signal, title, may }) {
  title(name);
  const response = await send("GET", backendPath(name), { signal });
  const [settings, tag] = [await response.json(), response.headers.get("etag")];
  const place = h("div");
  const endpoint = h("code", { class: "endpoint" });
  const draw = (now, etag) => {
    fill(endpoint, now.endpoint ?? `embedded:${now.embedded}`);
    fill(place, form({
      backend: now, tag: etag, name, readOnly: !may("write"),
      saved: (answer, newTag) => {
        notice(answer.applied ? "Saved and applied by every proxy." : "Saved, but not applied by every proxy.");
        const told = outcome(answer);
        draw(answer.backend, newTag);
        place.querySelector(".told").append(told);
      },
    }));
  };
  draw(settings, tag);
  return [
    h("nav", { class: "crumbs", "aria-label": "Breadcrumb" }, h("a", { href: "#/backends" }, "Backends"), " / ", h("span", { "aria-current": "page" }, name)),
    h("div", { class: "title" }, h("h1", {}, name), endpoint),
    figures(name, signal),
    may("write") ? null : h("p", { class: "hint" }, "Changing settings requires a token with the role write."),
    place,
    may("write") ? h("section", { class: "danger-zone", "aria-label": "Remove" },
      h("h2", {}, "Remove this backend"),
      h("p", {}, "Only a backend that no namespace uses can be removed. What it holds in the proxies' memory is lost."),
      h("button", { type: "button", class: "danger", onclick: () => remove(name) }, "Remove…")) : null,
  ];
}

function form({ backend: now, tag, name, saved, readOnly }) {
  const value = ({ pointer }) => (now ? at(now, pointer) : undefined);
  const place = new Field(PLACE, now?.endpoint === undefined ? "embedded" : "endpoint");
  const embedded = new Field(EMBEDDED, now ? now.embedded : "memstore");
  const [options, endpoint, token] = [OPTIONS, ENDPOINT, TOKEN_FILE].map((setting) => new Field(setting, value(setting)));
  const choose = () => {
    endpoint.element.hidden = token.element.hidden = place.input.value !== "endpoint";
    embedded.element.hidden = options.element.hidden = !endpoint.element.hidden;
  };
  place.input.addEventListener("change", choose);
  choose();
  const fields = [...(now ? [] : [new Field(NAME)]), place, embedded, options, endpoint, token];
  const body = () => {
    const settings = {};
    for (const field of fields.filter((one) => one.setting.pointer !== null)) {
      const typed = field.value();
      if (typed !== undefined) put(settings, field.setting.pointer, typed);
    }
    return settings;
  };
  const probe = async ({ name: _, ...settings }) => {
    const response = await send("POST", "/backends/probe", { json: settings });
    return found(await response.json());
  };
  // All settings are in the form, so that it replaces what is there.
  const [method, path] = now ? ["PUT", backendPath(name)] : ["POST", "/backends"];
  return settingsForm({ fields, body, method, path, tag, saved, readOnly, probe });
}

/** What a probe found. */
function found({ health: state, error, latency_ms: latency, facts, interfaces, capabilities }) {
  const fact = (label, value) => h("div", {}, h("dt", {}, label), h("dd", {}, value));
  const promised = capabilities && Object.entries(PROMISES).filter(([name]) => capabilities[name]).map(([, text]) => text);
  const list = (texts, none) => (texts.length ? h("ul", { class: "plain" }, texts.map((text) => h("li", {}, text))) : none);
  return h("section", { class: "found", "aria-label": "What the probe found" },
    h("h3", {}, "What the probe found"),
    error ? h("p", { class: "warning" }, error) : null,
    h("dl", { class: "facts" },
      fact("Health", health(state, error)),
      latency === null ? null : fact("Response time", duration(latency / 1000)),
      facts.map(({ label, value }) => fact(label, value)),
      fact("Capabilities", promised ? list(promised, "none") : unknown("the backend does not report them")),
      fact("Interfaces", interfaces ? list(interfaces.map((one) => one.replace(/^prism\.interfaces\./, "")), "none") : unknown("the backend does not list them"))));
}

async function remove(name) {
  const path = backendPath(name);
  const plan = await send("DELETE", path, { query: { dry_run: true } }).then((response) => response.json()).catch((error) => error);
  if (plan instanceof Error) {
    notice(plan.detail ?? plan.message);
    return;
  }
  const gone = await confirm({
    title: `Remove the backend ${name}?`,
    body: plan.warnings.length
      ? h("ul", {}, plan.warnings.map((warning) => h("li", {}, warning)))
      : h("p", {}, "No namespace uses it, and no proxy holds data of it in memory."),
    verb: `Remove ${name}`,
    act: () => send("DELETE", path),
  });
  if (gone) {
    notice(`Removed ${name}.`);
    location.hash = "#/backends";
  }
}
