// Brings the figures of a page to life, with no kernel and no network, be it one of the
// built site or a file that holds a figure alone.  A page holds each widget's first frame
// and, beside it, the widget's state as JSON.

const SAVE_MS = 100; // browsers are slow to write an address, and a held key writes many

/** A stand-in for the notebook's model: JSON in, state kept in the page's address. */
function pageModel(data) {
  const listeners = {};
  const name = data.name;
  const isAddressed = location.protocol !== "about:"; // a page within a page has no address of its own
  const values = { ...data, link: isAddressed ? location.href.split("#")[0] : "" };
  const model = {
    get: (key) => values[key],
    set: (key, value) => (values[key] = value),
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    off: (event, listener) => (listeners[event] = (listeners[event] ?? []).filter((l) => l !== listener)),
    save_changes() {
      if (saving) return;
      save();
      saving = setTimeout(() => {
        saving = 0;
        if (values.state !== saved) save();
      }, SAVE_MS);
    },
  };
  let saving = 0;
  let saved = "";
  const save = () => {
    saved = values.state;
    const others = location.hash
      .slice(1)
      .split("&")
      .filter((part) => part.includes("=") && !part.startsWith(`${name}=`));
    try {
      history.replaceState(null, "", `#${[...others, `${name}=${values.state}`].join("&")}`);
    } catch {
      // Some browsers refuse this for pages opened from disk, all in a frame without an
      // origin; the figure works on.
    }
  };
  const read = () => findInFragment(location.hash, name);
  if (read() !== null) values.state = read();
  window.addEventListener("hashchange", () => {
    if (read() === null) return; // a link to elsewhere on the page
    values.state = read();
    listeners["change:state"]?.forEach((listener) => listener());
  });
  return model;
}

/** The part of a URL fragment that belongs to the figure called `name`, or null. */
function findInFragment(fragment, name) {
  for (const part of fragment.replace(/^#/, "").split("&"))
    if (part.startsWith(`${name}=`)) {
      try {
        return decodeURIComponent(part.slice(name.length + 1));
      } catch {
        return part.slice(name.length + 1);
      }
    }
  return null;
}

/** Call back when the reader is about to come to an element. */
function whenNear(element, call) {
  const watcher = new IntersectionObserver(
    (changes) => {
      if (!changes.some(({ isIntersecting }) => isIntersecting)) return;
      watcher.disconnect();
      call();
    },
    { rootMargin: "1000px" },
  );
  watcher.observe(element);
}

/**
 * The large values of a figure.  They are a script of their own, which calls `vipApart`
 * with them: a page that was opened from disk can load that, and nothing else.
 * @typedef {HTMLScriptElement & {vipValues?: object}} ApartScript
 */
const apartScripts = new Map();
function loadApart(address) {
  if (!apartScripts.has(address)) {
    const loaded = new Promise((resolve, reject) => {
      const script = /** @type {ApartScript} */ (document.createElement("script"));
      script.src = address;
      script.onload = () => (script.vipValues ? resolve(script.vipValues) : reject());
      script.onerror = reject;
      document.head.append(script);
    });
    apartScripts.set(address, loaded);
  }
  return apartScripts.get(address);
}

/** The first frame stays as it is, and says why. */
function stayStill(el) {
  for (const button of el.querySelectorAll("button")) button.disabled = true;
  const line = el.querySelector('[data-part="say"]') ?? el.appendChild(document.createElement("p"));
  line.prepend(
    "The numbers behind this picture could not be loaded, so it stays still; the rest of the page works without them. To try again, reload the page. ",
  );
}

/** @param {Record<string, (context: {model: object, el: HTMLElement}) => void>} renderers */
export function hydrate(renderers) {
  const apart = (values) => {
    const script = /** @type {ApartScript} */ (document.currentScript);
    script.vipValues = values;
  };
  Object.assign(window, { vipApart: apart });
  for (const figure of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-vip-widget]"))) {
    const el = /** @type {HTMLElement} */ (figure.querySelector(".vip") ?? figure);
    try {
      const { vipWidget: kind } = figure.dataset;
      if (!Object.hasOwn(renderers, kind)) throw new Error("no such figure");
      const data = JSON.parse(figure.querySelector("script[type='application/json']")?.textContent ?? "");
      const begin = (more) => renderers[kind]({ model: pageModel({ ...data, ...more }), el });
      if (!data.apart) begin({});
      else whenNear(figure, () => loadApart(data.apart).then(begin, () => stayStill(el)));
      if (findInFragment(location.hash, data.name) === null) continue;
      const fold = figure.closest("details");
      if (fold) fold.open = true;
      figure.scrollIntoView();
    } catch (error) {
      el.textContent = `This figure's data is damaged (${error.message}); the rest of the page works without it.`;
    }
  }
}
