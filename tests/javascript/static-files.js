/** For `node --import`: resolves `/static/<path>`, and the imports of these files, in all apps. */
import { existsSync, readdirSync } from "node:fs";
import { register } from "node:module";

const root = new URL("../../", import.meta.url);
const folders = readdirSync(root).map((app) => new URL(`${app}/static/`, root));

/** The file of an address whose path contains `/static/`. @param {string} url */
function find(url) {
  const path = url.split("/static/")[1];
  const file = path && folders.map((folder) => new URL(path, folder)).find((candidate) => existsSync(candidate));
  return file ? file.href : url;
}

/** A hook of node:module. */
export function resolve(specifier, context, next) {
  if (!/^[./]/.test(specifier)) return next(specifier, context);
  return next(find(new URL(specifier, context.parentURL ?? root).href), context);
}

const isHook = import.meta.url.endsWith("?hook");
if (!isHook) register(`${import.meta.url}?hook`);
