// Changes the HTML inside an element into other HTML, and touches only what differs: what
// has focus keeps it, a slider can be dragged on, and a screen reader is not disturbed.

/** @param {Element} element @param {string} html what its inside shall be */
export function patch(element, html) {
  const wanted = document.createElement("template");
  wanted.innerHTML = html;
  patchChildren(element, wanted.content);
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
  return one.nodeName === other.nodeName && one.dataset?.key === other.dataset?.key;
}

function patchElement(from, to) {
  if (from.nodeName === "CANVAS") return; // to set its size would wipe what is painted on it
  for (const { name } of [...from.attributes])
    if (!to.hasAttribute(name) && name !== "open") from.removeAttribute(name); // the reader opens and closes
  for (const { name, value } of [...to.attributes]) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
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
