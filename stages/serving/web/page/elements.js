// Elements of text. Nothing that comes from outside is ever parsed as markup.

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, string | null>} attributes A null is left out.
 * @param {...(Node | string | null)} children Strings become text; a null is left out.
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Make a list of terms: rows of [term, text or node]; rows without a text are left out. */
export function terms(rows) {
  const list = element("dl");
  for (const [term, value] of rows) {
    if (value === null || value === undefined || value === "") continue;
    list.append(element("dt", {}, term), element("dd", {}, value));
  }
  return list;
}
