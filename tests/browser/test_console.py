"""Which complaints of a page are let pass: the known ones of others, and nothing that is ours."""

from __future__ import annotations

import pytest

from tests.browser.jupyter import HARMLESS, HARMLESS_STRANGERS, fits

HERE = "http://127.0.0.1:8888"
NOT_FOUND = "Failed to load resource: the server responded with a status of 404 (Not Found)"
ICONS = "https://cdn.jsdelivr.net/npm/@fortawesome/fontawesome-free@%5E5/css/all.min.css"
BLOCKED = f"violates the following Content Security Policy directive: 'self'. ({HERE}/voila/)"


@pytest.mark.parametrize(
    "text",
    [
        f"{NOT_FOUND} ({HERE}/favicon.ico)",
        f"{NOT_FOUND} ({HERE}/lab/api/news?1)",
        "Failed to load resource: net::ERR_FAILED (https://jupyter.org/news.xml)",
        f"Loading the stylesheet '{ICONS}' {BLOCKED}",
    ],
    ids=["icon", "news", "refused news", "icons of Voila"],
)
def test_what_others_say_on_any_page_is_let_pass(text):
    assert fits(HARMLESS, text)


@pytest.mark.parametrize(
    "text",
    [
        f"TypeError: the webgl backend of the plot is undefined (blob:{HERE}/1)",
        f"Error: cannot read 'lsp' of undefined ({HERE}/static/lab/jlab_core.js)",
        f"{NOT_FOUND} ({HERE}/api/contents/a.ipynb)",
        f"Loading the script 'https://cdn.bokeh.org/bokeh.js' {BLOCKED}",
        f"Error: see https://jupyter.org/widgets for why the model was not found ({HERE}/lab)",
    ],
    ids=["WebGL in words", "lsp in words", "a file", "a script", "an address in words"],
)
def test_an_error_that_only_has_a_word_of_theirs_is_a_complaint(text):
    assert not fits(HARMLESS, text)


def test_only_the_news_of_jupyterlab_may_be_asked_for_elsewhere():
    asked = ["https://jupyter.org/feed", "https://cdn.bokeh.org/jupyter.org/favicon.ico"]

    assert [fits(HARMLESS_STRANGERS, url) for url in asked] == [True, False]


def test_the_picture_of_a_page_that_was_left_is_of_what_it_showed(page, console):
    page.set_content("<h1>before</h1>")
    before = page.screenshot(full_page=True)

    console.leave(page)

    assert page.inner_text("body") == ""
    assert console.picture(page) == before
