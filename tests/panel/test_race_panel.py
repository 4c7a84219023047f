"""The panel before a race that remembers, and before a real one in virtual time."""

from __future__ import annotations

import html
import re
import threading

import pytest
from ipywidgets.widgets import widget

from parbench_lab.core.standing import VerdictKind
from parbench_lab.errors import ClusterError, UsageError
from parbench_lab.panel.race_panel import RacePanel
from parbench_lab.panel.stills import Stills
from parbench_lab.racing.history import LogLine
from parbench_lab.store import open_store
from parbench_lab.testing import ScriptedExecutor
from tests.lab.policies import Tidy
from tests.panel.races import (
    EVIL,
    TIMINGS,
    WAIT_S,
    RememberingRace,
    comes,
    scoreboard,
    scripted_race,
    standing,
)
from tests.racing.test_engine import Full

THREADS = ("parbench-panel", "parbench-figure")


def panel_threads():
    return [t for t in threading.enumerate() if t.name in THREADS]


@pytest.fixture
def race():
    return RememberingRace()


@pytest.fixture
def panel(race):
    made = RacePanel(race)
    yield made
    made.close()


def say(panel, **message):
    """Let a page that shows the board say something."""
    panel.board._on_message(panel.board, {"view": "v", **message}, [])


def look(panel):
    """Let a page say that it shows the board, as it does every three seconds."""
    say(panel, kind="look")


def given(panel):
    """Return a list that gets what the board sends to pages, and an event set when it does."""
    sent, came = [], threading.Event()

    def keep(content, buffers=None):
        sent.append(content)
        came.set()

    panel.board.send = keep
    return sent, came


@pytest.mark.parametrize(
    ("clicked", "told"),
    [("pause", ("pause",)), ("stop", ("stop",))],
)
def test_a_button_is_one_verb_of_the_race(race, panel, clicked, told):
    panel.buttons[clicked].click()

    assert race.told == [told]


def test_start_and_add_do_not_wait_in_the_callback():
    race = RememberingRace(started=False)
    panel = RacePanel(race)

    panel.buttons["start"].click()
    panel.add.click()

    assert race.was_told("start")
    assert race.was_told("add", "newcomer")
    panel.close()


def test_a_start_that_fails_is_told_and_may_be_tried_again():
    race = RememberingRace(started=False)
    race.refusal = ClusterError(f"no scheduler answers at {EVIL}")
    panel = RacePanel(race)

    panel.buttons["start"].click()

    assert comes(panel.message, "value", lambda text: "no scheduler answers" in text)
    assert "<img" not in panel.message.value
    assert comes(panel.buttons["start"], "disabled", lambda disabled: not disabled)
    panel.close()


def test_who_entered_leaves_the_menu_and_gets_a_line_in_the_figures(race, panel):
    panel.add.click()

    assert comes(panel.challenger, "options", lambda options: options == ())


def test_a_button_that_is_pressed_twice_adds_once(race, panel, caplog):
    panel.add.click()
    panel.add.click()
    panel._later(lambda: race.note("and what comes after is done"))

    assert race.was_told("note", "and what comes after is done")
    assert [words for words in race.told if words[0] == "add"] == [("add", "newcomer")]
    assert "could not be kept" not in caplog.text


def test_rows_of_the_board_drop_and_bring_back(race, panel):
    say(panel, kind="drop", candidate="fair")
    say(panel, kind="bring-back", candidate="slow")

    assert race.told == [("drop", "fair"), ("bring_back", "slow")]


def test_what_the_race_refuses_is_told_below_the_buttons(race, panel):
    race.refusal = UsageError(f"the last survivor stays {EVIL}")

    say(panel, kind="drop", candidate="quick")

    assert "the last survivor stays" in panel.message.value
    assert "<img" not in panel.message.value


def test_what_was_refused_stands_in_the_log_at_its_time_beside_what_happened(race, panel):
    race.refusal = UsageError("tolerance must be small")
    panel.controls.controls["tolerance"].value = 0.3
    race.refusal = UsageError(f"the last survivor stays {EVIL}")
    say(panel, kind="drop", candidate="quick")
    later = race.scoreboard.elapsed_s + 1.0
    race.log_lines = (*race.log_lines, LogLine(at_s=later, sentence="a worker left"))
    look(panel)

    assert comes(panel.log, "_lines", lambda lines: len(lines) == 4)
    assert [line.partition(" s  ")[2] for line in panel.log._lines] == [
        "a worker left",
        f"refused: the last survivor stays {EVIL}",  # put in as text by the page
        "refused: tolerance must be small",
        "worker cpu-0 is ready",
    ]


def test_of_a_slider_that_is_dragged_through_refused_values_the_log_keeps_the_last(race, panel):
    race.refusal = UsageError("under the floor")
    for value in (19.0, 10.0, 1.0):
        panel.controls.controls["elimination_threshold"].value = value
        race.refusal = UsageError(f"under the floor, and {value:g} even more")

    assert comes(panel.log, "_lines", lambda lines: len(lines) == 2)
    assert "refused: under the floor, and 10 even more" in panel.log._lines[0]


def test_a_mark_that_keeps_a_function_out_of_the_menu_is_told_once_with_its_reason(race, panel):
    race.marked_badly = {"needy": "resources must be names but got 'GPU'"}
    panel.refresh()
    assert comes(panel.log, "_lines", lambda lines: "needy" in "".join(lines))
    panel._tick()

    refused = [line for line in panel.log._lines if "needy" in line]
    assert len(refused) == 1
    assert "needy cannot be a challenger: resources must be names but got 'GPU'" in refused[0]


def test_a_look_at_the_race_reads_the_names_of_the_notebook_once(race):
    panel = RacePanel(race)
    panel.close()  # its own thread looks no more
    before = race.looks

    panel._tick()

    assert race.looks == before + 1


def test_a_note_is_pinned_and_the_field_is_empty_again(race, panel):
    panel.note.value = "warm room"
    panel.pin.click()

    assert race.told == [("note", "warm room")]
    assert panel.note.value == ""


def test_a_refused_note_stays_in_its_field(race, panel):
    race.refusal = UsageError("a note needs words")

    panel.note.value = " "
    panel.pin.click()

    assert panel.note.value == " "
    assert "a note needs words" in panel.message.value


@pytest.mark.parametrize(
    ("phase", "enabled"),
    [
        ("racing", {"pause", "stop"}),
        ("watching", {"pause", "stop"}),
        ("paused", {"resume", "stop"}),
        ("ended", set()),
    ],
)
def test_only_what_makes_sense_can_be_pressed(phase, enabled):
    panel = RacePanel(RememberingRace(scoreboard(phase=phase)))

    assert {name for name, button in panel.buttons.items() if not button.disabled} == enabled
    panel.close()


def test_the_threshold_line_moves_with_the_slider(race, panel):
    panel.controls.controls["elimination_threshold"].value = 50.0

    line = panel.curves.figure.static().select_one({"name": "evidence:threshold"})
    assert line.location == 50.0


def test_the_winner_can_be_taken_away_as_code(race, panel):
    sent, came = given(panel)

    say(panel, kind="take", what="code")

    assert came.wait(20)
    assert (sent[0]["kind"], sent[0]["name"], sent[0]["view"]) == ("file", "quick.py", "v")
    assert "abs" in sent[0]["text"]


def test_without_a_leader_there_is_no_code_and_the_page_says_so():
    panel = RacePanel(RememberingRace(scoreboard([standing("a", 1), standing("b", 2)])))
    sent, came = given(panel)

    say(panel, kind="take", what="code")

    assert came.wait(20)
    assert sent == [{"kind": "said", "view": "v", "text": "nobody leads yet"}]
    panel.close()


def test_the_table_can_be_taken_away_under_the_runs_id(race, panel):
    sent, came = given(panel)

    say(panel, kind="take", what="csv")

    assert came.wait(20)
    assert sent[0]["name"] == "run-1.csv"
    assert sent[0]["text"].startswith("rank,candidate,verdict,")


def test_a_static_picture_fetches_nothing(race, panel):
    sent, came = given(panel)

    say(panel, kind="take", what="picture")

    assert came.wait(60)
    assert sent[0]["name"] == "run-1.html"
    assert re.search(r"<(script|link)[^>]*(src|href)=", sent[0]["text"]) is None
    assert "quick" in sent[0]["text"]


def test_a_candidate_with_markup_in_its_name_stays_text():
    board = scoreboard([standing(EVIL, 1, VerdictKind.LEADER), standing("b", 2)])
    panel = RacePanel(RememberingRace(board))

    page = panel.page().html()

    outside = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert EVIL not in outside
    assert html.escape(EVIL) in outside
    assert panel.board._state["rows"][0]["candidate"] == EVIL  # the page puts it in as text
    panel.close()


def test_the_table_of_a_page_stands_in_its_body_and_not_in_a_script(race, panel):
    page = panel.page().html()

    outside = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    body = outside.partition("</head>")[2]
    assert body.count('class="parbench-still"') == 1
    assert page.count('class="parbench-still"') == 1


def test_closing_leaves_no_thread_and_leaves_the_race_alone(race):
    panel = RacePanel(race)

    panel.close()
    panel.close()

    assert panel_threads() == []
    assert race.told == []


class Faltering(RememberingRace):
    """A race that, while `broken`, cannot tell how it stands."""

    broken = False

    @property
    def scoreboard(self):
        if self.broken:
            self.asked_in_vain.set()
            raise RuntimeError("the engine is gone")
        return self._board

    @scoreboard.setter
    def scoreboard(self, board):
        self._board = board
        self.asked_in_vain = threading.Event()


def test_closing_leaves_no_widget_behind():
    RacePanel(RememberingRace()).close()
    before = len(widget._instances)

    RacePanel(RememberingRace()).close()

    assert len(widget._instances) == before


def test_a_race_that_cannot_answer_for_a_while_does_not_end_the_panel():
    race = Faltering()
    panel = RacePanel(race)

    race.broken = True
    panel.refresh()
    assert race.asked_in_vain.wait(20)
    race.scoreboard = scoreboard(measurements=121)
    race.broken = False
    panel.refresh()

    assert comes(panel.board, "_state", lambda state: "121 measurements" in state["facts"])
    panel.close()


def test_a_headless_panel_has_no_thread_and_shows_a_page(race):
    before = panel_threads()

    panel = RacePanel(race, headless=True)

    assert panel_threads() == before
    assert "<iframe" in panel.page()._repr_html_()
    panel.close()


def test_a_real_race_is_started_changed_and_stopped_from_the_panel():
    with scripted_race(policy="never") as bench:
        panel = RacePanel(bench)
        panel.buttons["start"].click()
        assert comes(panel.board, "_state", lambda state: state["phase"] == "racing")
        panel.controls.controls["batch_size"].value = 500.0
        look(panel)
        assert comes(panel.board, "_state", lambda state: "batch size 500 " in state["facts"])
        assert bench.settings.batch_size == 500
        panel.buttons["stop"].click()
        assert comes(panel.board, "_state", lambda state: state["phase"] == "ended")
        panel.close()

    assert panel_threads() == []


def test_a_race_that_breaks_has_ended_in_its_panel_which_says_why():
    with scripted_race(policy="never", store=Full(open_store(":memory:"))) as bench:
        panel = RacePanel(bench)
        place = Place()
        panel.stills.add(place)
        panel.buttons["start"].click()
        assert comes(panel.message, "value", lambda words: "disk is full" in words)

        assert panel.board._state["phase"] == "ended"
        assert "disk is full" in panel.board._state["phase_words"]
        assert comes(panel.add, "disabled", bool)
        assert all(panel.buttons[verb].disabled for verb in ("pause", "resume", "stop"))
        assert not bench.running
        so_far_s = bench.scoreboard.elapsed_s
        assert bench.scoreboard.elapsed_s == so_far_s  # its clock stands
        panel.close()
        assert "disk is full" in place.shown[-1]

    assert panel_threads() == []


def test_who_waits_for_a_batch_size_that_is_never_measured_sees_the_race_end(panel, race):
    panel.controls.controls["batch_size"].value = 500.0
    race.scoreboard = scoreboard(batch_size=500)
    look(panel)
    assert comes(panel.board, "_state", lambda state: "batch size 500 " in state["facts"])

    race.scoreboard = scoreboard(phase="ended")

    assert comes(panel.board, "_state", lambda state: state["phase"] == "ended")


def test_closing_the_panel_of_a_real_race_lets_it_race_on():
    with scripted_race(policy="never") as bench:
        panel = RacePanel(bench)
        bench.start()
        panel.close()
        before = bench.scoreboard.measurements

        assert bench._engine.wait_for(lambda state: state.measurements > before + 50, 20)


def test_settings_changed_by_a_cell_are_followed_by_the_controls():
    with scripted_race(policy="never") as bench:
        panel = RacePanel(bench)
        bench.start()
        bench.change(tolerance=0.25)
        panel.refresh()

        assert comes(panel.controls.controls["tolerance"], "value", lambda value: value == 0.25)
        panel.close()


def test_a_policy_of_ones_own_is_followed_and_the_race_goes_on_from_the_panel():
    with scripted_race(policy="never") as bench:
        panel = RacePanel(bench)
        bench.start()
        bench.change(policy=Tidy(patience=10**6))
        bench.pause()
        panel.refresh()

        shown = panel.controls.controls["policy"]
        assert comes(shown, "value", lambda value: value == bench.settings.policy)
        assert comes(panel.buttons["resume"], "disabled", lambda disabled: not disabled)
        panel.close()


def test_closing_the_race_closes_its_panel():
    with scripted_race() as bench:
        assert bench.panel() is bench.panel()
        assert panel_threads()

    assert panel_threads() == []


def test_a_panel_that_was_closed_is_made_anew():
    with scripted_race() as bench:
        first = bench.panel()
        first.close()

        second = bench.panel()

        assert second is not first
        assert not second.closed
        assert bench.panel() is second


class SlowToOpen(ScriptedExecutor):
    """A cluster that takes its time to come up."""

    def __init__(self):
        super().__init__(TIMINGS)
        self.opening, self.may_open = threading.Event(), threading.Event()

    def open(self, sink, workload):
        self.opening.set()
        assert self.may_open.wait(WAIT_S)
        super().open(sink, workload)


def test_closing_while_the_panel_starts_the_race_leaves_nothing_running():
    store, executor = open_store(":memory:"), SlowToOpen()
    bench = scripted_race(store=store, executor=executor, policy="never")
    panel = bench.panel()
    panel.buttons["start"].click()
    assert executor.opening.wait(WAIT_S)

    closing = threading.Thread(target=bench.close)
    closing.start()
    while bench.panel() is panel:  # it has not begun to close
        assert closing.is_alive()
    executor.may_open.set()
    closing.join(WAIT_S)

    assert not closing.is_alive()
    assert [t for t in threading.enumerate() if t.name.startswith("parbench-")] == []
    assert store.summary(bench.run_id).status != "running"
    store.close()


def test_a_close_that_was_interrupted_is_gone_on_with(monkeypatch):
    bench = scripted_race(policy="never")
    bench.panel()
    bench.start()
    with monkeypatch.context() as patched:
        patched.setattr(bench._engine, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bench.close()

    bench.close()

    assert [t for t in threading.enumerate() if t.name.startswith("parbench-")] == []


def interrupted(timeout_s=None):
    raise KeyboardInterrupt


def test_the_log_is_a_widget_of_its_own_with_the_newest_sentence_first(panel, race):
    race.log_lines = (*race.log_lines, LogLine(at_s=2.0, sentence=f"note: {EVIL}"))
    panel.refresh()

    assert comes(panel.log, "_lines", lambda lines: len(lines) == 2)
    assert panel.log._lines == [f"2.0 s  note: {EVIL}", "1.0 s  worker cpu-0 is ready"]


def test_a_page_is_told_in_one_sentence(panel):
    assert repr(panel.page()) == "Plots and table of the race 'windows' (racing, run run-1)"


class Place:
    """A cell's place for a still picture, which remembers what it was given."""

    def __init__(self):
        self.shown = []
        self.has_plots = threading.Event()

    def update(self, obj, *, raw):
        assert raw
        self.shown.append(obj["text/html"])
        if "<iframe" in obj["text/html"]:
            self.has_plots.set()


def test_every_cell_that_shows_the_panel_gets_the_last_still_picture(race, panel):
    first, second = Place(), Place()
    panel.stills = Stills(clock_s=lambda: 0.0)  # its plots are not due before it is closed
    panel.stills.add(first)
    panel.stills.add(second)

    race.scoreboard = scoreboard(phase="watching")
    assert comes(panel.board, "_state", lambda state: state["phase"] == "watching")
    panel.close()

    assert "the leader is watched" in first.shown[0]
    assert first.shown == second.shown
    assert len(first.shown) == 2  # when it was decided, and when the panel was closed
    assert ["<iframe" in shown for shown in first.shown] == [False, True]


@pytest.mark.parametrize("phase", ["watching", "paused"])
def test_of_a_race_that_stays_decided_or_paused_the_still_has_its_plots(race, panel, phase):
    place = Place()
    panel.stills.add(place)

    race.scoreboard = scoreboard(phase=phase)
    panel.refresh()

    assert place.has_plots.wait(WAIT_S)
    assert ["<iframe" in shown for shown in place.shown] == [False, True]


def test_of_a_race_that_has_ended_the_still_picture_has_its_plots_once(race, panel):
    place = Place()
    panel.stills.add(place)

    race.scoreboard = scoreboard(phase="ended")
    panel.refresh()
    assert place.has_plots.wait(60.0)
    panel.close()

    assert ["<iframe" in shown for shown in place.shown] == [False, True]
    assert [shown.count('class="parbench-still"') for shown in place.shown] == [1, 1]
    assert len(place.shown[1]) < 700_000  # with BokehJS


def test_a_cell_that_shows_a_settled_race_gets_its_plots_though_nobody_watches(monkeypatch):
    panel, place = RacePanel(RememberingRace(scoreboard(phase="ended"))), Place()
    monkeypatch.setattr(
        "IPython.display.display", lambda *_, display_id=False, **__: place if display_id else None
    )

    panel._ipython_display_()

    assert place.has_plots.wait(WAIT_S)
    panel.close()


def test_a_board_that_nobody_sees_is_left_alone_until_the_phase_changes(race):
    panel = RacePanel(race)
    panel._heart.close()  # this test ticks itself
    changes = []
    panel.board.observe(changes.append, "_state")
    panel.log.observe(changes.append, "_lines")

    for measurements in range(121, 151):
        race.scoreboard = scoreboard(measurements=measurements)
        race.log_lines = (*race.log_lines, LogLine(at_s=2.0, sentence=f"{measurements} more"))
        panel._tick(everything=False)
    unseen = len(changes)
    race.scoreboard = scoreboard(phase="paused")
    panel._tick(everything=False)

    assert unseen == 0
    assert {change["name"] for change in changes} == {"_state", "_lines"}
    assert panel.board._state["phase"] == "paused"
    panel.close()


def test_a_board_that_is_seen_follows_every_third_tick(race):
    panel = RacePanel(race)
    panel._heart.close()
    changes = []
    panel.board.observe(changes.append, "_state")
    look(panel)

    for measurements in range(121, 151):
        race.scoreboard = scoreboard(measurements=measurements)
        panel._tick(everything=False)

    assert len(changes) == 10
    panel.close()
