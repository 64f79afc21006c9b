// The settings of a namespace as a form.

import { get, namespacePath } from "./api.js";
import { Field, at, put } from "./fields.js";
import { settingsForm } from "./form.js";

/** What stands for an endpoint among the names of backends. */
const OWN = ["", "an endpoint of its own"];

/** Every setting: where it is in the API, what it is, and its default and range, as CONFIGURATION.md has them. */
const SETTINGS = [
  { pointer: "/name", label: "Name", hint: "1 to 64 of a-z, 0-9 and -, starting with a letter.", required: true },
  { pointer: "/pattern", label: "Pattern", hint: "The interface that the backend must at least offer.", choices: ["keyvalue", "list"], required: true },
  { pointer: "/plugin/backend", label: "Backend", hint: "One of the backends, or an endpoint that only namespaces name.", choices: [OWN], required: true },
  { pointer: "/plugin/endpoint", label: "Backend endpoint", hint: "host:port, http://host:port, unix:PATH or embedded:NAME.", required: true },
  { pointer: "/timeout", label: "Timeout", hint: "For unary calls without a deadline, 1ms to 1h. Default: 30s." },
  { pointer: "/max_message_bytes", label: "Maximum message size, bytes", hint: "1,024 to 4,194,304. Default: 4194304 (4 MiB).", number: true },
  { pointer: "/max_in_flight", label: "Calls in flight", hint: "Maximum per proxy. Default: no limit.", number: true },
  { pointer: "/requests_per_second", label: "Calls per second", hint: "Maximum rate per proxy. Default: no limit.", number: true },
  { pointer: "/interfaces", label: "Interfaces", hint: "Serve only these: full names, one per line. Default: all that the backend has.", lines: true },
  { pointer: "/read_only", label: "Read-only", hint: "Serve only methods without side effects. Default: no.", check: true },
  { pointer: "/access", label: "Access", hint: "Who may call, one per line: a name and its rights, such as token:orders-service read write. Default: everybody who may connect.", callers: true },
];

/** The names of the backends, without asking the backends themselves. */
export async function backendNames(signal) {
  const page = await get("/backends", { query: { probe: false, limit: 1000 }, signal });
  return page.backends.map((backend) => backend.name).filter((name) => name !== null);
}

/** A field whose messages include those about the plugin as a whole. */
class EndpointField extends Field {
  belongs(pointer) {
    return super.belongs(pointer) || (!this.element.hidden && pointer === "/plugin");
  }
}

function fieldsOf(namespace, backends) {
  const shown = SETTINGS.filter(({ pointer }) => !(namespace && pointer === "/name") && !(pointer === "/plugin/backend" && !backends.length));
  const field = (setting) => {
    const value = namespace ? at(namespace, setting.pointer) : undefined;
    if (setting.pointer === "/plugin/endpoint") return new EndpointField(setting, value);
    return new Field(setting.pointer === "/plugin/backend" ? { ...setting, choices: [OWN, ...backends] } : setting, value);
  };
  const fields = shown.map(field);
  const [backend, endpoint] = ["/plugin/backend", "/plugin/endpoint"].map((pointer) => fields.find((one) => one.setting.pointer === pointer));
  const choose = () => { endpoint.element.hidden = backend.input.value !== ""; };
  if (backend) {
    backend.input.addEventListener("change", choose);
    choose();
  }
  return fields;
}

/** The form. `namespace` is what is there, null for a new one; `tag` its etag; `saved` gets the answer of a write. */
export function namespaceForm({ namespace, tag, name, backends, saved, readOnly }) {
  const fields = fieldsOf(namespace, backends);
  const body = () => {
    const settings = {};
    for (const field of fields) {
      const value = field.value();
      // A merge patch takes a setting back to its default by null.
      if (value !== undefined) put(settings, field.setting.pointer, value);
      else if (namespace && at(namespace, field.setting.pointer) !== undefined) put(settings, field.setting.pointer, null);
    }
    return settings;
  };
  const [method, path] = namespace ? ["PATCH", namespacePath(name)] : ["POST", "/namespaces"];
  return settingsForm({ fields, body, method, path, tag, saved, readOnly });
}
