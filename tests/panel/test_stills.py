"""When the picture in a saved notebook is written anew."""

from __future__ import annotations

import pytest

from parbench_lab.panel.stills import EVERY_S, MOST_CELLS, SETTLED_FOR_S, Stills


class Place:
    def __init__(self):
        self.shown = []

    def update(self, obj, *, raw):
        self.shown.append((obj, raw))


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stills(clock):
    made = Stills(clock)
    made.add(Place())
    return made


@pytest.mark.parametrize("phase", ["watching", "paused", "ended"])
@pytest.mark.parametrize("watched", [True, False])
def test_a_race_that_settles_is_written_once_whoever_looks(stills, phase, watched):
    found = [stills.due(known, watched=watched) for known in ("racing", phase, phase)]

    assert found == [False, True, False]


@pytest.mark.parametrize("phase", ["watching", "paused"])
def test_plots_are_made_once_when_a_race_has_settled_for_a_moment(stills, clock, phase):
    found = []

    for later_s in (0.0, SETTLED_FOR_S - 0.1, 0.1, 1.0):
        clock.now_s += later_s
        stills.due(phase, watched=True)
        found.append(stills.plots_due(phase))

    assert found == [False, False, True, False]


def test_a_race_that_settles_again_gets_its_plots_again(stills, clock):
    found = []

    for phase in ("paused", "racing", "watching"):
        stills.due(phase, watched=True)
        clock.now_s += SETTLED_FOR_S
        found.append(stills.plots_due(phase))

    assert found == [True, False, True]


def test_the_plots_of_a_race_that_has_ended_wait_for_nothing(stills):
    stills.due("ended", watched=False)

    assert stills.plots_due("ended")
    assert not stills.plots_due("ended")


def test_plots_wait_for_their_table(stills, clock):
    stills.due("racing", watched=True)
    clock.now_s += SETTLED_FOR_S

    assert not stills.plots_due("paused")


def test_a_panel_that_is_closed_while_the_leader_is_watched_shows_it_once_more(stills):
    stills.due("watching", watched=True)
    stills.write("<p>", "p", whole=True)

    assert stills.wanted


def test_a_second_pause_is_written_too(stills):
    found = [stills.due(phase, watched=True) for phase in ("paused", "racing", "paused")]

    assert found == [True, False, True]


@pytest.mark.parametrize(
    ("later_s", "watched", "due"),
    [
        pytest.param(EVERY_S - 0.1, True, False, id="just before"),
        pytest.param(EVERY_S, True, True, id="exactly then"),
        pytest.param(10 * EVERY_S, False, False, id="nobody looks"),
    ],
)
def test_a_race_that_goes_on_is_written_now_and_then(stills, clock, later_s, watched, due):
    clock.now_s += later_s

    assert stills.due("racing", watched=watched) is due


def test_the_time_to_the_next_picture_begins_with_the_last(stills, clock):
    clock.now_s += EVERY_S
    stills.write("<p>", "p")

    assert not stills.due("racing", watched=True)


def test_without_a_cell_nothing_is_ever_due():
    assert not Stills().due("ended", watched=True)


def test_every_cell_gets_the_picture_and_the_oldest_places_are_forgotten():
    stills, places = Stills(), [Place() for _ in range(MOST_CELLS + 1)]
    for place in places:
        stills.add(place)

    stills.write("<p>", "p")

    assert [len(place.shown) for place in places] == [0] + [1] * MOST_CELLS
    assert places[-1].shown == [({"text/html": "<p>", "text/plain": "p"}, True)]


def test_a_cell_that_shows_a_race_that_has_ended_gets_the_last_picture_too(stills):
    before = stills.due("ended", watched=True)
    stills.write("<p>", "p", whole=True)
    done = stills.wanted

    stills.add(Place())

    assert (before, done) == (True, False)
    assert stills.wanted
    assert stills.due("ended", watched=True)
