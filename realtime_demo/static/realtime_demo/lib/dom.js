/** Functions to find and make elements. */

/** The first element that matches. @param {ParentNode} parent @param {string} selector @returns {any} */
export const find = (parent, selector) => parent.querySelector(selector);

/** All elements that match. @param {ParentNode} parent @param {string} selector @returns {any[]} */
export const findAll = (parent, selector) => [...parent.querySelectorAll(selector)];

/** @returns {any} an element with these properties and children */
export const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};
