/**
 * The conversation: each event once, as soon as any technique delivers it, with a mark for each
 * technique that has delivered it.
 */
import { marker } from "../lanes/marker.js";
import { now } from "../lib/clock.js";
import { makeSvg } from "../lib/dom.js";
import { isKnown, senderAndText } from "../lib/event-text.js";
import { request } from "../lib/request.js";
import { format, gettext, timeFormat } from "../lib/text.js";

const MAX_ITEMS = 200;
const RENDERED_ITEMS = 12; // at the end of the list
const DRAW_INTERVAL = 250; // milliseconds: the shortest time between two drawings
const FIRST_DELAY = 40; // milliseconds from the first event after a pause to its drawing, with any that follow it
const ROOMS_INTERVAL = 2_000;
const times = timeFormat();

export class Conversation {
  /** The events shown. @type {Map<string, any>} */
  #items = new Map();
  #pending = [];
  #timer;
  #drawnAt = -Infinity;
  #roomsRequestedAt = -Infinity;
  /** Whether the list shows its end; it then follows new events. */
  #isAtEnd = true;

  /**
   * @param {HTMLOListElement} list
   * @param {HTMLTemplateElement} template
   * @param {{ name: string, label: string, colour: object }[]} techniques
   * @param {{ room: string, rooms: string, people: HTMLElement, roomOptions: HTMLDataListElement,
   *   isOwn: (event: object) => boolean, changes: import("./changes.js").Changes }} page
   */
  constructor(list, template, techniques, page) {
    this.list = list;
    this.page = page;
    /** @type {any} */
    this.template = template.content.firstElementChild;
    const seen = this.template.querySelector(".seen");
    techniques.forEach(({ name, label, colour }, index) => {
      const shape = { d: marker(name), transform: `translate(${9 + 19 * index} 9)` };
      const path = makeSvg("path", shape, makeSvg("title", {}, label));
      path.style.setProperty("--on-dark", colour.dark);
      path.style.setProperty("--on-light", colour.light);
      seen.append(path);
    });
    seen.setAttribute("viewBox", `0 0 ${19 * techniques.length} 18`);
    // The list leaves its end only if the user scrolls up, not when an item is added.
    let lastTop = 0;
    list.addEventListener("scroll", () => {
      const isNear = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
      this.#isAtEnd = isNear || (this.#isAtEnd && list.scrollTop >= lastTop);
      lastTop = list.scrollTop;
    });
    // A new width wraps the lines differently, which moves the list's end.
    new ResizeObserver(() => this.#follow()).observe(list);
    this.updateRooms();
  }

  /** Shows an event that has arrived on the track of this index. */
  arrived(occurrence, index, isNew) {
    this.#pending.push({ occurrence, index, isNew });
    // More events than can be shown: the oldest are not drawn.
    if (this.#pending.length > MAX_ITEMS * 6) this.#pending.splice(0, MAX_ITEMS);
    if (this.#timer) return;
    this.#timer = setTimeout(() => this.#draw(), Math.max(FIRST_DELAY, this.#drawnAt + DRAW_INTERVAL - now()));
  }

  #draw() {
    this.#timer = undefined;
    this.#drawnAt = now();
    const pending = this.#pending.splice(0);
    const added = pending.filter(({ isNew }) => isNew).slice(-MAX_ITEMS);
    const items = added.map(({ occurrence }) => this.#show(occurrence)).filter(Boolean);
    this.list.append(...items);
    for (const { occurrence, index } of pending) {
      this.#items.get(occurrence.id)?.querySelector(".seen")?.children[index]?.classList.add("is-here");
    }
    while (this.list.childElementCount > MAX_ITEMS) {
      const oldest = /** @type {HTMLElement} */ (this.list.firstElementChild);
      this.#items.delete(oldest.dataset.id);
      oldest.remove();
    }
    // Keep the last items rendered: the position of the end depends on their heights.
    let item = this.list.children[this.list.childElementCount - RENDERED_ITEMS - 1];
    for (; item && !item.classList.contains("is-past"); item = item.previousElementSibling) {
      item.classList.add("is-past");
    }
    this.#follow();
    if (added.some(({ occurrence: { event } }) => event.type === "join" || event.type === "leave")) this.updateRooms();
  }

  #follow() {
    if (this.#isAtEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  /** Returns the item of an event. Null for an edit, for an event with a name, and for an unknown type. */
  #show({ event }) {
    if (event.type === "edit" || event.type === "delete") return this.#change(event);
    if (!isKnown(event) || event.name !== undefined) return null;
    const item = this.template.cloneNode(true);
    const part = (selector) => item.querySelector(selector);
    item.dataset.type = event.type;
    item.dataset.id = event.id;
    if (this.page.isOwn(event)) item.dataset.own = "";
    const published = new Date(event.published_at * 1000);
    part("time").dateTime = published.toISOString();
    part("time").textContent = times.format(published);
    const [sender, text] = senderAndText(event);
    part(".sender").textContent = sender;
    part(".sender").classList.toggle("verified", event.verified === true);
    part(".text").textContent = text;
    if (event.type === "reset") part(".seen").remove();
    this.page.changes.addButtons(item, event);
    this.#items.set(event.id, item);
    return item;
  }

  /** Applies an edit to an item: the latest one wins; a deleted item does not change again. */
  #change({ type, of, text }) {
    const item = this.#items.get(of);
    if (!item || item.dataset.change === "delete") return null;
    item.dataset.change = type;
    item.querySelector(".text").textContent = type === "delete" ? gettext("deleted") : text;
    item.querySelector(".change").textContent = type === "edit" ? gettext("edited") : "";
    if (type === "delete") for (const part of item.querySelectorAll(".actions, .edit")) part.remove();
    item.querySelector(".text").hidden = item.querySelector(".edit") !== null;
    return null;
  }

  /**
   * Requests the rooms and the people present, and once more a little later: the first response may
   * be older than the change that caused the request. @param {boolean} [again]
   */
  async updateRooms(again = true) {
    if (again) {
      clearTimeout(this.roomsTimer);
      this.roomsTimer = setTimeout(() => this.updateRooms(false), 2 * ROOMS_INTERVAL);
      if (now() - this.#roomsRequestedAt < ROOMS_INTERVAL) return;
    }
    this.#roomsRequestedAt = now();
    try {
      const { rooms } = await request(this.page.rooms, { cache: "no-store" });
      const people = rooms.find(({ room }) => room === this.page.room)?.people ?? [];
      this.page.people.textContent = people.length ? format(gettext("Here: {people}"), { people: people.join(", ") }) : "";
      this.page.roomOptions.replaceChildren(...rooms.map(({ room }) => new Option(room, room)));
    } catch {
      // The lanes already show that the server is unreachable.
    }
  }
}
