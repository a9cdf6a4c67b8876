// Elements and text. Nothing in these files ever parses a string as markup.

/** Makes an element; strings among the children become text. */
function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** Makes an SVG element. */
function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value !== false && value != null) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

const byId = (id) => document.getElementById(id);

// Controls, bidirectional overrides, separators that break lines unseen, halves of pairs.
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;

const codePoint = (character) =>
  `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** Returns a text on one line, with every character that would act unseen spelled out. */
const plain = (text) => text.replace(/[\r\n\t]+/g, " ").replace(UNSEEN, codePoint);

/** Returns a text as nodes, with every character that would act unseen shown as its code. */
function shown(text) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(UNSEEN)) {
    nodes.push(text.slice(from, match.index), el("span", { class: "code-point" }, codePoint(match[0])));
    from = match.index + match[0].length;
  }
  return [...nodes, text.slice(from)];
}

const percent = (share, digits = 1) => (share == null ? "–" : `${(100 * share).toFixed(digits)} %`);
const count = (number) => number.toLocaleString("en");
