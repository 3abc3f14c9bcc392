/** One HTML file with a recording and its player: styles, messages and scripts. */

const IMPORT = /(\bfrom |\bimport )"(\.{1,2}\/[^"]+)"/g;

/** JSON for a script element: its content ends at the first end tag. @param {unknown} value */
const forScript = (value) => JSON.stringify(value).replaceAll("<", "\\u003c");

/** @param {string | URL} url */
async function load(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.text();
}

/**
 * Returns the modules that `url` imports, and itself, as `data:` URLs by path. In a module from such
 * a URL relative imports do not resolve: they become paths, which the import map resolves.
 *
 * @param {URL} url
 * @param {Record<string, string>} modules
 */
async function collectModules(url, modules = {}) {
  if (url.pathname in modules) return modules;
  modules[url.pathname] = ""; // before its imports, which may import it
  const source = await load(url);
  for (const [, , specifier] of source.matchAll(IMPORT)) await collectModules(new URL(specifier, url), modules);
  const code = source.replace(IMPORT, (_, keyword, specifier) => `${keyword}"${nameOf(new URL(specifier, url).pathname)}"`);
  modules[url.pathname] = `data:text/javascript;charset=utf-8,${encodeURIComponent(code)}`;
  return modules;
}

/** A bare specifier: an import map resolves it from any module. @param {string} path */
const nameOf = (path) => `file${path}`;

/**
 * Returns the page at `address` as one HTML file that contains `recording`.
 *
 * @param {string} address
 * @param {import("./recording.js").Recording} recording
 */
export async function toStandalone(address, recording) {
  const page = new DOMParser().parseFromString(await load(address), "text/html");
  const urlOf = (element, attribute) => new URL(element.getAttribute(attribute), address);
  const head = [];
  for (const link of page.querySelectorAll("link[rel=stylesheet]")) head.push(`<style>${await load(urlOf(link, "href"))}</style>`);
  for (const script of page.querySelectorAll("script[defer]")) head.push(`<script>${await load(urlOf(script, "src"))}</script>`);
  const main = urlOf(page.querySelector("script[type=module][src$='replay/main.js']"), "src");
  const modules = Object.entries(await collectModules(main)).map(([path, url]) => [nameOf(path), url]);
  head.push(
    `<script type="importmap">${forScript({ imports: Object.fromEntries(modules) })}</script>`,
    `<script type="application/json" id="recording">${forScript(recording)}</script>`,
    `<script type="module">import ${forScript(nameOf(main.pathname))};</script>`,
  );
  for (const element of page.querySelectorAll("link, script[src], header.masthead")) element.remove();
  // As text: elements made here would be subject to this page's security policy.
  const html = page.documentElement.outerHTML.replace("</head>", () => `${head.join("\n")}\n</head>`);
  return `<!doctype html>\n${html}`;
}
