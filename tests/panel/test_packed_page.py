"""A page that unpacks itself in a frame; what a browser makes of it is a test of the browser's."""

from __future__ import annotations

import base64
import gzip
import html
import re

from parbench_lab.panel.packed_page import packed_frame

PAGE = "<html><body>" + '<p title="é">"quoted" & <b>bold</b></p>' * 1000 + "</body></html>"


def unpacked(markup):
    inner = html.unescape(re.search(r'srcdoc="([^"]*)"', markup).group(1))
    packed = re.search(r'atob\("([^"]*)"\)', inner).group(1)
    return gzip.decompress(base64.b64decode(packed)).decode("utf-8")


def test_the_whole_page_is_in_it_and_takes_less():
    markup = packed_frame(PAGE, title="plots", height_px=300)

    assert unpacked(markup) == PAGE
    assert len(markup) < len(PAGE) / 10


def test_no_word_of_the_page_or_its_title_is_markup_outside_the_frame():
    markup = packed_frame("</script></iframe>", title='"><img src=x>', height_px=300)

    assert "<img" not in markup
    assert markup.count("</iframe>") == 1


def test_the_same_page_is_packed_to_the_same_text():
    first, second = (packed_frame(PAGE, title="plots", height_px=300) for _ in range(2))

    assert first == second
