"""A whole page that unpacks itself in a frame: a third of its size in a saved notebook."""

from __future__ import annotations

import base64
import gzip

from parbench_lab.plots.framed import frame

# nothing is done before it is seen: beside a live panel, where it is hidden, it costs nothing
_UNPACK = """\
<!DOCTYPE html>
<script>
new IntersectionObserver(async ([seen], observer) => {{
  if (!seen.isIntersecting) return;
  observer.disconnect();
  const bytes = Uint8Array.from(atob("{packed}"), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const text = await new Response(stream).text();
  document.open();
  document.write(text);
  document.close();
  // Bokeh's page is as high as its frame: here the frame is as high as what is drawn
  document.documentElement.style.height = document.body.style.height = "auto";
  new ResizeObserver(() => {{
    const height = document.body.getBoundingClientRect().height + 16;
    if (window.frameElement) window.frameElement.style.height = height + "px";
  }}).observe(document.body);
}}).observe(document.documentElement);
</script>
"""


def packed_frame(page: str, *, title: str, height_px: int) -> str:
    """Return a page in a frame of its own that fetches nothing.

    One of 1.4 MB with BokehJS in it takes 0.5 MB. Without a browser that can unpack it (those
    before 2023), or in a notebook that is not trusted, the frame stays empty.

    Parameters
    ----------
    page
        The whole page, as HTML.
    title
        Of the frame.
    height_px
        Of the frame until the page is drawn.
    """
    packed = base64.b64encode(gzip.compress(page.encode("utf-8"), mtime=0)).decode("ascii")
    return frame(_UNPACK.format(packed=packed), title=title, height_px=height_px)
