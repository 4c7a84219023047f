// A figure's frame is as high as what is in it: narrow pages stack plots that stand side by side.
for (const frame of document.querySelectorAll("iframe[srcdoc]")) {
  const fit = () => {
    const inner = frame.contentDocument;
    if (!inner || !inner.body) return;
    const high = Math.ceil(inner.body.getBoundingClientRect().height) + 24;
    if (high > 60 && Math.abs(high - frame.clientHeight) > 8) frame.style.height = `${high}px`;
  };
  const watch = () => {
    const inner = frame.contentDocument;
    if (!inner || !inner.body) return;
    new ResizeObserver(fit).observe(inner.body);
    fit();
  };
  frame.addEventListener("load", watch);
  watch();
}
