// Requests to the API; a failure is an Error with what the API told of it.

/** Where the API begins: what stands before this file's own path, which is more than "/" behind some proxies. */
const ROOT = new URL("../", import.meta.url);

let loggedOut = () => {};

/** Whether the API does not know us. Its status is 401, or 403 behind a proxy with a password of its own. */
export function unknown(error) {
  return error.type === "urn:prism:problem:unauthenticated";
}

/** What to do when the API no longer knows us. */
export function onLoggedOut(act) {
  loggedOut = act;
}

/** The address of a path of the API. */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const url = new URL(path.slice(1), ROOT);
  url.search = new URLSearchParams(given);
  return url.href;
}

/** Sends a request; the Response. Throws what the API told if it is no success. */
export async function send(method, path, { query = {}, json, bytes, headers = {}, signal } = {}) {
  const init = { method, signal, headers: { ...headers } };
  if (json !== undefined) {
    init.headers["content-type"] = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    init.body = JSON.stringify(json);
  }
  if (bytes !== undefined) {
    init.headers["content-type"] = "application/octet-stream";
    init.body = bytes;
  }
  let response;
  try {
    response = await fetch(address(path, query), init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Object.assign(new Error(), { title: "The admin does not answer", detail: `Is prism-admin still running? (${error.message})` });
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({ title: `HTTP ${response.status}`, detail: "The response has no further details." }));
  const error = Object.assign(new Error(told.detail), told);
  if (unknown(error) && path !== "/session") loggedOut();
  throw error;
}

/** The JSON that a GET brings. */
export async function get(path, options) {
  return (await send("GET", path, options)).json();
}

/** The path of a namespace. */
export function namespacePath(name, rest = "") {
  return `/namespaces/${encodeURIComponent(name)}${rest}`;
}

/** The path of a backend. */
export function backendPath(name) {
  return `/backends/${encodeURIComponent(name)}`;
}

/** Whether a problem is of a kind. */
export function isKind(error, word) {
  return error.type === `urn:prism:problem:${word}`;
}

/** Whether it was refused because the namespace does not serve such calls. */
export function isLacking(error) {
  return isKind(error, "unsupported") || error.reason === "INTERFACE_NOT_SERVED";
}
