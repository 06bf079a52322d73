// Changes the HTML inside an element into other HTML, and touches only what differs: what
// has focus keeps it, a slider can be dragged on, and a screen reader is not disturbed.

/**
 * @param {Element} element
 * @param {string[]} parts what its inside shall be; if it has several parts, each is one
 *   element, and a part that is as it was is not even read
 * @param {string[]} [before] what it was
 */
export function patch(element, parts, before) {
  if (parts.length === 1 || parts.length !== before?.length) patchChildren(element, parsed(parts.join("")));
  else
    parts.forEach((html, i) => {
      if (html !== before[i]) patchElement(element.children[i], parsed(html).firstElementChild);
    });
}

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

function patchChildren(from, to) {
  const [old, wanted] = [[...from.childNodes], [...to.childNodes]];
  wanted.forEach((node, i) => {
    if (isDrawn(node) && old[i]?.isEqualNode(node)) return; // most of a picture, and quick to tell
    if (!old[i]) from.append(node);
    else if (!isAlike(old[i], node)) old[i].replaceWith(node);
    else if (node.nodeType === Node.ELEMENT_NODE) patchElement(old[i], node);
    else if (old[i].data !== node.data) old[i].data = node.data;
  });
  for (const node of old.slice(wanted.length)) node.remove();
}

/** What lies in an SVG: a reader changes nothing there, so all of it is in its attributes. */
function isDrawn(node) {
  return node.namespaceURI === "http://www.w3.org/2000/svg";
}

/** Elements of one name are changed into each other, but not one with a key into another. */
function isAlike(one, other) {
  return one.nodeName === other.nodeName && one.getAttribute?.("data-key") === other.getAttribute?.("data-key");
}

function patchElement(from, to) {
  if (from.nodeName === "CANVAS") return; // to set its size would wipe what is painted on it
  const isYours = to.hasAttribute("data-yours"); // open at first, and then as the reader leaves it
  const names = to.getAttributeNames().filter((name) => name !== "open" || !isYours);
  for (const name of names) {
    const value = to.getAttribute(name);
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  if (from.attributes.length > names.length)
    for (const name of from.getAttributeNames())
      if (!to.hasAttribute(name) && name !== "open") from.removeAttribute(name); // the reader opens and closes
  const { value } = to; // its children are about to move
  patchChildren(from, to);
  // What the reader has chosen or typed is no attribute.
  if (from.nodeName === "INPUT" && from.type === "checkbox") from.checked = to.checked;
  else if (from.nodeName === "SELECT" || (from.nodeName === "INPUT" && to.hasAttribute("value") && !isTyping(from))) {
    if (from.value !== value) from.value = value;
  }
}

function isTyping(input) {
  return input === document.activeElement && ["text", "number"].includes(input.type);
}
