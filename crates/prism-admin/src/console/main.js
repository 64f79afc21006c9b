// The console: the session, the header, and routing to pages.

import { address, get, onLoggedOut, send, unknown } from "./api.js";
import { fill, h, problem } from "./dom.js";
import { audit } from "./audit.js";
import { backend, newBackend } from "./backend.js";
import { backends } from "./backends.js";
import { create } from "./create.js";
import { login } from "./login.js";
import { namespace } from "./namespace.js";
import { overview } from "./overview.js";
import { proxies } from "./proxies.js";
import { revision, revisions } from "./revisions.js";

const PAGES = [
  { path: /^$/, page: overview, nav: "" },
  { path: /^new$/, page: create, nav: "" },
  { path: /^namespaces\/([^/]+)(?:\/(\w+))?$/, page: namespace, nav: "" },
  { path: /^backends$/, page: backends, nav: "backends" },
  { path: /^new-backend$/, page: newBackend, nav: "backends" },
  { path: /^backends\/([^/]+)$/, page: backend, nav: "backends" },
  { path: /^proxies$/, page: proxies, nav: "proxies" },
  { path: /^revisions$/, page: revisions, nav: "revisions" },
  { path: /^revisions\/(\d+)$/, page: revision, nav: "revisions" },
  { path: /^audit$/, page: audit, nav: "audit" },
];

const LINKS = [["", "Namespaces"], ["backends", "Backends"], ["proxies", "Proxies"], ["revisions", "Revisions"], ["audit", "Audit"]];

const ROLES = ["read", "data", "write"];

const main = document.getElementById("main");
let session = null;
let leave = new AbortController();
let before = null;

/** Whether the session's role includes this role. */
function may(role) {
  return ROLES.indexOf(session.role) >= ROLES.indexOf(role);
}

function theme(next) {
  const root = document.documentElement;
  const chosen = next ?? localStorage.getItem("theme") ?? "";
  if (chosen) root.dataset.theme = chosen;
  if (next) localStorage.setItem("theme", next);
  const isDark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  return isDark ? "dark" : "light";
}

function header(current) {
  const other = theme() === "dark" ? "light" : "dark";
  const toggle = h("button", { type: "button", class: "plain", onclick: () => change(other, current) }, other === "dark" ? "Dark" : "Light");
  toggle.id = "theme";
  toggle.setAttribute("aria-label", `Use the ${other} theme`);
  const who = session?.login
    ? [h("span", { class: "who" }, `${session.who} (${session.role})`), h("button", { type: "button", class: "plain", onclick: logOut }, "Log out")]
    : [];
  fill(document.getElementById("header"),
    h("a", { class: "brand", href: "#/" }, h("img", { src: address("/console/icon.svg"), alt: "", width: 24, height: 24 }), "Prism"),
    session ? h("nav", { "aria-label": "Pages" }, LINKS.map(([path, name]) =>
      h("a", { href: `#/${path}`, "aria-current": path === current ? "page" : null }, name))) : null,
    h("div", { class: "user" }, who, h("a", { href: address("/docs"), class: "api" }, "API"), toggle));
}

function change(chosen, current) {
  theme(chosen);
  header(current);
  document.getElementById("theme").focus();
}

async function logOut() {
  await send("DELETE", "/session").catch(() => {});
  session = null;
  route();
}

onLoggedOut(() => {
  session = null;
  route();
});

/** Shows the page that the address names. */
async function route() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  if (!session) {
    try {
      session = await get("/session");
    } catch (error) {
      header(null);
      document.title = "Log in · Prism";
      if (unknown(error)) fill(main, login((found) => { session = found; route(); }));
      else fill(main, problem(error));
      return;
    }
  }
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const found = PAGES.map((page) => ({ page, match: page.path.exec(path) })).find(({ match }) => match);
  header(found?.page.nav ?? null);
  if (!found) {
    fill(main, h("h1", {}, "Page not found"), h("p", {}, h("a", { href: "#/" }, "Back to the namespaces")));
    return;
  }
  const query = new URLSearchParams(search);
  const title = (text) => { document.title = `${text} · Prism`; };
  try {
    const parts = found.match.slice(1).map((part) => part && decodeURIComponent(part));
    const shown = await found.page.page({ parts, query, signal, may, session, title });
    if (signal.aborted) return;
    fill(main, shown);
  } catch (error) {
    if (signal.aborted) return;
    fill(main, problem(error));
  }
  // Move the focus so that a screen reader continues on the new page; the first page is read from its beginning.
  const place = path.split("/").slice(0, 2).join("/");
  if (before !== null && before !== place) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  before = place;
}

theme();
addEventListener("hashchange", (event) => {
  if (new URL(event.newURL).hash !== "#main") route();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
route();
