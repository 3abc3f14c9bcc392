/** The menu of the scenarios, and the actions of a scenario on the page. */
import { format, gettext, ngettext } from "../lib/text.js";
import { scenarioFigures } from "./scenario-figures.js";
import { ScenarioPanel } from "./scenario-panel.js";

/** Settings that a scenario may change. */
const SCENARIO_SETTINGS = ["rtt", "jitter", "bandwidth", "interval", "rate"];

/** Returns the reason why this page cannot run scenarios that need the demo's controls; "": it can. */
function unavailableReason(demo) {
  if (!demo) return gettext("This scenario needs the demo. Start it with make demo.");
  if (demo.mayControl) return "";
  return gettext("The feed and the network are controlled on the machine that runs the demo.");
}

/**
 * @param {HTMLElement} element
 * @param {HTMLSelectElement} menu
 * @param {import("./scenario-panel.js").Scenario[]} scenarios
 * @param {object} page
 * @param {import("../lib/settings.js").Settings} page.settings
 * @param {import("../sources/receiver.js").Receiver[]} page.receivers
 * @param {import("../lib/demo-control.js").DemoControl | null} page.demo
 * @param {import("../lanes/timeline.js").Timeline} page.timeline
 * @param {import("./forecast.js").Forecast} page.forecast
 * @param {import("./controls.js").Controls} page.controls
 * @param {import("../lanes/playback.js").Playback} page.playback
 * @param {() => void} page.resetFigures
 * @param {(text: string) => void} page.note
 * @param {(text: string) => void} page.announce
 * @returns {{ panel: ScenarioPanel, open: () => void }} `open` shows the scenario of the address
 */
export function prepareScenarios(element, menu, scenarios, page) {
  const { settings, receivers, timeline, forecast, demo, controls, playback, resetFigures, note, announce } = page;
  const stream = receivers.find(({ technique }) => technique.isStream);
  const extraConnections = [];

  /** Actions of a scenario besides those of the controls. */
  const actions = {
    connections: ({ count = 3 }) => {
      for (let index = 0; index < count; index += 1) {
        const controller = new AbortController();
        extraConnections.push(controller);
        const url = new URL(stream.technique.url, location.href);
        url.searchParams.set("extra", `${extraConnections.length}`);
        fetch(url, { cache: "no-store", signal: controller.signal }).catch(() => {});
      }
      note(format(ngettext("{count} more connection", "{count} more connections", count), { count }));
    },
    resume: () => {
      for (const controller of extraConnections.splice(0)) controller.abort();
      const faults = demo?.state?.faults;
      if (!faults || !demo.mayControl) return;
      // Send all requests at once: a page that is closing cannot send later.
      if (faults.stalled.length) controls.do("stall", { on: false });
      if (faults.buffering) controls.do("buffering", { on: false });
      if (faults.gzip) controls.do("gzip", { on: false });
    },
  };

  function act({ do: action, ...values }) {
    delete values.after; // the time of the action
    if (actions[action]) return actions[action](values);
    return controls.do(action, Object.keys(values).length ? values : undefined);
  }

  /** The settings without a scenario. */
  const defaults = () => Object.fromEntries(SCENARIO_SETTINGS.map((name) => [name, settings.default(name)]));

  const panel = new ScenarioPanel(element, scenarios, {
    unavailable: unavailableReason(demo),
    prepare: (scenario) => {
      playback.freeze(false);
      demo?.beginLease();
      actions.resume(); // an interrupted run may have left faults behind
      const { lanes, ...rest } = scenario.settings ?? {};
      settings.set({ ...defaults(), ...rest }, "scenario");
      for (const each of receivers) each.want(!lanes || `${lanes}`.includes(each.technique.name));
      if (demo?.mayControl) controls.do("feed", { running: true });
      resetFigures();
    },
    act,
    figures: (hiddenTime) => scenarioFigures(receivers, forecast.predictions, hiddenTime),
    hiddenBetween: (from, to) => timeline.hiddenBetween(from, to),
    announce,
  });

  const open = () => {
    menu.value = settings.get("scene");
    const wasOpen = panel.scenario !== null;
    demo?.endLease();
    panel.open(menu.value);
    // The end of the lease restores the settings of the demo: do not send the defaults to it.
    if (wasOpen && !panel.scenario) settings.set(defaults(), "demo");
    if (panel.scenario) playback.freeze(false);
  };
  for (const { slug, title } of scenarios) menu.append(new Option(title, slug));
  /** @type {HTMLElement} */ (menu.closest("[data-menu]")).hidden = !scenarios.length;
  menu.addEventListener("change", () => {
    settings.set({ scene: menu.value });
  });
  panel.parts.close.addEventListener("click", () => settings.set({ scene: "" }));
  settings.addEventListener("change", (/** @type {any} */ { detail }) => detail.names.includes("scene") && open());
  return { panel, open };
}
