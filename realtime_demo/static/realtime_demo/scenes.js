/** What the situations may do to the page, and the menu that opens them. */
import { Situation } from "./situation.js";
import { duration, percent, say } from "./strings.js";

/** Settings that a scene may change. */
const CHANGED = ["rtt", "jitter", "bandwidth", "interval", "rate"];

/**
 * What was measured, by the names that answers have for it.
 *
 * @param {import("./receiver.js").Receiver[]} receivers
 */
function figures(receivers) {
  const values = {};
  const total = { lost: 0, doubled: 0, reconnects: 0, requests: 0 };
  for (const { technique, delays, ledger, track, reconnects } of receivers) {
    const { median, p95 } = delays.figures;
    const own = {
      median: duration(median),
      p95: duration(p95),
      requests: track.requests,
      empty: percent(track.emptyShare),
      reconnects,
      lost: ledger.lost,
      doubled: ledger.doubled,
      received: ledger.received,
      open: track.open,
    };
    for (const [name, value] of Object.entries(own)) values[`${name}.${technique.name}`] = value;
    for (const name of Object.keys(total)) total[name] += own[name];
  }
  for (const [name, value] of Object.entries(total)) values[`${name}.total`] = value;
  return values;
}

/**
 * @param {HTMLElement} part
 * @param {HTMLSelectElement} menu
 * @param {object[]} scenes
 * @param {object} page
 * @param {string} page.room
 * @param {import("./address.js").Settings} page.settings
 * @param {import("./receiver.js").Receiver[]} page.receivers
 * @param {import("./stage.js").Stage | null} page.stage
 * @param {import("./controls.js").Controls} page.controls
 * @param {import("./moment.js").Moment} page.moment
 * @param {HTMLElement} page.legend which a scene takes the place of
 * @param {() => void} page.forget what was measured
 * @param {(text: string) => void} page.note
 * @param {(words: string) => void} page.announce
 * @returns {{ situation: Situation, open: () => void }} `open` the one in the address
 */
export function prepareScenes(part, menu, scenes, page) {
  const { room, settings, receivers, stage, controls, moment, legend, forget, note, announce } = page;
  const extra = [];

  /** What a scene may do besides the controls' own actions. */
  const actions = {
    connections: ({ count = 3 }) => {
      for (let index = 0; index < count; index += 1) {
        const ending = new AbortController();
        extra.push(ending);
        const url = new URL(`/streaming/${room}/`, location.href);
        url.searchParams.set("extra", `${extra.length}`);
        fetch(url, { cache: "no-store", signal: ending.signal }).catch(() => {});
      }
      note(say("noteConnections", { count }));
    },
    resume: () => {
      for (const ending of extra.splice(0)) ending.abort();
      const faults = stage?.state?.faults;
      if (!faults || !stage.mayControl) return;
      // All at once: a page that is being left asks nothing later.
      if (faults.stalled.length) controls.do("stall", { on: false });
      if (faults.buffering) controls.do("buffering", { on: false });
      if (faults.gzip) controls.do("gzip", { on: false });
    },
  };

  function act({ after, do: action, ...what }) {
    if (actions[action]) return actions[action](what);
    if (Object.hasOwn(what, "settings")) return settings.set(what.settings, "scene");
    return controls.do(action, Object.keys(what).length ? what : undefined);
  }

  /** As they are without a scene. */
  const usual = () => Object.fromEntries(CHANGED.map((name) => [name, settings.default(name)]));

  const situation = new Situation(part, scenes, {
    lacks: stage?.mayControl ? "" : stage ? "sceneElsewhere" : "sceneNeedsStage",
    prepare: (scene) => {
      moment.freeze(false);
      actions.resume(); // whatever a run that did not come to its end has left behind
      const { lanes: wanted, ...rest } = scene.settings ?? {};
      settings.set({ ...usual(), ...rest }, "scene");
      for (const each of receivers) each.want(!wanted || `${wanted}`.includes(each.technique.name));
      if (stage?.mayControl) controls.do("feed", { running: true });
      forget();
    },
    act,
    figures: () => figures(receivers),
    announce,
  });

  const open = () => {
    menu.value = settings.get("scene");
    const wasOpen = situation.scene !== null;
    situation.open(menu.value);
    if (wasOpen && !situation.scene) settings.set(usual(), "scene");
    legend.hidden = Boolean(situation.scene);
    if (situation.scene) moment.freeze(false);
  };
  for (const { slug, title } of situation.scenes) menu.append(new Option(title, slug));
  menu.closest("[data-menu]").hidden = !situation.scenes.length;
  menu.addEventListener("change", () => {
    settings.set({ scene: menu.value });
    if (situation.scene) part.scrollIntoView({ block: "nearest" });
  });
  situation.parts.close.addEventListener("click", () => settings.set({ scene: "" }));
  settings.addEventListener("change", ({ detail }) => detail.names.includes("scene") && open());
  return { situation, open };
}
