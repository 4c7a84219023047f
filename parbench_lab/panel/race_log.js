// What happened in a race, newest first. Every sentence is put in as text.

function render({ model, el }) {
  const log = document.createElement("div");
  log.className = "parbench-log";
  log.tabIndex = 0;
  log.setAttribute("role", "log");
  log.setAttribute("aria-label", "log of the race");
  el.append(log);

  const draw = () => {
    const lines = model.get("_lines").map((line) => {
      const made = document.createElement("div");
      made.textContent = line;
      return made;
    });
    log.replaceChildren(...lines);
  };
  model.on("change:_lines", draw);
  draw();
  return () => model.off("change:_lines", draw);
}

export default { render };
