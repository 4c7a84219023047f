// A view of Bokeh figures whose data live in the kernel: one way, kernel to browser.
//
// The page asks ("hello") and the kernel answers with a snapshot and a number; every later message
// has the next number. A gap, a new view, a tab that was hidden: ask again. Nothing is kept here
// that the kernel does not have.

const PING_MS = 4000;
const SILENT_MS = 12000;

/** BokehJS of the installed package, sent by the kernel once per page. */
function bokehjs(model) {
  const version = model.get("_version");
  const known = globalThis.__parbench_bokeh;
  if (known && known.version === version) return known.promise;
  const promise = new Promise((resolve) => {
    if (globalThis.Bokeh && globalThis.Bokeh.version === version) {
      resolve(globalThis.Bokeh);
      return;
    }
    const onMessage = (message, buffers) => {
      if (message.kind !== "bokehjs") return;
      model.off("msg:custom", onMessage);
      const script = document.createElement("script");
      script.textContent = new TextDecoder().decode(buffers[0]);
      document.head.appendChild(script);
      script.remove();
      resolve(globalThis.Bokeh);
    };
    model.on("msg:custom", onMessage);
    model.send({ kind: "need-bokehjs" });
  });
  globalThis.__parbench_bokeh = { version, promise };
  return promise;
}

/** Columns of one operation; numbers come from the shared buffer. */
function columns(described, buffer, offset) {
  const found = {};
  for (const [name, kind, content] of described) {
    if (kind === "f8") {
      found[name] = Array.from(new Float64Array(buffer, offset, content));
      offset += 8 * content;
    } else {
      found[name] = content;
    }
  }
  return [found, offset];
}

function aligned(part) {
  if (part === undefined) return new ArrayBuffer(0);
  if (part instanceof ArrayBuffer) return part;
  return part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength);
}

function isDark() {
  const told = document.body.dataset.jpThemeLight;
  return told === "false";
}

const SETTLE_MS = 1000; // a slider that moved so recently is ahead of what the kernel says

/**
 * A line that goes with a slider of the same page, and is pale until the kernel says that what the
 * slider asks for is in force.
 */
function leash(rule, find, manager) {
  const line = find(rule.line);
  const full = line?.line_alpha; // how opaque it is by itself
  let inForce = line?.location;
  let moved = -Infinity;
  let heard = -Infinity;
  let slider = null;
  let released = false;

  const near = (a, b) =>
    (rule.log ? Math.abs(Math.log10(a / b)) : Math.abs(a - b)) <= 0.51 * rule.step;
  const show = (at) =>
    line?.setv({ location: at, line_alpha: near(at, inForce) ? full : 0.4 * full });
  const settle = () => {
    if (!released && heard >= moved) show(inForce);
  };
  const onMove = () => {
    moved = performance.now();
    show(slider.get("value") + rule.offset);
    setTimeout(settle, SETTLE_MS);
  };
  manager.get_model(rule.slider).then((found) => {
    slider = found;
    if (!released) slider.on("change:value", onMove);
  });
  return {
    of: rule.line,
    told: (at) => {
      heard = performance.now();
      inForce = at;
      const ahead = heard - moved < SETTLE_MS && line && !near(line.location, at);
      show(ahead ? line.location : at);
    },
    release: () => {
      released = true;
      slider?.off("change:value", onMove);
    },
  };
}

/** Colours of text and grid for the page's theme; keys are Bokeh types or the ends of their names. */
function paint(doc, themes) {
  const palette = themes[isDark() ? "dark" : "light"];
  if (!palette || !doc) return;
  for (const model of doc._all_models.values()) {
    for (const [type, attributes] of Object.entries(palette)) {
      if (model.type === type || model.type.endsWith(type)) model.setv(attributes);
    }
  }
}

function render({ model, el }) {
  const id = Math.random().toString(36).slice(2);
  const root = document.createElement("div");
  root.className = "parbench-live-figure";
  const notice = document.createElement("div");
  notice.className = "parbench-live-notice";
  notice.setAttribute("role", "status");
  notice.hidden = true;
  Object.assign(notice.style, {
    padding: "4px 8px",
    border: "1px solid currentColor",
    borderRadius: "4px",
    margin: "4px 0",
  });
  el.append(notice, root);

  let doc = null; // the Bokeh document on screen
  let views = null;
  let structure = -1; // which figure it shows
  let seq = -1; // the last message it holds
  let shown = false; // on screen now
  let dead = false;
  let building = Promise.resolve();
  let heard = performance.now();

  let leashes = [];

  /** Bind lines to sliders as the figure that was just drawn has them. */
  const bind = () => {
    for (const { release } of leashes) release();
    const find = (name) => doc?.get_model_by_name(name);
    leashes = model.get("_leashes").map((rule) => leash(rule, find, model.widget_manager));
  };

  const send = (kind, more = {}) => {
    try {
      model.send({ kind, view: id, ...more });
    } catch {
      heard = -Infinity; // the comm is closed
    }
  };
  const hello = () => send("hello", { structure: doc ? structure : -1 });

  const apply = (message, buffers) => {
    const began = performance.now();
    const buffer = aligned(buffers[0]);
    let offset = 0;
    let found;
    for (const [operation, name, described, rollover] of message.operations) {
      [found, offset] = columns(described, buffer, offset);
      const source = doc.get_model_by_name(name);
      if (!source) continue;
      if (operation === "stream") source.stream(found, rollover ?? undefined);
      else source.data = found;
    }
    for (const [name, attribute, value] of message.attributes) {
      const leashed = leashes.find(({ of }) => of === name && attribute === "location");
      if (leashed) leashed.told(value);
      else doc.get_model_by_name(name)?.setv({ [attribute]: value });
    }
    seq = message.seq;
    const applied = performance.now() - began;
    requestAnimationFrame((frame) => {
      // Bokeh paints in this frame; what comes after it finds the page free again
      setTimeout(() => {
        const busy = applied + Math.max(0, performance.now() - frame);
        if (!dead) send("ack", { seq: message.seq, busy_ms: busy });
      });
    });
  };

  const build = async (message) => {
    const Bokeh = await bokehjs(model);
    if (dead) return;
    const place = document.createElement("div");
    place.id = `parbench-${id}-${message.structure}-${message.seq}`;
    root.replaceChildren(place);
    if (views) views.clear?.();
    views = await Bokeh.embed.embed_item(JSON.parse(message.item), place);
    doc = views.roots[0].model.document;
    paint(doc, model.get("_themes"));
    bind();
    structure = message.structure;
    seq = message.seq;
    send("ack", { seq });
  };

  const receive = async (message, buffers) => {
    if (dead) return;
    if (message.kind === "figure" && (message.view === id || message.view === null)) {
      await build(message);
    } else if (message.kind === "all" && message.view === id) {
      if (doc && message.structure === structure) apply(message, buffers);
      else hello();
    } else if (message.kind === "lost" && message.view === id && shown) {
      hello();
    } else if (message.kind === "data" && doc && shown) {
      if (message.structure !== structure || message.seq <= seq) return;
      if (message.seq === seq + 1) apply(message, buffers);
      else hello();
    }
  };

  const onMessage = (message, buffers) => {
    heard = performance.now();
    notice.hidden = true;
    building = building.then(() => receive(message, buffers)).catch((error) => {
      notice.textContent = `the plots cannot be drawn: ${error}`;
      notice.hidden = false;
    });
  };
  model.on("msg:custom", onMessage);

  // a page in the background, a closed tab, a plot out of sight: costs nothing
  let intersecting = false;
  const look = () => {
    const now = intersecting && document.visibilityState === "visible";
    if (now === shown) return;
    shown = now;
    if (shown) {
      heard = performance.now();
      hello();
    } else send("bye");
  };
  const observer = new IntersectionObserver((entries) => {
    intersecting = entries[entries.length - 1].isIntersecting;
    look();
  });
  observer.observe(el);
  document.addEventListener("visibilitychange", look);

  const themed = new MutationObserver(() => paint(doc, model.get("_themes")));
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });

  const pulse = setInterval(() => {
    if (!shown) return;
    if (performance.now() - heard > SILENT_MS && notice.hidden) {
      const at = new Date().toLocaleTimeString();
      notice.textContent =
        `${at}: the kernel does not answer; it is busy, or gone (then run the cell again). ` +
        "The picture is the last one that came.";
      notice.hidden = false;
    }
    send("ping");
  }, PING_MS);

  return () => {
    dead = true;
    clearInterval(pulse);
    observer.disconnect();
    themed.disconnect();
    document.removeEventListener("visibilitychange", look);
    model.off("msg:custom", onMessage);
    for (const { release } of leashes) release();
    if (shown) send("bye");
    views?.clear?.();
  };
}

export default { render };
