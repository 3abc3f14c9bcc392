/**
 * The conversation: each event once, as soon as any technique brings it, and beside it a mark
 * for each technique that has brought it by now.
 */
import { now } from "./clock.js";
import { marker } from "./markers.js";
import { say } from "./strings.js";
import { isWorded, wording } from "./wording.js";

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
  /** Of the events shown. @type {Map<string, HTMLElement>} */
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
    Object.assign(this, { list, page });
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
    // Only upwards does anyone leave the end: what grows below moves it away without them.
    let top = 0;
    list.addEventListener("scroll", () => {
      const isNear = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
      this.#isAtEnd = isNear || (this.#isAtEnd && list.scrollTop >= top);
      top = list.scrollTop;
    });
    // Another width breaks the lines anew, and the end would be somewhere else.
    new ResizeObserver(() => this.#follow()).observe(list);
    this.who();
  }

  /** An event has arrived on the track of this index. */
  arrived(occurrence, index, isNew) {
    this.#waiting.push({ occurrence, index, isNew });
    // Faster than anyone reads: the oldest are not drawn at all.
    if (this.#waiting.length > SHOWN * 6) this.#waiting.splice(0, SHOWN);
    this.#timer ??= setTimeout(() => this.#draw(), Math.max(SOON, this.#drawnAt + EVERY - now()));
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
      this.#items.delete(this.list.firstElementChild.dataset.id);
      this.list.firstElementChild.remove();
    }
    // The last ones stay measured, so that the end is where it seems to be.
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

  /** The item of an event, if it has one: an edit changes an earlier one, and a type unknown is passed over. */
  #show({ event }) {
    if (event.type === "edit" || event.type === "delete") return this.#change(event);
    if (!isWorded(event)) return null;
    const item = this.template.cloneNode(true);
    const part = (selector) => item.querySelector(selector);
    item.dataset.type = event.type;
    item.dataset.id = event.id;
    if (this.page.isOwn(event)) item.dataset.own = "";
    const published = new Date(event.published_at * 1000);
    part("time").dateTime = published.toISOString();
    part("time").textContent = time.format(published);
    const [sender, text] = wording(event);
    part(".sender").textContent = sender;
    part(".sender").classList.toggle("verified", event.verified === true);
    part(".text").textContent = text;
    if (event.type === "reset") part(".seen").remove();
    this.page.changes.offer(item, event);
    this.#items.set(event.id, item);
    return item;
  }

  /** Of several edits the last counts, after a deletion none does. */
  #change({ type, of, text }) {
    const item = this.#items.get(of);
    if (!item || item.dataset.change === "delete") return null;
    item.dataset.change = type;
    item.querySelector(".text").textContent = type === "delete" ? say("deleted") : text;
    item.querySelector(".change").textContent = type === "edit" ? say("edited") : "";
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
      this.page.here.textContent = people.length ? say("here", { people: people.join(", ") }) : "";
      this.page.options.replaceChildren(...rooms.map(({ room }) => new Option(room, room)));
    } catch {
      // Unreachable: the lanes say so.
    }
  }
}
