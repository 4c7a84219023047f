"""The board's page code in a real page, with a pretended kernel: what a press meets."""

from __future__ import annotations

import base64
from importlib import resources

import pytest

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


def ranked(names):
    kinds = [VerdictKind.LEADER, *[VerdictKind.UNDECIDED] * 5]
    standings = [
        standing(name, place + 1, kinds[place], ratio=estimate(1.0 + place / 10))
        for place, name in enumerate(names)
    ]
    return board_state(
        scoreboard(standings), Settings(), (), candidates=["a", "b", "c"], started=True
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
