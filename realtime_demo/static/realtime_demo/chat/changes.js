/** Buttons to edit and delete an event, where the server allows it. */
import { make } from "../lib/dom.js";
import { gettext } from "../lib/text.js";

/**
 * @typedef {object} Permission
 * @property {string} name verified sender name of the user; "": anonymous
 * @property {boolean} isStaff may change anyone's messages and announcements
 */

export class Changes {
  /**
   * @param {Permission} permission
   * @param {number} maxLength of an event's text
   * @param {(of: string, text: string) => Promise<void>} send deletes if the text is empty
   */
  constructor(permission, maxLength, send) {
    this.permission = permission;
    this.maxLength = maxLength;
    this.send = send;
  }

  /** Whether the server allows a change of the event, as `changeable` in transports/http/publish.py. */
  allows({ type, sender, verified }) {
    const { name, isStaff } = this.permission;
    if (isStaff) return type === "message" || type === "announcement";
    return type === "message" && verified === true && name !== "" && sender === name;
  }

  /** Adds the buttons to an event's item, if it may be changed. @param {HTMLElement} item */
  addButtons(item, event) {
    if (!this.allows(event)) return;
    const span = item.querySelector(".text");
    span.id = `text-${event.id}`;
    const button = (label, onClick) => {
      const element = make("button", { type: "button", className: "quiet", textContent: label });
      element.setAttribute("aria-describedby", span.id);
      element.addEventListener("click", () => onClick(element));
      return element;
    };
    const remove = (pressed) => (pressed.dataset.confirm === "" ? this.#delete(item, event) : this.#confirm(pressed));
    const actions = [button(gettext("Edit"), () => this.#edit(item, event)), button(gettext("Delete"), remove)];
    item.querySelector("p").after(make("span", { className: "actions" }, ...actions));
  }

  /** Asks for a second press before deleting. @param {HTMLButtonElement} button */
  #confirm(button) {
    button.dataset.confirm = "";
    button.textContent = gettext("Really delete?");
    const restore = () => {
      delete button.dataset.confirm;
      button.textContent = gettext("Delete");
    };
    button.addEventListener("blur", restore, { once: true });
  }

  async #delete(item, { id }) {
    item.closest("ol").focus();
    await this.send(id, "");
  }

  /** Shows a field in place of the text: Enter saves, Escape cancels. */
  #edit(item, { id }) {
    if (item.querySelector("form")) return;
    const span = item.querySelector(".text");
    const input = make("input", { value: span.textContent, maxLength: this.maxLength, required: true, dir: "auto" });
    input.setAttribute("aria-label", gettext("New text"));
    const form = make("form", { className: "edit" }, input, make("button", { textContent: gettext("Save") }));
    const close = () => {
      form.remove();
      span.hidden = false;
      item.querySelector(".actions button")?.focus();
    };
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault(); // so that the lanes ignore the key
      close();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = input.value;
      if (!text.trim()) return;
      const isNew = text !== span.textContent;
      close();
      if (isNew) this.send(id, text);
    });
    span.after(form);
    span.hidden = true;
    input.focus();
  }
}
