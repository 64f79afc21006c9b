// The login: a token for a session.

import { send } from "./api.js";
import { busy, fill, h, problem } from "./dom.js";

/** The form; `found` gets the session. */
export function login(found) {
  const failed = h("div");
  const token = h("input", { id: "token", type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  const logIn = async () => {
    try {
      found(await (await send("POST", "/session", { json: { token: token.value } })).json());
    } catch (error) {
      fill(failed, problem(error));
      token.focus();
    }
  };
  const submit = (event) => {
    event.preventDefault();
    busy(event.currentTarget, logIn);
  };
  setTimeout(() => token.focus());
  return h("section", { class: "login" },
    h("h1", {}, "Log in"),
    h("form", { onsubmit: submit },
      // Password managers file what they keep under a user's name.
      h("input", { type: "text", autocomplete: "username", value: "prism-admin", hidden: true }),
      h("label", { for: "token" }, "Token"), token,
      h("p", { class: "hint" }, "The token that ", h("code", {}, "prism-admin token"), " printed. Its role determines what you may do."),
      failed,
      h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Log in"))));
}
