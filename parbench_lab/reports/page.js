// A figure's frame is as high as what is in it: narrow pages stack plots that stand side by side.
for (const frame of document.querySelectorAll("iframe[srcdoc]")) {
  const shown = () =>
    [...(frame.contentDocument?.body?.children ?? [])].filter((part) => part.tagName !== "SCRIPT");
  const fit = () => {
    // of the parts, not of the body: that is as high as the frame, which would grow for ever
    const ends = shown().map((part) => part.getBoundingClientRect().bottom);
    const high = Math.ceil(Math.max(0, ...ends)) + 16;
    if (high > 60 && Math.abs(high - frame.clientHeight) > 8) frame.style.height = `${high}px`;
  };
  const watch = () => {
    const sizes = new ResizeObserver(fit);
    for (const part of shown()) sizes.observe(part);
    fit();
  };
  frame.addEventListener("load", () => setTimeout(watch, 0));
  if (frame.contentDocument?.readyState === "complete") watch();
}
