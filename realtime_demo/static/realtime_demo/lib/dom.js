/** Functions to find and make elements. */

/** The first element that matches. @param {ParentNode} parent @param {string} selector @returns {any} */
export const find = (parent, selector) => parent.querySelector(selector);

/** All elements that match. @param {ParentNode} parent @param {string} selector @returns {any[]} */
export const findAll = (parent, selector) => [...parent.querySelectorAll(selector)];

/**
 * Makes an element with these properties, `data-` attributes and children.
 *
 * @param {string} name
 * @param {Record<string, any>} [properties]
 * @returns {any}
 */
export const make = (name, { dataset = {}, ...properties } = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
};

/** Makes an element of an SVG picture with these attributes and children. @returns {any} */
export const makeSvg = (name, attributes = {}, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
