"""The panel before a study that remembers, and before a real one."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import replace

import pytest
from bokeh.models import LogAxis
from ipywidgets.widgets import widget

from parbench_lab.errors import RaceError, UsageError
from parbench_lab.panel.study_board import body_html, look_at, still_html
from parbench_lab.panel.study_controls import worker_counts
from parbench_lab.panel.study_panel import StudyPanel
from parbench_lab.scaling.plan import Cell
from tests.panel.races import comes
from tests.panel.studies import EVIL, SERIES, WAIT_S, HeldStudy, RememberingStudy

THREADS = ("parbench-panel", "parbench-figure")


def panel_threads():
    return [t for t in threading.enumerate() if t.name in THREADS]


@pytest.fixture
def study():
    return RememberingStudy()


@pytest.fixture
def panel(study):
    made = StudyPanel(study)
    yield made
    made.close()


def points(panel, label="threads"):
    """Return what the figure holds of a series."""
    return panel.curves.figure.static().select_one({"name": f"scaling:points:{label}"}).data


class Shown:
    """A display that keeps what it was updated with."""

    def __init__(self):
        self.pages = []

    def update(self, data, *, raw):
        self.pages.append(data["text/html"])


# ---------------------------------------------------------------- buttons and controls


@pytest.mark.parametrize("verb", ["pause", "stop"])
def test_a_button_is_one_verb_of_the_study(study, panel, verb):
    panel.buttons[verb].click()

    assert study.told == [(verb,)]


def test_start_does_not_wait_in_the_callback():
    study = RememberingStudy(phase="new", levels=())
    panel = StudyPanel(study)

    panel.buttons["start"].click()

    assert study.was_told("start")
    panel.close()


@pytest.mark.parametrize(
    ("phase", "enabled"),
    [
        ("new", {"start"}),
        ("measuring", {"pause", "stop"}),
        ("paused", {"resume", "stop"}),
        ("ended", set()),
    ],
)
def test_only_what_makes_sense_can_be_pressed(phase, enabled):
    panel = StudyPanel(RememberingStudy(phase=phase))

    assert {name for name, button in panel.buttons.items() if not button.disabled} == enabled
    assert panel.controls.workers.disabled == (phase == "ended")
    panel.close()


def test_what_the_study_refuses_is_told_below_the_buttons(study, panel):
    study.refusal = UsageError(f"not now {EVIL}")

    panel.buttons["pause"].click()

    assert "not now" in panel.message.value
    assert "<img" not in panel.message.value


@pytest.mark.parametrize(
    ("control", "set_to", "told"),
    [
        pytest.param("workers", "4,1 2", {"workers": (1, 2, 4)}, id="levels"),
        pytest.param("repeats", 7, {"repeats": 7}, id="repetitions"),
    ],
)
def test_what_is_pending_is_changed_once_and_shown_as_it_is(study, panel, control, set_to, told):
    getattr(panel.controls, control).value = set_to

    assert study.told == [("change", told)]
    assert panel.controls.workers.value == ", ".join(map(str, study.plan.workers))


@pytest.mark.parametrize(
    ("control", "set_to", "words"),
    [
        pytest.param("workers", f"1, two{EVIL}", "whole numbers such as 1, 2, 4", id="no number"),
        pytest.param("workers", "1, 0", "from 1 to 4,096", id="no worker"),
        pytest.param("workers", "2, 2", "different numbers", id="twice"),
        pytest.param("workers", " ", "at least one", id="none"),
        pytest.param("repeats", 0, "from 1 to 1,000", id="no repetition"),
    ],
)
def test_what_is_refused_is_told_beside_the_control_which_returns(
    study, panel, control, set_to, words
):
    before = getattr(panel.controls, control).value

    getattr(panel.controls, control).value = set_to

    assert words in panel.controls.messages[control].value
    assert "<img" not in panel.controls.messages[control].value
    assert getattr(panel.controls, control).value == before
    assert study.plan.workers == (1, 2, 4, 8)


def test_a_refusal_is_forgotten_with_the_next_change(panel):
    panel.controls.workers.value = "many"
    panel.controls.workers.value = "1, 2"

    assert panel.controls.messages["workers"].value == ""


def test_levels_changed_by_a_cell_are_followed(study, panel):
    study.plan = study.plan.changed(workers=(1, 16))
    panel.refresh()

    assert comes(panel.controls.workers, "value", lambda text: text == "1, 16")


def test_worker_counts_are_whole_numbers():
    with pytest.raises(UsageError, match=r"but got '1\.5'"):
        worker_counts("1.5")


# ---------------------------------------------------------------- the picture


def test_a_run_is_shown_between_two_runs_by_the_thread_that_measures(study, panel):
    study.measure((1, 2, 4, 8))

    panel.between_runs()

    assert points(panel)["workers"] == [1, 2, 4, 8]
    assert "4 of 12 runs done" in panel.head.value


def test_quick_runs_do_not_draw_each_and_what_is_owed_comes_when_it_rests(study, panel):
    panel.between_runs()
    study.measure((1, 2, 4, 8))
    panel.between_runs()
    before = points(panel)["workers"]
    study.phase = "paused"
    panel.refresh()

    assert before == [1, 2, 4]
    assert comes(panel.body, "value", lambda text: text.count("1 of 3") == 4)
    assert points(panel)["workers"] == [1, 2, 4, 8]


def test_a_study_that_cannot_be_looked_at_goes_on(study, panel, caplog):
    study.done = None  # whoever looks now fails

    with caplog.at_level(logging.ERROR):
        panel.between_runs()
    study.measure((1, 2, 4, 8))
    panel.refresh()

    assert "could not be kept up to date" in caplog.text
    assert comes(panel.body, "value", lambda text: text.count("1 of 3") == 4)


def test_what_runs_now_and_what_was_asked_for_is_told(study, panel):
    (study.now, *_) = study.plan.repetition(1)
    panel.buttons["stop"].click()

    assert comes(panel.head, "value", lambda text: "stopping after this run" in text)
    assert re.search(r"now \d workers?, repetition 2 of 3", panel.head.value)


@pytest.mark.parametrize(
    ("box", "seen"),
    [
        pytest.param("hide", [1.0, 2.0, 4.0, 8.0], id="the last level is hidden"),
        pytest.param("beyond", [1.0, 2.0, 4.0, 8.0, 16.0], id="more workers than cores"),
    ],
)
def test_what_the_laws_may_see_is_the_users_choice(box, seen):
    study = RememberingStudy(levels=(1, 2, 4, 8, 16))
    study.cores = 16 if box == "hide" else 4
    panel = StudyPanel(study)

    getattr(panel.controls, box).value = True

    panel._draw()
    assert [n for n in points(panel)["fitted_workers"] if n == n] == seen  # noqa: PLR0124 - no NaN
    panel.close()


def test_axes_become_logarithmic_at_the_users_wish(panel):
    panel.controls.log.value = True
    panel._draw()

    axes = [m for m in panel.curves.figure.static().references() if isinstance(m, LogAxis)]
    assert axes


def test_why_it_could_not_go_on_is_told():
    study = RememberingStudy(phase="ended")
    study.failure = RaceError("the study could not go on: the disk is full")
    panel = StudyPanel(study)

    assert "the disk is full" in panel.body.value
    panel.close()


def test_names_and_failures_stay_text():
    study = RememberingStudy(name=EVIL)
    study.backend_reason = study.batch_reason = EVIL
    state = look_at(study, failure=EVIL)

    for page in (still_html(state), body_html(state)):
        assert "<img" not in page
        assert "&lt;img" in page


def test_the_reasons_for_backend_and_batch_sizes_are_told_a_line_each():
    study = RememberingStudy()
    study.backend_reason = "threads: the fastest of them"
    study.batch_reason = "batches of 100 and 500 items are the same"

    page = body_html(look_at(study))

    assert f'<div class="soft">{study.backend_reason}</div>' in page
    assert f'<div class="soft">{study.batch_reason}</div>' in page
    assert 'class="soft"></div>' not in body_html(look_at(RememberingStudy()))


def test_planned_levels_have_a_row_and_crowded_ones_a_mark():
    page = body_html(look_at(RememberingStudy(levels=(1, 2))))

    assert page.count("0 of 3") == 2
    assert page.count("more than cores") == 1
    assert "All 2 results are identical bit by bit." in page
    assert "No law is fitted: " in page


@pytest.mark.parametrize(
    ("levels", "beyond", "told"),
    [
        ((1, 2, 3, 4, 8), "exclude", "Levels with more workers than cores are not fitted: 8."),
        ((1, 2, 3, 4, 8), "include", "Levels with more workers than cores are fitted, as was ask"),
        ((1, 2, 8), "exclude", "No law is fitted: "),
    ],
    ids=["left out", "fitted", "no law"],
)
def test_of_many_series_little_is_said_first_but_always_what_was_fitted(levels, beyond, told):
    backends = ("threads", "processes", "dask")
    study = RememberingStudy(levels=levels, backends=backends)
    again = {replace(c, repetition=1): replace(t, repetition=1) for c, t in study.done.items()}
    study.done |= again

    page = body_html(look_at(study, oversubscribed=beyond))
    at_once, folded = page.split("<details>")

    assert told in at_once
    assert at_once.count("<li>") == 4
    assert folded.count("<li>") > 1


def test_of_many_series_every_sentence_is_there_and_the_rest_is_folded():
    few, many = (
        RememberingStudy(levels=(1, 2, 3, 4), backends=backends)
        for backends in (("threads",), ("threads", "processes", "dask"))
    )
    for study in (few, many):
        bad = [
            replace(trial, repetition=1, outcome="failed", time_s=None, message=f"no luck, {EVIL}")
            for trial in study.done.values()
        ]
        study.done |= {Cell(series=SERIES, repetition=1, workers=t.workers): t for t in bad}

    every, folded = (body_html(look_at(study)) for study in (few, many))

    told = re.findall("<li>(.*?)</li>", every)
    assert len(told) > 5
    assert sorted(re.findall("<li>(.*?)</li>", folded)) == sorted(told)
    assert folded.count("<details>") == 1
    assert "<img" not in folded


# ---------------------------------------------------------------- still, headless, closed


def test_the_still_picture_is_kept_where_the_study_rests(study, panel):
    panel._still = shown = Shown()
    panel._draw()
    while_measuring = list(shown.pages)
    study.phase = "paused"
    panel._draw()
    panel._draw()

    assert while_measuring == []
    assert len(shown.pages) == 1
    assert "3 of 12 runs done" in shown.pages[0]


def test_closing_leaves_no_thread_no_widget_and_the_study_alone(study):
    StudyPanel(RememberingStudy()).close()
    widgets_before = len(widget._instances)
    panel = StudyPanel(study)
    panel._still = shown = Shown()

    panel.close()
    panel.close()
    panel.between_runs()

    assert panel.closed
    assert panel_threads() == []
    assert len(widget._instances) == widgets_before
    assert study.told == []
    assert len(shown.pages) == 1


def test_a_headless_panel_has_no_thread_and_shows_a_page_that_fetches_nothing(study):
    before = panel_threads()

    panel = StudyPanel(study, headless=True)
    page = panel.page().html()

    assert panel_threads() == before
    assert re.search(r"<(script|link)[^>]*(src|href)=", page) is None
    assert page.count('class="parbench-still"') == 1
    panel.close()


# ---------------------------------------------------------------- a real study


def test_a_real_study_is_started_changed_while_it_runs_and_stopped():
    held = HeldStudy()
    with held.study as study:
        panel = study.panel()
        panel.buttons["start"].click()
        assert comes(panel.head, "value", lambda text: "now 4 workers" in text)
        panel.controls.workers.value = "1"
        panel.controls.repeats.value = 3
        assert (study.plan.workers, study.plan.repeats) == ((1,), 3)
        held.go.set()
        assert study.wait(WAIT_S)
        assert comes(panel.head, "value", lambda text: "ended" in text)
        assert comes(panel.body, "value", lambda text: "3 of 3" in text)

    assert panel_threads() == []


def test_the_panel_tells_the_store_how_a_study_ended():
    held = HeldStudy(workers=[1], repeats=1)
    with held.study as study:
        panel = study.panel()
        panel.buttons["start"].click()
        assert comes(panel.head, "value", lambda text: "ended" in text)
        panel.close()

        (summary,) = study._store.runs(kind="study")
        assert summary.status == "finished"


def test_it_is_the_same_panel_when_asked_again_and_a_still_one_after_the_end():
    with HeldStudy().study as study:
        first = study.panel()
        assert study.panel() is first
        first.close()
        second = study.panel()
        assert not second.closed

    assert second.closed
    assert study.panel().closed
    assert "0 of 4 runs done" in study.page().html()
