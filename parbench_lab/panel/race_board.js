// The board of a race: how far it is, and the leaderboard. Every text is put in as text.

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A ratio that may be wrapped before its interval, and not within it. */
function setRatio(node, text) {
  if (node.textContent === text) return;
  const at = text.indexOf("(");
  if (at < 0) setText(node, text);
  else node.replaceChildren(text.slice(0, at), element("span", "interval", text.slice(at)));
}

/** A name that may be wrapped after each "_" or "."; its text stays as it is. */
function setName(node, text) {
  if (node.textContent === text) return;
  const parts = text.split(/(?<=[_.:/-])/);
  node.replaceChildren(...parts.flatMap((part) => [part, document.createElement("wbr")]));
}

function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

const number = (text) => Number.parseFloat(text.replaceAll(",", ""));

/**
 * The value of a slider in words. A logarithmic one would tell its exponent; what counts stands in
 * the words below it or in the field beside it, except while the handle is ahead of what the kernel
 * has said.
 */
function valueInWords(slider) {
  const readout = slider.querySelector(".widget-readout")?.textContent.trim() ?? "";
  if (!slider.classList.contains("parbench-powers-of-ten")) return readout;
  const below = slider.parentElement?.nextElementSibling;
  const told = below?.matches(".parbench-in-words")
    ? below.textContent
    : slider.nextElementSibling?.querySelector("input")?.value;
  const words = (told ?? "").trim();
  const apart = Math.abs(Math.log10(number(words) / number(readout)));
  return apart < 0.05 ? words : readout; // half a step, and two digits
}

/** Give every control its tooltip, and those without a label a name. */
function nameFields(controls, help) {
  for (const field of controls.querySelectorAll("select, input[type=text]")) {
    const label = field.parentElement.querySelector(".widget-label");
    const text = label?.textContent.trim();
    if (text && help[text]) {
      setAttribute(label, "title", help[text]); // a menu with a label shows none by itself
      setAttribute(field, "title", help[text]);
    } else if (!text && !field.hasAttribute("aria-label")) {
      const name = field.title || field.placeholder;
      if (name) setAttribute(field, "aria-label", name);
    }
  }
}

/** Give every slider of the controls its label as its name, and its value in words. */
function nameSliders(controls) {
  for (const handle of controls.querySelectorAll(".noUi-handle")) {
    const slider = handle.closest(".widget-slider");
    const label = slider?.querySelector(".widget-label")?.textContent;
    if (!label) continue;
    setAttribute(handle, "aria-label", label);
    setAttribute(handle, "aria-disabled", String(!!slider.querySelector("[disabled]")));
    const words = valueInWords(slider);
    if (words) setAttribute(handle, "aria-valuetext", words);
    const field = slider.parentElement.querySelector(":scope > .parbench-exact input");
    if (field) setAttribute(field, "aria-label", `${label}, exactly`);
  }
}

const COLUMNS = [
  ["rank", "", "num"],
  ["name", "candidate", ""],
  ["bar", "", "bar"],
  ["ratio", "", "num ratio"],
  ["throughput", "items/s", "num narrow"],
  ["memory", "memory", "num roomy"],
  ["evidence", "evidence", "num"],
  ["blocks", "blocks", "num wide"],
  ["verdict", "verdict", ""],
  ["action", "", ""],
];

function render({ model, el }) {
  const id = Math.random().toString(36).slice(2);
  const board = element("div", "parbench-board");
  const head = element("div", "parbench-head");
  const title = element("h3");
  const phase = element("span");
  phase.setAttribute("role", "status");
  const run = element("span", "soft");
  const link = element("a", "", "Dask dashboard");
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  head.append(title, phase, run, link);
  const bar = element("div", "parbench-progress");
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", "progress towards a decision");
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");
  const filled = element("div");
  bar.append(filled);
  const words = element("div");
  const facts = element("div", "soft");
  const scroll = element("div", "parbench-scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("aria-label", "leaderboard");
  const table = element("table");
  const header = element("tr");
  let ratioHeader;
  for (const [key, label, className] of COLUMNS) {
    const cell = element("th", className, label);
    cell.scope = "col";
    if (key === "ratio") ratioHeader = cell;
    if (key === "memory") cell.title = "peak memory";
    header.append(cell);
  }
  const thead = element("thead");
  thead.append(header);
  const body = element("tbody");
  table.append(thead, body);
  scroll.append(table);
  const trust = element("div", "parbench-trust");
  const take = element("div", "parbench-take");
  for (const [what, label] of [
    ["code", "winner as code"],
    ["csv", "table as CSV"],
    ["picture", "static picture"],
  ]) {
    const button = element("button", "", label);
    button.type = "button";
    button.addEventListener("click", () => send("take", { what }));
    take.append(button);
  }
  const copy = element("button", "", "copy the run's id");
  copy.type = "button";
  copy.addEventListener("click", async () => {
    const told = model.get("_state").run ?? "";
    try {
      await navigator.clipboard.writeText(told);
      note.textContent = "copied";
    } catch {
      note.textContent = told; // no clipboard here: to be selected by hand
    }
  });
  const note = element("span", "soft");
  note.setAttribute("role", "status");
  take.append(copy, note);
  board.append(head, bar, words, facts, scroll, trust, take);
  el.append(board);

  const send = (kind, more = {}) => {
    try {
      model.send({ kind, view: id, ...more });
    } catch {
      setText(phase, "the kernel is gone: run the cell again");
    }
  };

  const rows = new Map(); // candidate to its two lines, kept so that a click meets what it aimed at

  function makeRow(key) {
    const line = element("tr");
    const cells = {};
    for (const [column, , className] of COLUMNS) {
      cells[column] = element("td", column === "name" ? "name" : className);
      line.append(cells[column]);
    }
    const swatch = element("span", "parbench-swatch");
    const label = element("span", "parbench-name");
    cells.name.append(swatch, label);
    const track = element("div", "parbench-bar");
    const tolerance = element("div", "tolerance");
    const span = element("div", "span");
    const point = element("div", "point");
    track.append(tolerance, span, point);
    cells.bar.append(track);
    const button = element("button");
    button.type = "button";
    button.addEventListener("click", () =>
      send(button.dataset.action === "drop" ? "drop" : "bring-back", { candidate: key }),
    );
    cells.action.append(button);
    const why = element("tr", "reason");
    const whyCell = element("td");
    whyCell.colSpan = COLUMNS.length - 1;
    why.append(element("td"), whyCell);
    return { line, cells, swatch, label, tolerance, span, point, button, why, whyCell };
  }

  function percent(share) {
    return `${(100 * share).toFixed(2)}%`;
  }

  function drawRow(row, state) {
    const key = row.name ?? "\u0000fold";
    if (!rows.has(key)) rows.set(key, makeRow(row.name));
    const kept = rows.get(key);
    kept.line.className = row.reason ? `${row.tone} explained` : row.tone;
    for (const column of ["rank", "throughput", "memory", "evidence", "blocks", "verdict"])
      setText(kept.cells[column], row[column] ?? "");
    setRatio(kept.cells.ratio, row.ratio ?? "");
    kept.cells.verdict.title = row.details ?? "";
    const unseen = [
      row.throughput && `${row.throughput} items/s`,
      row.memory && `peak memory ${row.memory}`,
      row.blocks && `${row.blocks} blocks`,
    ];
    kept.line.title = unseen.filter(Boolean).join(" · "); // columns that a narrow board leaves out
    setName(kept.label, row.candidate);
    kept.cells.name.title = row.candidate;
    kept.swatch.style.background = row.colour;
    kept.swatch.dataset.dash = row.dash; // colours come again, with another dash
    const bar = row.bar;
    kept.tolerance.style.left = percent(state.tolerance_at);
    for (const part of [kept.tolerance, kept.span, kept.point]) part.hidden = !bar;
    if (bar) {
      kept.span.style.left = percent(bar[0]);
      kept.span.style.width = percent(Math.max(0.002, bar[2] - bar[0]));
      kept.point.style.left = percent(bar[1]);
      for (const part of [kept.span, kept.point]) part.style.background = row.colour;
    }
    kept.button.hidden = !row.action || state.phase === "ended";
    if (row.action && kept.button.dataset.action !== row.action) {
      kept.button.dataset.action = row.action;
      kept.button.textContent = row.action;
      kept.button.setAttribute("aria-label", `${row.action} ${row.candidate}`);
    }
    setText(kept.whyCell, row.reason ?? "");
    return [key, kept, row.reason ? [kept.line, kept.why] : [kept.line]];
  }

  let trusted = null;

  function drawTrust(state) {
    if (trusted === state.trust.join("\n")) return;
    trusted = state.trust.join("\n");
    const last = state.trust.length - 1; // the figures; what is before them are warnings
    trust.replaceChildren(
      ...state.trust.map((line, index) => element("div", index < last ? "warning" : "", line)),
    );
  }

  let pressed = false; // what is under a pressed pointer stays there, or its click would be lost

  function draw() {
    const state = model.get("_state");
    if (pressed || !state || !state.rows) return;
    setText(title, state.title);
    setText(phase, state.phase_words);
    setText(run, state.run ? `run ${state.run}` : "");
    link.hidden = !state.dashboard;
    if (state.dashboard && link.href !== state.dashboard) link.href = state.dashboard;
    filled.style.width = percent(state.progress.share);
    bar.setAttribute("aria-valuenow", String(Math.round(100 * state.progress.share)));
    setText(words, state.progress.words);
    setText(facts, state.facts);
    setText(ratioHeader, state.ratio_head);
    ratioHeader.title = state.ratio_title;
    const wanted = [];
    const present = new Set();
    for (const row of state.rows) {
      const [key, , lines] = drawRow(row, state);
      present.add(key);
      wanted.push(...lines);
    }
    for (const key of [...rows.keys()]) if (!present.has(key)) rows.delete(key);
    const now = [...body.children];
    const moved = wanted.length !== now.length || wanted.some((line, i) => line !== now[i]);
    if (moved) {
      const focused = document.activeElement;
      body.replaceChildren(...wanted);
      if (focused && body.contains(focused)) focused.focus();
    }
    drawTrust(state);
  }

  const onFile = (message) => {
    if (message.kind === "said" && message.view === id) setText(note, message.text);
    if (message.kind !== "file" || message.view !== id) return;
    const blob = new Blob([message.text], { type: message.type });
    const away = element("a");
    away.href = URL.createObjectURL(blob);
    away.download = message.name;
    document.body.append(away);
    away.click();
    away.remove();
    URL.revokeObjectURL(away.href);
    setText(note, `${message.name} is in your downloads`);
  };
  const onPress = () => {
    pressed = true;
  };
  const onRelease = () => {
    if (!pressed) return;
    pressed = false;
    setTimeout(draw); // after the click
  };
  body.addEventListener("pointerdown", onPress);
  const releases = ["pointerup", "pointercancel", "blur"];
  for (const kind of releases) window.addEventListener(kind, onRelease);
  const onState = () => {
    draw();
    settle();
  };
  model.on("change:_state", onState);
  model.on("msg:custom", onFile);

  // the whole panel: its sliders have no names of their own, and it is looked at as one
  let panel = null;
  const name = () => {
    nameSliders(panel);
    nameFields(panel, model.get("_help"));
  };
  const renamed = new MutationObserver(name);
  const settle = () => {
    if (panel) name(); // a field beside a slider changes without a mutation
    if (panel || !el.closest(".parbench-panel")) return;
    panel = el.closest(".parbench-panel");
    observer.disconnect();
    observer.observe(panel);
    name();
    const attributeFilter = ["aria-valuenow", "aria-valuetext", "disabled"];
    const controls = panel.querySelector(".parbench-at-controls") ?? panel;
    renamed.observe(controls, { subtree: true, childList: true, attributeFilter });
  };

  let intersecting = false;
  const look = () => {
    settle();
    if (intersecting && document.visibilityState === "visible") send("look");
  };
  const observer = new IntersectionObserver((entries) => {
    intersecting = entries[entries.length - 1].isIntersecting;
    look();
  });
  observer.observe(el);
  document.addEventListener("visibilitychange", look);
  const pulse = setInterval(look, 3000);
  draw();
  requestAnimationFrame(settle);

  return () => {
    clearInterval(pulse);
    observer.disconnect();
    document.removeEventListener("visibilitychange", look);
    for (const kind of releases) window.removeEventListener(kind, onRelease);
    renamed.disconnect();
    model.off("change:_state", onState);
    model.off("msg:custom", onFile);
  };
}

export default { render };
