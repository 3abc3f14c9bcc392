/**
 * The bytes that carried an event: each part with an explanation and a link to the standard.
 *
 * @typedef {{ kind: string, hex: string, text: string, says: string, rfc: string, event: boolean }} Part
 * @typedef {{ request_head: string, response_head: string, carrier: Part[], sent?: Part[],
 *   note?: string }} Wire
 */
import { make } from "../lib/dom.js";
import { gettext } from "../lib/text.js";

const MAX_CHARACTERS = 600; // shown of one part
const LINE_ENDS = { "\r": "CR", "\n": "LF" };
/** Kinds of parts that are not text: their bytes are shown, with their meaning. */
const BINARY = new Set(["frame-header", "frame-length", "frame-mask"]);

/**
 * @param {Wire} wire
 * @param {Record<string, string>} explanations by key
 * @returns {Node[]}
 */
export function wireDump({ request_head: request, response_head: response, carrier, sent, note }, explanations) {
  const nodes = [];
  const explain = (key) => explanations[key] ?? key;
  if (note) nodes.push(make("p", { className: "wire-note", textContent: explain(note) }));
  nodes.push(...section(gettext("The bytes that carried it"), parts(carrier, explain)));
  if (sent?.length) nodes.push(...section(gettext("What this browser sent on the same connection"), parts(sent, explain)));
  nodes.push(...section(gettext("Request head"), head(request)));
  nodes.push(...section(gettext("Response head"), head(response)));
  return nodes;
}

const section = (title, body) => [make("h4", { textContent: title }), body];

const head = (text) => {
  const [first, ...rest] = text.trimEnd().split(/\r?\n/);
  const code = make("code");
  code.append(make("b", { textContent: first }));
  for (const line of rest) {
    const colon = line.indexOf(":");
    const name = make("span", { className: "field", textContent: line.slice(0, colon) });
    code.append("\n", name, line.slice(colon));
  }
  return make("pre", { tabIndex: 0 }, code);
};

/** @param {Part[]} list */
function parts(list, explain) {
  return make("ol", { className: "parts" }, ...list.map((part) => {
    const isBinary = BINARY.has(part.kind);
    const isBytes = isBinary || !part.text || /[^\x20-\x7e\s\u00a0-\uffff]/.test(part.text);
    const shown = isBytes ? [cut(part.hex.replace(/\s/g, "").replace(/(..)(?=.)/g, "$1 "))] : visible(cut(part.text));
    const code = make("code", { dir: "ltr" }, ...shown);
    const item = make("li", { dataset: { kind: part.kind, ...(part.event && { event: "" }) } }, code);
    if (part.says || part.rfc) {
      const sentence = make("p", { textContent: `${explain(part.says)} ` });
      if (isBinary && part.text !== shown[0]) sentence.prepend(make("code", { textContent: part.text, dir: "ltr" }), " ");
      if (part.rfc) sentence.append(make("a", { href: part.rfc, textContent: reference(part.rfc) }));
      item.append(sentence);
    }
    return item;
  }));
}

const cut = (text) => (text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)} …` : text);

/** Line ends as words, which need no symbol font. @param {string} text */
const visible = (text) => text.split(/([\r\n])/).map((piece) =>
  Object.hasOwn(LINE_ENDS, piece) ? make("i", { className: "control", textContent: LINE_ENDS[piece] }) : piece);

/** Returns a link's text, such as "RFC 9112 §7.1". @param {string} link */
function reference(link) {
  const [, number, , section] = /rfc(\d+)(?:\.html|\.txt)?(#section-([\d.]+))?/.exec(link) ?? [];
  if (number) return section ? `RFC ${number} §${section}` : `RFC ${number}`;
  return link.includes("whatwg") ? gettext("HTML Standard") : gettext("Source");
}
