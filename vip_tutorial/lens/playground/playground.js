// The playground: the reader's own lines, interpreted in the page, as map and lens.

import { escape, problemHtml, renderWith, themeOf } from "../figure/host.js";
import { firstFrame as firstFrameOfMap, render as renderMap } from "../module_map/module_map.js";
import { answerHtml, compare } from "./compare.js";
import { recordingOf } from "./dropped.js";
import { EXAMPLES, ofExample } from "./examples.js";
import { run } from "./interpret.js";
import { isShortLink, readAnyLink, readLink, writeLink, writeShortLink } from "./links.js";

const WAIT = 150; // milliseconds from the last key to the picture
const SAY_AFTER = 900; // and to the words, which a screen reader would speak at each key
const MOST_SHAPE = 60; // characters

const OUTSIDE =
  "Your code stays on this page: it is read here, never sent, and never run by the browser itself. So does a recording, " +
  "trace(f, x).save(“run.json”) of any PyTorch code, that you open or drop here.";
const HELP =
  "The code is a part of Python: names, numbers, tuples, for, if, def, and x with the moves of PyTorch (reshape, permute, " +
  "slices, cat and the like), einops, einsum, Linear, sums and products. Tab goes on to the next control, unless you tick " +
  "“Tab indents”; Escape, then Tab, leaves in any case. Enter keeps the indent.";

/**
 * @typedef {object} Program what a playground shows
 * @property {string} code
 * @property {string} shape of x, as it is typed
 * @property {string} axes their names, as they are typed
 * @property {"numbered" | "random"} values
 * @property {string} map the state of the map
 * @property {string} same the expression that its answer is compared with
 * @property {string} kept the code whose answer it is compared with
 */

/** @returns {Program} */

/** The program that a figure is given. @param {(key: string) => any} get @returns {Program} */
function givenProgram(get) {
  if (!get("code")) return ofExample(EXAMPLES[0]);
  const axes = get("axes") ?? [];
  return {
    code: String(get("code")),
    shape: (get("shape") ?? []).join(", "),
    axes: axes.every((name) => name.length === 1) ? axes.join("") : axes.join(", "),
    values: get("values") === "random" ? "random" : "numbered",
    map: "",
    same: "",
    kept: "",
  };
}

/** `[1, 4, 4, 2]` of "1, 4, 4, 2" and what else people write; null if it is none. */
function shapeOf(text) {
  const found = text.slice(0, MOST_SHAPE + 1).match(/\d+/g) ?? [];
  const isShape = text.length <= MOST_SHAPE && /^[\s()[\]\d,x×*;]*$/i.test(text) && found.length <= 8;
  return isShape ? found.map(Number) : null;
}

/** Names of the axes: "BHWC" or "batch, row, column"; null if there are none. */
export function axesOf(text) {
  const trimmed = text.trim();
  if (!trimmed) return null;
  return /[\s,]/.test(trimmed) ? trimmed.split(/[\s,]+/).filter(Boolean) : [...trimmed];
}

/** What a program gives, or the sentence why it gives nothing. @param {Program} program */
export function outcomeOf({ code, shape: typed, axes: named, values }) {
  const wrong = (message, help) => ({
    recording: null,
    fault: { kind: "The input", message, help, line: 0, column: 0, axes: [] },
  });
  const shape = shapeOf(typed);
  if (!shape) return wrong(`“${typed.slice(0, 40)}” is no shape.`, "Write the sizes of the axes, such as 1, 4, 4, 2.");
  const axes = axesOf(named.slice(0, 200));
  if (axes && axes.length !== shape.length)
    return wrong(
      `There are ${axes.length} names, ${axes.join(" ")}, and ${shape.length} sizes, ${shape.join(" ")}.`,
      "Give each axis of x a name, or none of them.",
    );
  if (shape.includes(0)) return wrong("A tensor without elements has nothing to show.", "Make each size at least 1.");
  return run(code, { shape, axes, values });
}

function wholeHtml(program, title, map, asleep) {
  const options = EXAMPLES.map(
    ({ name, title: words }) =>
      `<option value="${name}"${isExample(program, name) ? " selected" : ""}>${escape(words)}</option>`,
  );
  const own = EXAMPLES.some(({ name }) => isExample(program, name)) ? "" : " selected";
  const off = asleep ? " disabled" : "";
  const { code, shape, axes, values } = program;
  return `
<div class="vip-title"><strong>${escape(title)}</strong></div>
<div class="vip-play-bench" data-part="play-bench">
<div class="vip-play-desk">
<div class="vip-options" data-part="play-opened" hidden><span></span> <button type="button" data-part="play-close">Back to the code</button></div>
<div data-part="play-program">
<div class="vip-options vip-scripted">
  <label>Begin with <select data-part="play-example"${off}><option value=""${own}>your own</option>${options.join("")}</select></label>
  <label>shape of x <input type="text" size="9" data-part="play-shape" value="${escape(shape)}" autocomplete="off" spellcheck="false"${off}></label>
  <label>axes <input type="text" size="6" data-part="play-axes" value="${escape(axes)}" autocomplete="off" spellcheck="false" autocapitalize="off"${off}></label>
  <label>numbers <select data-part="play-values"${off}><option value="numbered"${values === "random" ? "" : " selected"}>count</option><option value="random"${values === "random" ? " selected" : ""}>are random</option></select></label>
</div>
<div class="vip-play-editor"><div class="vip-play-lines" data-part="play-lines" aria-hidden="true">${linesHtml(code)}</div><textarea data-part="play-code" aria-label="Your code; x is there" rows="${rowsOf(code)}" wrap="off" spellcheck="false" autocapitalize="off" autocomplete="off" autocorrect="off"${asleep ? " readonly" : ""}>
${escape(code)}</textarea></div>
</div>
<p class="vip-play-fault" data-part="play-fault" id="vip-play-fault" hidden></p>
</div>
<div class="vip vip-module_map" data-part="play-map">${map}</div>
<div class="vip-play-asks" data-part="play-asks">
<div class="vip-options vip-scripted">
  <button type="button" data-part="play-keep"${off}>Keep this answer to compare</button>
  <label class="vip-play-same">Is it the same as <input type="text" data-part="play-same" maxlength="400" autocomplete="off" spellcheck="false" autocapitalize="off"${off}></label>
</div>
<div class="vip-play-compared" data-part="play-compared"></div>
</div>
</div>
<p class="vip-unseen" data-part="play-heard" role="status" aria-live="polite"></p>
<div class="vip-options vip-scripted">
  <label><input type="checkbox" data-part="play-indents"${off}> Tab indents</label>
  <button type="button" data-part="play-copy"${off}>Copy link to this program</button>
  <button type="button" data-part="play-reset"${off}>Start again</button>
  <label>Open a recording <input type="file" accept=".json,.gz" data-part="play-file"${off}></label>
</div>
<p class="vip-link" data-part="play-link" hidden><label>Link <input type="text" readonly></label></p>
<p class="vip-note">${OUTSIDE}</p>
<details class="vip-keys vip-scripted"><summary>What can be written, and keys</summary>${HELP}</details>`;
}

const isExample = (program, name) => {
  const example = ofExample(EXAMPLES.find((one) => one.name === name));
  return ["code", "shape", "axes", "values"].every((key) => example[key] === program[key]);
};

const countLines = (code) => code.split("\n").length;
const rowsOf = (code) => Math.max(6, Math.min(18, countLines(code)));
const linesHtml = (code) =>
  Array.from({ length: Math.min(countLines(code), 2000) }, (_, i) => `<span>${i + 1}</span>`).join("");

const MOST_APART = 24; // steps that the map shows each by itself at first

/** All of a run; what broke it off stands above the map. */
const startOfMap = ({ steps }) => `v1;step=${steps.length}${steps.length > MOST_APART ? "" : ";open=all"}`;

const TITLE = "What your code does";

const mapData = ({ recording, fault }) => ({
  recording: recording && { ...recording, failed: null },
  misfits: fault?.axes ?? [],
  title: TITLE,
  name: "map",
  start: recording ? startOfMap(recording) : "",
  state: "",
  hue: "H",
  light: "W",
  picture: null,
  here: "",
});

/** The figure's HTML before any script has run; or `isAwake`, as it is drawn then. */
export function firstFrame(data, isAwake = false) {
  try {
    const given = givenProgram((key) => data[key]);
    const { program } = data.start && !isShortLink(data.start) ? readLink(data.start, given) : { program: given };
    const { recording, fault } = outcomeOf(program);
    const map = recording
      ? firstFrameOfMap(mapData({ recording, fault }), isAwake)
      : `<p>${escape(wordsOf(fault))}</p>`;
    return wholeHtml(program, data.title || "Playground", map, !isAwake);
  } catch (error) {
    return problemHtml(error);
  }
}

const wordsOf = ({ kind, message, help, line }) =>
  `${line ? `Line ${line}. ` : ""}${kind}: ${message}${help ? ` ${help}` : ""}`;

/** The model of the map, which is fed here and not by a notebook. */
function mapModel(values, saved) {
  const listeners = {};
  return {
    get: (key) => values[key],
    set: (key, value) => (values[key] = value),
    save_changes: saved,
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    off: (event, listener) => (listeners[event] = (listeners[event] ?? []).filter((one) => one !== listener)),
    tell: (key, value) => {
      values[key] = value;
      for (const listener of listeners[`change:${key}`] ?? []) listener();
    },
  };
}

export const render = renderWith("playground", ["title", "code", "shape", "axes", "values"], begin);

function begin({ model, el }) {
  const first = givenProgram((key) => model.get(key));
  /** @type {Program} */
  let program = { ...first };
  let outcome;
  let isOpened = false; // a recording is, in place of the program
  let endMap = null;
  let reading = 0; // of the files and links asked for, only the last one counts
  const part = (name) => /** @type {any} */ (el.querySelector(`[data-part="play-${name}"]`));
  const title = model.get("title") || "Playground";
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", title);
  el.innerHTML = wholeHtml(program, title, "", false);
  part("map").innerHTML = "";

  const map = mapModel(mapData({ recording: null, fault: null }), () => {
    if (isOpened) return; // a recording stands in no link
    program.map = map.get("state");
    markLines();
    save();
  });

  /** The line that the map stands at, and the one with the fault. */
  function markLines() {
    const { recording, fault } = outcome;
    const step = Number(/(?:^|;)step=(\d+)/.exec(map.get("state"))?.[1] ?? 0);
    const line = recording?.steps[step - 1]?.source.line;
    part("lines").childNodes.forEach((row, i) => {
      row.classList.toggle("vip-now", i + 1 === line);
      row.classList.toggle("vip-bad", i + 1 === fault?.line);
    });
  }

  function save() {
    model.set("state", writeLink(program, first).text);
    model.save_changes?.();
  }

  /** Run the program and draw what it does. */
  function draw() {
    outcome = outcomeOf(program);
    const { recording, fault } = outcome;
    const code = part("code");
    part("lines").innerHTML = linesHtml(program.code);
    code.rows = rowsOf(program.code);
    part("lines").scrollTop = code.scrollTop;
    const line = part("fault");
    line.hidden = !fault;
    line.innerHTML = fault ? faultHtml(fault) : "";
    code.toggleAttribute("aria-invalid", Boolean(fault));
    if (fault) code.setAttribute("aria-describedby", line.id);
    else code.removeAttribute("aria-describedby");
    part("map").classList.toggle("vip-stale", !recording);
    if (recording) drawMap({ ...recording, failed: null }, program.map, fault?.axes);
    markLines();
    drawCompared();
    const example = EXAMPLES.find(({ name }) => isExample(program, name));
    part("example").value = example?.name ?? "";
  }

  /** The answer beside the one that was kept, and beside that of an expression. */
  function drawCompared() {
    const { recording } = outcome;
    const { kept } = program;
    const same = program.same.trim();
    const found = Object.entries({ "the kept answer": kept, [`“${same}”`]: same && `x = (${same}).clone()\n` })
      .filter(([, code]) => recording && code)
      .map(([name, code]) => {
        const { recording: other, fault } = outcomeOf({ ...program, code });
        if (other) return comparedHtml(recording, other, name);
        return `<p>${escape(name)} gives no answer. ${escape(wordsOf({ ...fault, line: 0 }))}</p>`;
      });
    part("compared").innerHTML = found.join("");
    part("keep").disabled = !kept && !recording;
    part("keep").textContent = kept ? "Forget the kept answer" : "Keep this answer to compare";
  }

  function drawMap(recording, state, misfits = []) {
    map.set("misfits", misfits);
    map.set("state", state);
    map.set("start", startOfMap(recording));
    map.set("title", isOpened ? "" : TITLE); // it has a name of its own
    if (endMap) map.tell("recording", recording);
    else {
      map.set("recording", recording);
      endMap = renderMap({ model: map, el: part("map") });
    }
    delete part("map").dataset.ready; // it is a part of this figure
  }

  /** Show a recording from a file of the reader's. */
  async function open(file) {
    if (!file) return;
    draw(); // what was typed last
    save();
    const mine = nextToRead();
    let recording;
    try {
      recording = await recordingOf(file);
    } catch (error) {
      return mine === reading && warn(error.message);
    }
    if (mine !== reading) return;
    setOpened(true);
    part("fault").hidden = true;
    part("map").classList.remove("vip-stale");
    drawMap(recording, "");
    const words = `${file.name}: ${recording.steps.length} steps. It was read on this page, and is sent nowhere.`;
    part("opened").querySelector("span").textContent = words;
    say(words);
    part("close").focus();
  }

  /** Whether a recording stands in place of the program, which is kept meanwhile. */
  function setOpened(is) {
    isOpened = is;
    part("bench").classList.toggle("vip-opened", is);
    part("opened").hidden = !is;
    for (const name of ["program", "asks"]) part(name).hidden = is;
    for (const name of ["copy", "reset"]) part(name).hidden = is;
    part("link").hidden = true;
  }

  let drawing, saying;
  /** What is being read or waits to be drawn comes too late now. */
  function nextToRead() {
    clearTimeout(drawing);
    clearTimeout(saying);
    return ++reading;
  }
  function changed() {
    nextToRead();
    drawing = setTimeout(() => {
      draw();
      save();
    }, WAIT);
    saying = setTimeout(() => {
      const { recording, fault } = outcome;
      say(fault ? wordsOf(fault) : `It runs: ${recording.steps.length} steps. ${part("compared").innerText}`.trim());
    }, SAY_AFTER);
  }
  const say = (words) => {
    part("heard").textContent = words;
  };
  /** Say what is wrong, though not with the program. */
  const warn = (words) => {
    part("fault").hidden = false;
    part("fault").textContent = words;
    say(words);
  };

  /** Put a program into the fields. */
  function put(next) {
    reading++;
    setOpened(false);
    program = { ...next };
    part("code").value = program.code;
    for (const key of ["shape", "axes", "values", "same"]) part(key).value = program[key];
    draw();
  }

  const undo = [];
  const on = (target, type, handler) => {
    target.addEventListener(type, handler);
    undo.push(() => target.removeEventListener(type, handler));
  };
  for (const key of ["code", "shape", "axes", "values", "same"])
    on(part(key), "input", () => {
      program[key] = part(key).value;
      if (key === "code") part("lines").innerHTML = linesHtml(program.code);
      changed();
    });
  on(part("keep"), "click", () => {
    program.kept = program.kept ? "" : program.code;
    drawCompared();
    save();
    say(program.kept ? "Kept. Change the code, and see below what lies elsewhere." : "Forgotten.");
  });
  on(part("code"), "scroll", () => (part("lines").scrollTop = part("code").scrollTop));
  on(part("example"), "change", () => {
    const example = EXAMPLES.find(({ name }) => name === part("example").value);
    if (!example) return;
    const { same, kept } = program;
    put({ ...ofExample(example), same, kept });
    save();
    say(`${example.title}: ${outcome.recording?.steps.length ?? 0} steps.`);
  });
  let escaped = false; // after Escape, Tab leaves once
  on(part("code"), "keydown", (event) => {
    const field = part("code");
    if (event.key === "Tab" && part("indents").checked && !escaped && !event.shiftKey) {
      event.preventDefault();
      type(field, "    ");
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      const line = field.value.slice(0, field.selectionStart).split("\n").at(-1);
      const indent = /^[ \t]*/.exec(line)[0] + (/:\s*(#.*)?$/.test(line) ? "    " : "");
      if (indent) {
        event.preventDefault();
        type(field, `\n${indent}`);
      }
    }
    escaped = event.key === "Escape";
  });
  on(part("file"), "change", () => {
    const [file] = part("file").files;
    open(file).then(() => (part("file").value = "")); // the same one can be opened again
  });
  for (const type of ["dragover", "drop"])
    on(el, type, (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault(); // or the browser would leave the page for the file
      if (type === "drop") open(event.dataTransfer.files[0]);
    });
  on(part("close"), "click", () => {
    setOpened(false);
    draw();
    part("code").focus();
    say("Your code is here again.");
  });
  on(part("reset"), "click", () => {
    part("link").hidden = true;
    put(first);
    save();
    say("The first program is here again.");
  });
  on(part("copy"), "click", async () => {
    const { text, problem } = await writeShortLink(program, first);
    if (problem) return warn(problem);
    const page = model.get("link");
    const link = page ? `${page}#${model.get("name")}=${text}` : text;
    const field = part("link").querySelector("input");
    part("link").hidden = false;
    field.value = link;
    field.select();
    navigator.clipboard?.writeText(link).then(
      () => say("Link copied."),
      () => {},
    );
  });

  function adopt() {
    const text = model.get("state");
    if (text && text === writeLink(program, first).text) reading++;
    else show(text);
  }
  /** Show what a link holds; a compressed one takes a moment, in which something else may come. */
  function show(text) {
    const mine = nextToRead();
    const take = ({ program: found, problem }) => {
      put(found);
      if (problem) warn(problem);
    };
    if (!isShortLink(text)) return take(text ? readLink(text, first) : { program: first, problem: "" });
    readAnyLink(text, first).then((found) => mine === reading && take(found));
  }
  const start = model.get("state") || model.get("start");
  if (!start || isShortLink(start)) draw();
  if (start) show(start);
  model.on("change:state", adopt);
  themeOf(el);
  el.dataset.ready = "true";
  return () => {
    reading++;
    clearTimeout(drawing);
    clearTimeout(saying);
    undo.forEach((call) => call());
    model.off?.("change:state", adopt);
    endMap?.();
  };
}

const faultHtml = ({ kind, message, help, line, axes }) =>
  `${line ? `<b>Line ${line}</b> · ` : ""}<b>${escape(kind)}</b>: ${escape(message)}${help ? `<br>${escape(help)}` : ""}` +
  (axes.length
    ? `<br><span aria-hidden="true">✗ marks ${axes.length > 1 ? "the axes" : "the axis"} in the picture.</span>`
    : "");

/** What differs, in words and, where the shapes are alike, as two pictures. */
function comparedHtml(recording, other, name) {
  const { same, words, moved } = compare(recording, other, name);
  const picture = (of, title) =>
    `<figure>${answerHtml(of, moved, `${title}; what differs is framed`)}<figcaption>${escape(title)}</figcaption></figure>`;
  const pictures =
    moved && !same
      ? `<div class="vip-play-answers">${picture(recording, "your answer")}${picture(other, name)}</div>`
      : "";
  return `<p><b aria-hidden="true">${same ? "=" : "≠"}</b> ${escape(words)}</p>${pictures}`;
}

/** Type text as a key would, so that it can be undone. */
function type(field, text) {
  if (document.execCommand?.("insertText", false, text)) return;
  field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
