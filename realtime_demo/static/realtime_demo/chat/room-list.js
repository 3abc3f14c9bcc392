/** The list of rooms, with their people. Rooms joined here share one WebSocket. */
import { find, make } from "../lib/dom.js";
import { isKnown, senderAndText } from "../lib/event-text.js";
import { request } from "../lib/request.js";
import { format, gettext } from "../lib/text.js";
import { showError } from "./composer.js";

const INTERVAL = 2_000;
const MAX_ITEMS = 50;

export class RoomList {
  /** The items of the list, by room. @type {Map<string, HTMLLIElement>} */
  #items = new Map();
  /** The rooms joined on the socket. @type {Set<string>} */
  #joined = new Set();
  /** @type {any} */
  #source = null;
  #timer;

  /**
   * @param {HTMLDetailsElement} element
   * @param {object} page
   * @param {string} page.room
   * @param {string} page.rooms the address of the list
   * @param {{ url: string, module: string, export: string }} page.socket the technique WebSocket
   * @param {() => string} page.name the name under which the reader is present and publishes
   */
  constructor(element, page) {
    this.element = element;
    this.page = page;
    this.list = find(element, "ul");
    this.outcome = find(element, ".outcome");
    /** @type {any} */
    this.template = find(element, "template").content.firstElementChild;
    element.addEventListener("toggle", () => this.#update());
  }

  /** Requests the list, and again while it is open. */
  async #update() {
    clearTimeout(this.#timer);
    if (!this.element.open) return;
    try {
      const { rooms } = await request(this.page.rooms, { cache: "no-store" });
      this.#show(rooms);
    } catch {
      // The lanes already show that the server is unreachable.
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#update(), INTERVAL);
  }

  /** @param {{ room: string, title?: string, people: string[] }[]} rooms */
  #show(rooms) {
    const names = new Set([...rooms.map(({ room }) => room), ...this.#joined]);
    for (const [room, item] of this.#items) {
      if (names.has(room)) continue;
      item.remove();
      this.#items.delete(room);
    }
    for (const { room, title, people } of rooms) {
      const item = this.#items.get(room) ?? this.#add(room);
      find(item, "a").textContent = title || room;
      find(item, ".people").textContent = people.length ? format(gettext("Here: {people}"), { people: people.join(", ") }) : "";
    }
  }

  /** @param {string} room */
  #add(room) {
    const item = this.template.cloneNode(true);
    item.dataset.room = room;
    find(item, "a").href = `?${new URLSearchParams({ room })}`;
    const button = find(item, ".join");
    button.hidden = room === this.page.room; // the chat shows it
    button.addEventListener("click", () => (this.#joined.has(room) ? this.#leave(room) : this.#join(room)));
    find(item, "form").addEventListener("submit", (submit) => {
      submit.preventDefault();
      this.#publish(room, submit.target.elements.text);
    });
    this.#items.set(room, item);
    const next = [...this.list.children].find((each) => each.dataset.room > room);
    this.list.insertBefore(item, next ?? null);
    return item;
  }

  /** @param {string} room */
  async #join(room) {
    this.#joined.add(room);
    this.#mark(room);
    this.#source ??= this.#open();
    (await this.#source).join(room);
  }

  /** @param {string} room */
  async #leave(room) {
    this.#joined.delete(room);
    this.#mark(room);
    const source = await this.#source;
    source.leave(room);
    if (this.#joined.size) return;
    source.close();
    this.#source = null;
  }

  /** Shows whether the room is joined. @param {string} room */
  #mark(room) {
    const item = this.#items.get(room);
    const isJoined = this.#joined.has(room);
    find(item, ".join").textContent = isJoined ? gettext("Leave") : gettext("Join");
    find(item, ".joined").hidden = !isJoined;
    if (!isJoined) find(item, "ol").replaceChildren();
  }

  /** Opens the socket, at the room of the page. */
  async #open() {
    const { [this.page.socket.export]: Source } = await import(this.page.socket.module);
    const url = new URL(this.page.socket.url, location.href);
    if (this.page.name()) url.searchParams.set("name", this.page.name());
    const source = new Source(url);
    source.addEventListener("message", ({ data }) => this.#arrived(JSON.parse(data)));
    source.addEventListener("error", ({ detail }) => showError(this.outcome, detail.reason));
    source.addEventListener("open", () => showError(this.outcome, ""));
    return source;
  }

  /** @param {any} event */
  #arrived(event) {
    if (!this.#joined.has(event.room) || !isKnown(event) || event.name !== undefined) return;
    const list = find(this.#items.get(event.room), "ol");
    const [sender, text] = senderAndText(event);
    list.append(make("li", { dir: "auto" }, make("b", { textContent: sender }), ` ${text}`));
    while (list.childElementCount > MAX_ITEMS) list.firstElementChild.remove();
  }

  /** @param {string} room @param {HTMLInputElement} field */
  async #publish(room, field) {
    showError(this.outcome, "");
    try {
      (await this.#source).publish(room, field.value, this.page.name());
      field.value = "";
    } catch (error) {
      showError(this.outcome, error.message);
    }
  }
}
