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

/**
 * The buttons that end every figure, and the line that shows what was copied.
 * @param {boolean} isPage whether it stands on a page, and not in a notebook
 * @param {boolean} hasOwn whether it has a page of its own, too
 */
export function linkHtml(isPage, hasOwn) {
  return {
    buttons:
      `<button type="button" data-do="copy">Copy ${isPage ? "link to this picture" : "the state"}</button>\n` +
      (hasOwn ? '  <button type="button" data-do="embed">Copy code for your page</button>\n' : "") +
      '  <button type="button" data-do="reset">Start again</button>',
    line: '<p class="vip-link" data-part="link" hidden><label><span>Link</span> <input type="text" readonly></label></p>',
  };
}

/** Show and copy the link to a state; in a notebook, which has no address, the state. */
export function copyLink(el, model, name, text, say) {
  const page = model.get("link");
  const link = page ? `${page}#${name}=${text}` : text;
  copy(el, page ? "Link" : "State", link, () =>
    say(page ? "Link copied." : "State copied; pass it as state= to the widget."),
  );
}

/** Show and copy the HTML that puts a figure, as it is now, into another page. */
export function copyEmbed(el, model, scene, text, say) {
  const address = new URL(`${model.get("alone")}#${scene.name}=${text}`, model.get("link"));
  const { width, height } = el.getBoundingClientRect();
  const [wide, high] = [width + 16, height + 40].map(Math.ceil); // with margins, and lines that break elsewhere
  const html =
    `<iframe src="${escape(address.href)}" title="${escape(scene.title)}" loading="lazy" ` +
    `style="width:100%;max-width:${wide}px;height:${high}px;border:0"></iframe>`;
  copy(el, "HTML", html, () =>
    say("HTML copied; put it into a page of yours. The frame is as large as the figure here."),
  );
}

function copy(el, what, text, then) {
  const line = el.querySelector('[data-part="link"]');
  const field = line.querySelector("input");
  line.querySelector("span").textContent = what;
  line.hidden = false;
  field.value = text;
  field.select();
  // In a frame it may be forbidden, and a browser complains of the mere try.
  const { featurePolicy } = /** @type {*} */ (document);
  if (featurePolicy?.allowsFeature("clipboard-write") === false) return;
  navigator.clipboard?.writeText(text).then(then, () => {});
}
