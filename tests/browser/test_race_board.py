"""The board's page code in a real page, with a pretended kernel: what a press meets."""

from __future__ import annotations

import base64
import re
from importlib import resources

import pytest
from playwright.sync_api import expect

from parbench_lab.core.standing import VerdictKind
from parbench_lab.panel.presenter import board_state
from parbench_lab.racing.settings import Settings
from tests.panel.races import estimate, scoreboard, standing

RENDER = """async ([url, state]) => {
  const listeners = {};
  window.said = [];
  const model = {
    state,
    get: () => model.state,
    on: (kind, listener) => { listeners[kind] = listener; },
    off: () => {},
    send: (message) => said.push(message),
  };
  window.show = (next) => { model.state = next; listeners["change:_state"](); };
  const widget = (await import(url)).default;
  widget.render({ model, el: document.getElementById("board") });
}"""


def ranked(names, **options):
    kinds = [VerdictKind.LEADER, *[VerdictKind.UNDECIDED] * 5]
    standings = [
        standing(name, place + 1, kinds[place], ratio=estimate(1.0 + place / 10))
        for place, name in enumerate(names)
    ]
    return board_state(
        scoreboard(standings), Settings(), (), candidates=["a", "b", "c"], started=True, **options
    )


@pytest.fixture
def board(page):
    code = (resources.files("parbench_lab.panel") / "race_board.js").read_bytes()
    page.set_content('<div id="board" style="width: 1000px"></div>')
    url = "data:text/javascript;base64," + base64.b64encode(code).decode()
    page.evaluate(RENDER, [url, ranked("abc")])
    return page


@pytest.mark.parametrize("meanwhile", ["abc", "cba", "bac"])
def test_a_press_meets_the_row_it_aimed_at_though_the_ranking_changes(board, meanwhile):
    box = board.get_by_role("button", name="drop b").bounding_box()

    board.mouse.move(box["x"] + 5, box["y"] + 5)
    board.mouse.down()
    board.evaluate("state => show(state)", ranked(meanwhile))
    board.mouse.up()

    words = [w for w in board.evaluate("() => said") if w["kind"] != "look"]
    assert [(w["kind"], w["candidate"]) for w in words] == [("drop", "b")]
    board.wait_for_function(
        f"document.querySelector('td.name').innerText.trim() === '{meanwhile[0]}'"
    )


def test_the_focus_stays_on_its_button_though_the_ranking_changes(board):
    board.get_by_role("button", name="drop b").focus()

    board.evaluate("state => show(state)", ranked("bca"))

    assert board.evaluate("document.activeElement.getAttribute('aria-label')") == "drop b"


def test_a_swatch_has_the_dash_of_its_line_so_that_colours_that_come_again_differ(board):
    css = (resources.files("parbench_lab.panel") / "race_board.css").read_text(encoding="utf-8")
    board.add_style_tag(content=css)
    state = ranked("abc")
    state["rows"][1]["dash"] = "dashed"

    board.evaluate("state => show(state)", state)

    solid, dashed, _ = board.locator(".parbench-swatch").all()
    expect(solid).to_have_css("mask-image", "none")
    expect(dashed).to_have_css("mask-image", re.compile("gradient"))


CLIPBOARD = """(works) => {
  const writeText = async (text) => {
    if (!works) throw new DOMException("not allowed");
    window.copied = text;
  };
  Object.defineProperty(navigator, "clipboard", { value: { writeText }, configurable: true });
}"""


@pytest.mark.parametrize(
    ("works", "told", "copied"),
    [
        pytest.param(True, "copied", "run-1", id="allowed"),
        pytest.param(False, "run-1", None, id="shown where there is no clipboard"),
    ],
)
def test_the_id_of_the_run_is_taken_away_by_a_button(board, works, told, copied):
    board.evaluate("state => show(state)", ranked("abc", run_id="run-1"))
    board.evaluate(CLIPBOARD, works)

    board.get_by_role("button", name="copy the run's id").click()

    expect(board.locator(".parbench-take [role=status]")).to_have_text(told)
    assert board.evaluate("() => window.copied ?? null") == copied
