// Confirmation before something is removed or replaced.

import { h, id, problem, fill } from "./dom.js";

/**
 * Asks; whether the answer was yes. `act` is awaited before the dialog closes: what it throws is shown in it.
 * `body` is what will happen, `verb` the button.
 */
export function confirm({ title, body, verb, act, danger = true }) {
  return new Promise((done) => {
    const label = id("dialog");
    const failed = h("div");
    const yes = h("button", { type: "button", class: danger ? "danger" : "primary" }, verb);
    const no = h("button", { type: "button" }, "Cancel");
    const dialog = h("dialog", { "aria-labelledby": label },
      h("h2", { id: label }, title), h("div", { class: "dialog-body" }, body), failed, h("div", { class: "buttons" }, no, yes));
    const close = (answer) => {
      dialog.close();
      dialog.remove();
      done(answer);
    };
    no.addEventListener("click", () => close(false));
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (!yes.disabled) close(false);
    });
    yes.addEventListener("click", async () => {
      yes.disabled = true;
      try {
        if (act) await act();
        close(true);
      } catch (error) {
        fill(failed, problem(error));
        yes.disabled = false;
        yes.focus();
      }
    });
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
