// A figure's frame is as high as what is in it: narrow pages stack plots that stand side by side.
for (const frame of document.querySelectorAll("iframe[srcdoc]")) {
  const inner = () => frame.contentDocument?.body;
  const style = (part) => frame.contentWindow.getComputedStyle(part);
  // not what floats above the page: that is as high as the frame, which would never shrink
  const inFlow = (part) => style(part).display !== "none" && style(part).position !== "fixed";
  const boxes = (part) => (style(part).display === "contents" ? [...part.children] : [part]);
  const shown = () => [...(inner()?.children ?? [])].filter(inFlow).flatMap(boxes);
  const fit = () => {
    const ends = shown().map((part) => part.getBoundingClientRect().bottom);
    const high = Math.ceil(Math.max(0, ...ends)) + 12;
    if (high > 60 && Math.abs(high - frame.clientHeight) > 8) frame.style.height = `${high}px`;
  };
  const sizes = new ResizeObserver(fit);
  const watch = () => {
    for (const part of shown()) sizes.observe(part);
    fit();
  };
  const begin = () => {
    if (inner() == null) return;
    new MutationObserver(watch).observe(inner(), { childList: true, subtree: true });
    watch();
  };
  frame.addEventListener("load", begin);
  if (frame.contentDocument?.readyState === "complete") begin();
}
