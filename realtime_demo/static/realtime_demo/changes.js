/** Editing and deleting what was said, offered only where the server would allow it. */
import { say } from "./strings.js";

/**
 * @typedef {object} Permission
 * @property {string} name under which what one says is verified; "": nobody's
 * @property {boolean} isStaff who may change everyone's
 */

const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

export class Changes {
  /**
   * @param {Permission} permission
   * @param {number} longest characters of a text
   * @param {(of: string, text: string) => Promise<void>} send without a text it deletes
   */
  constructor(permission, longest, send) {
    Object.assign(this, { permission, longest, send });
  }

  /** As `changeable` of transports/http/publish.py. */
  allows({ type, sender, verified }) {
    const { name, isStaff } = this.permission;
    if (isStaff) return type === "message" || type === "announcement";
    return type === "message" && verified === true && name !== "" && sender === name;
  }

  /** Adds the buttons to an event's item, if it may be changed. @param {HTMLElement} item */
  offer(item, event) {
    if (!this.allows(event)) return;
    const words = item.querySelector(".text");
    words.id = `text-${event.id}`;
    const button = (word, act) => {
      const made = make("button", { type: "button", className: "quiet", textContent: say(word) });
      made.setAttribute("aria-describedby", words.id);
      made.addEventListener("click", () => act(made));
      return made;
    };
    const remove = (pressed) => (pressed.dataset.sure === "" ? this.#delete(item, event) : this.#ask(pressed));
    const actions = [button("edit", () => this.#edit(item, event)), button("delete", remove)];
    item.querySelector("p").after(make("span", { className: "actions" }, ...actions));
  }

  /** Deletes only when pressed twice. @param {HTMLButtonElement} button */
  #ask(button) {
    button.dataset.sure = "";
    button.textContent = say("deleteSure");
    const calm = () => {
      delete button.dataset.sure;
      button.textContent = say("delete");
    };
    button.addEventListener("blur", calm, { once: true });
  }

  async #delete(item, { id }) {
    item.closest("ol").focus();
    await this.send(id, "");
  }

  /** A field in the text's place: Enter saves, Escape leaves all as it was. */
  #edit(item, { id }) {
    if (item.querySelector("form")) return;
    const words = item.querySelector(".text");
    const input = make("input", { value: words.textContent, maxLength: this.longest, required: true, dir: "auto" });
    input.setAttribute("aria-label", say("editLabel"));
    const form = make("form", { className: "edit" }, input, make("button", { textContent: say("editSave") }));
    const close = () => {
      form.remove();
      words.hidden = false;
      item.querySelector(".actions button")?.focus();
    };
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault(); // nor is it a command to the lanes
      close();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = input.value;
      if (!text.trim()) return;
      const isNew = text !== words.textContent;
      close();
      if (isNew) this.send(id, text);
    });
    words.after(form);
    words.hidden = true;
    input.focus();
  }
}
