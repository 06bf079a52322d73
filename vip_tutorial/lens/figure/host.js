// What every figure needs of the page or notebook that it stands in: to be drawn anew when
// its data is replaced, the theme, a link to its state, a sentence where it cannot be drawn.

/**
 * Text as HTML, inside an element or an attribute in quotes.  Whatever comes from data goes
 * through it where HTML is put together, and nowhere before.
 */
export const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Of a button with nothing to do now: one that is disabled would lose the focus it has. */
export const offHtml = (isOff) => (isOff ? ' aria-disabled="true"' : "");

/**
 * anywidget's entry point for a kind of figure.
 * @param {string} kind
 * @param {string[]} watched the model's values that the figure shows
 * @param {(host: {model: object, el: HTMLElement, again: boolean}) => () => void} begin
 *   draws the figure and brings it to life; returns what ends it.  `again`: its data was
 *   replaced, and its state is of the old data.
 */
export function renderWith(kind, watched, begin) {
  return ({ model, el }) => {
    let close = () => {};
    const draw = (again = false) => {
      el.classList.add("vip", `vip-${kind}`);
      try {
        close = begin({ model, el, again });
      } catch (error) {
        el.innerHTML = problemHtml(error);
      }
    };
    const redraw = () => {
      close();
      close = () => {};
      el.innerHTML = "";
      draw(true);
    };
    draw();
    for (const key of watched) model.on(`change:${key}`, redraw);
    return () => {
      for (const key of watched) model.off?.(`change:${key}`, redraw);
      close();
    };
  };
}

export function problemHtml(error) {
  return `<p class="vip-problem">This figure cannot be drawn: ${escape(error.message)}. The rest of the page works without it.</p>`;
}

/**
 * Call `changed` whenever the page turns light or dark, or the figure gets another size.
 * @returns {() => void} what ends that
 */
export function watchLooks(el, changed) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const resized = new ResizeObserver(changed);
  resized.observe(el);
  const themed = new MutationObserver(changed);
  for (const watched of [document.documentElement, document.body])
    themed.observe(watched, {
      attributes: true,
      attributeFilter: ["data-theme", "theme", "class", "data-jp-theme-light"],
    });
  dark.addEventListener("change", changed);
  return () => {
    resized.disconnect();
    themed.disconnect();
    dark.removeEventListener("change", changed);
  };
}

/** Tell the style sheet whether this page is light or dark, and read its colours. */
export function themeOf(el) {
  const { documentElement: html, body } = document;
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const said =
    html.dataset.theme || html.getAttribute("theme") || (body.dataset.jpThemeLight === "false" ? "dark" : "");
  const isDark = said
    ? said === "dark"
    : body.classList.contains("vscode-dark") || (systemIsDark && !body.dataset.jpThemeLight);
  el.dataset.vipTheme = isDark ? "dark" : "light";
  const style = getComputedStyle(el);
  return Object.fromEntries(
    ["ink", "faint", "line", "paper", "soft", "accent"].map((name) => [
      name,
      style.getPropertyValue(`--vip-${name}`).trim(),
    ]),
  );
}

/** The buttons that end every figure, and the line that shows a link. */
export function linkHtml(isPage) {
  return {
    buttons:
      `<button type="button" data-do="copy">Copy ${isPage ? "link to this picture" : "the state"}</button>\n` +
      '  <button type="button" data-do="reset">Start again</button>',
    line: '<p class="vip-link" data-part="link" hidden><label>Link <input type="text" readonly></label></p>',
  };
}

/** Show and copy the link to a state; in a notebook, which has no address, the state. */
export function copyLink(el, model, name, text, say) {
  const page = model.get("link");
  const link = page ? `${page}#${name}=${text}` : text;
  const line = el.querySelector('[data-part="link"]');
  const field = line.querySelector("input");
  line.hidden = false;
  field.value = link;
  field.select();
  // In a frame it may be forbidden, and a browser complains of the mere try.
  const { featurePolicy } = /** @type {*} */ (document);
  if (featurePolicy?.allowsFeature("clipboard-write") === false) return;
  navigator.clipboard?.writeText(link).then(
    () => say(page ? "Link copied." : "State copied; pass it as state= to the widget."),
    () => {},
  );
}
