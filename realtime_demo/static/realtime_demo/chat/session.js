/** The user of the page: logged in until the session ends, then anonymous. */
export class Session {
  /**
   * @param {object} user
   * @param {string} user.name "": anonymous
   * @param {import("./changes.js").Permission} user.changes
   * @param {HTMLElement} notice shown when the session has ended
   * @param {HTMLInputElement | null} sender the field for an anonymous user's name
   */
  constructor({ name, changes }, notice, sender) {
    this.name = name;
    this.permission = changes;
    this.notice = notice;
    this.sender = sender;
  }

  get #sender() {
    return this.sender?.value.trim() ?? "";
  }

  /** The name of the user's presence; "": none. */
  get presenceName() {
    return this.name || this.#sender;
  }

  /** Anyone may type a user's name: an event is the user's own only if it is verified. */
  isOwn({ type, sender, verified }) {
    const isUser = this.permission.name !== "";
    return type === "message" && sender === this.#sender && (verified === true) === isUser;
  }

  /** Checks an event just published: if a user's event is not verified, the session has ended. */
  published({ verified }) {
    if (this.permission.name && !verified) this.end();
  }

  end() {
    if (!this.name || !this.notice) return;
    this.name = "";
    Object.assign(this.permission, { name: "", isStaff: false });
    this.notice.hidden = false;
    if (this.sender) this.sender.readOnly = false;
    for (const part of document.querySelectorAll(".event .actions, .account form")) part.remove();
  }
}
