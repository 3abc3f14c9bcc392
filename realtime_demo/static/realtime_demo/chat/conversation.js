/**
 * The conversation: each event once, as soon as any technique delivers it, with a mark for each
 * technique that has delivered it.
 */
import { marker } from "../lanes/marker.js";
import { now } from "../lib/clock.js";
import { isKnown, senderAndText } from "../lib/event-text.js";
import { format, gettext } from "../lib/text.js";

const SHOWN = 200;
const IN_SIGHT = 12; // at the end of the list, at most
const EVERY = 250; // milliseconds between two drawings, at least
const SOON = 40; // for what comes after a pause, and what comes with it
const ROOMS_EVERY = 2_000;
const time = new Intl.DateTimeFormat(document.documentElement.lang, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

export class Conversation {
  /** The events shown. @type {Map<string, any>} */
  #items = new Map();
  #waiting = [];
  #timer;
  #drawnAt = -Infinity;
  #asked = -Infinity;
  /** Whether the list shows its end, and has to go on doing so. */
  #isAtEnd = true;

  /**
   * @param {HTMLOListElement} list
   * @param {HTMLTemplateElement} template
   * @param {{ name: string, label: string, colour: object }[]} techniques
   * @param {{ room: string, rooms: string, here: HTMLElement, options: HTMLDataListElement,
   *   isOwn: (event: object) => boolean, changes: import("./changes.js").Changes }} page
   */
  constructor(list, template, techniques, page) {
    this.list = list;
    this.page = page;
    /** @type {any} */
    this.template = template.content.firstElementChild;
    const seen = this.template.querySelector(".seen");
    techniques.forEach(({ name, label, colour }, index) => {
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", marker(name));
      path.setAttribute("transform", `translate(${9 + 19 * index} 9)`);
      const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
      title.textContent = label;
      path.append(title);
      path.style.setProperty("--on-dark", colour.dark);
      path.style.setProperty("--on-light", colour.light);
      seen.append(path);
    });
    seen.setAttribute("viewBox", `0 0 ${19 * techniques.length} 18`);
    // Only scrolling up leaves the end: what is added below does not.
    let top = 0;
    list.addEventListener("scroll", () => {
      const isNear = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
      this.#isAtEnd = isNear || (this.#isAtEnd && list.scrollTop >= top);
      top = list.scrollTop;
    });
    // Another width breaks the lines elsewhere, which moves the end.
    new ResizeObserver(() => this.#follow()).observe(list);
    this.who();
  }

  /** An event has arrived on the track of this index. */
  arrived(occurrence, index, isNew) {
    this.#waiting.push({ occurrence, index, isNew });
    // Faster than anyone reads: the oldest are not drawn.
    if (this.#waiting.length > SHOWN * 6) this.#waiting.splice(0, SHOWN);
    if (this.#timer) return;
    this.#timer = setTimeout(() => this.#draw(), Math.max(SOON, this.#drawnAt + EVERY - now()));
  }

  #draw() {
    this.#timer = undefined;
    this.#drawnAt = now();
    const waiting = this.#waiting.splice(0);
    const added = waiting.filter(({ isNew }) => isNew).slice(-SHOWN);
    const items = added.map(({ occurrence }) => this.#show(occurrence)).filter(Boolean);
    this.list.append(...items);
    for (const { occurrence, index } of waiting) {
      this.#items.get(occurrence.id)?.querySelector(".seen")?.children[index]?.classList.add("is-here");
    }
    while (this.list.childElementCount > SHOWN) {
      const oldest = /** @type {HTMLElement} */ (this.list.firstElementChild);
      this.#items.delete(oldest.dataset.id);
      oldest.remove();
    }
    // The last items stay rendered: their heights decide where the end is.
    let past = this.list.children[this.list.childElementCount - IN_SIGHT - 1];
    for (; past && !past.classList.contains("is-past"); past = past.previousElementSibling) {
      past.classList.add("is-past");
    }
    this.#follow();
    if (added.some(({ occurrence: { event } }) => event.type === "join" || event.type === "leave")) this.who();
  }

  #follow() {
    if (this.#isAtEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  /** Returns the item of an event; null for an edit, which changes an earlier item, and for an unknown type. */
  #show({ event }) {
    if (event.type === "edit" || event.type === "delete") return this.#change(event);
    if (!isKnown(event)) return null;
    const item = this.template.cloneNode(true);
    const part = (selector) => item.querySelector(selector);
    item.dataset.type = event.type;
    item.dataset.id = event.id;
    if (this.page.isOwn(event)) item.dataset.own = "";
    const published = new Date(event.published_at * 1000);
    part("time").dateTime = published.toISOString();
    part("time").textContent = time.format(published);
    const [sender, text] = senderAndText(event);
    part(".sender").textContent = sender;
    part(".sender").classList.toggle("verified", event.verified === true);
    part(".text").textContent = text;
    if (event.type === "reset") part(".seen").remove();
    this.page.changes.offer(item, event);
    this.#items.set(event.id, item);
    return item;
  }

  /** Changes an item: the last edit counts, and none after a deletion. */
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
   * Asks who is here, and which rooms there are; and once more a little later, since the answer
   * may be of a moment before. @param {boolean} [again]
   */
  async who(again = true) {
    if (again) {
      clearTimeout(this.later);
      this.later = setTimeout(() => this.who(false), 2 * ROOMS_EVERY);
      if (now() - this.#asked < ROOMS_EVERY) return;
    }
    this.#asked = now();
    try {
      const response = await fetch(this.page.rooms, { cache: "no-store" });
      const { rooms } = await response.json();
      const people = rooms.find(({ room }) => room === this.page.room)?.people ?? [];
      this.page.here.textContent = people.length ? format(gettext("Here: {people}"), { people: people.join(", ") }) : "";
      this.page.options.replaceChildren(...rooms.map(({ room }) => new Option(room, room)));
    } catch {
      // Unreachable: the lanes show it.
    }
  }
}
