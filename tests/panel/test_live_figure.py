"""The live figure without a browser: what goes to which view, once, in order, and not too much."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import numpy as np
import pytest
from bokeh.document import Document
from bokeh.models import ColumnDataSource, Span
from bokeh.plotting import figure

from parbench_lab.panel.live_figure import HURRIED_S, LiveFigure

WAIT_S = 120.0
NEVER_HZ = 0.001
"""After its first message such a figure sends only what is asked for."""
ALWAYS_HZ = 1e9


class Overheard(LiveFigure):
    """A live figure whose messages go to pages of this test; all are kept in `said`."""

    def __init__(self, root, **options):
        self.said = []
        self.pages = []
        self.broken = False
        self.heard = threading.Condition()
        super().__init__(root, **options)

    def send(self, content: Any, buffers: Any = None) -> None:
        with self.heard:
            self.said.append(content)
            for page in self.pages:
                page.take(content, buffers)
            self.heard.notify_all()
        if self.broken:
            raise OSError("the kernel is ending")

    def comes(self, wanted):
        """Wait until something is so, and return whether it came."""
        with self.heard:
            return self.heard.wait_for(wanted, WAIT_S)

    def kinds(self):
        with self.heard:
            return [message["kind"] for message in self.said]

    def settles(self):
        """Let the thread come round once: what may be sent now has been sent after it."""
        before = len(self.kinds())
        self._on_message(self, {"view": "nobody", "kind": "ping"}, [])
        assert self.comes(lambda: "lost" in self.kinds()[before:])


class Page:
    """A view that does what the page's own code does, with Bokeh's documents of Python."""

    def __init__(self, live, name="page", *, acknowledges=True):
        self.live, self.name, self.acknowledges = live, name, acknowledges
        self.document = None
        self.structure = self.seq = -1
        self.shown = False
        self.gaps = []
        self.data = []
        live.pages.append(self)

    def say(self, kind, **more):
        self.live._on_message(self.live, {"view": self.name, "kind": kind, **more}, [])

    def ask(self):
        self.shown = True
        self.say("hello", structure=self.structure)

    def look(self):
        """Come on screen, and wait until the snapshot is there."""
        before = sum(self.has_snapshot(message) for message in self.live.said)
        self.ask()
        assert self.live.comes(lambda: sum(map(self.has_snapshot, self.live.said)) > before)

    def has_snapshot(self, message):
        return message["kind"] in ("figure", "all") and message["view"] == self.name

    def hide(self):
        self.shown = False
        self.say("bye")

    def take(self, content, buffers):
        if content.get("view") not in (None, self.name) or not self.shown:
            return
        if content["kind"] == "figure":
            self.document = Document.from_json(json.loads(content["item"])["doc"])
            self.structure = content["structure"]
        elif content["kind"] == "all":
            self.apply(content, buffers)
        elif content["kind"] == "data" and self.structure == content["structure"]:
            if content["seq"] <= self.seq:
                return
            if content["seq"] != self.seq + 1:
                self.gaps.append((self.seq, content["seq"]))
            self.data.append(content)
            self.apply(content, buffers)
        else:
            return
        self.seq = content["seq"]
        if self.acknowledges:
            self.say("ack", seq=self.seq)

    def apply(self, content, buffers):
        rest = b"".join(buffers)
        for operation, name, described, rollover in content["operations"]:
            found = {}
            for column, kind, values in described:
                if kind == "f8":
                    found[column] = np.frombuffer(rest[: 8 * values], "<f8").tolist()
                    rest = rest[8 * values :]
                else:
                    found[column] = list(values)  # other pages take it too
            source = self.document.get_model_by_name(name)
            if operation == "stream":
                source.stream(found, rollover)
            else:
                source.data = found
        assert rest == b""
        for name, attribute, value in content["attributes"]:
            setattr(self.document.get_model_by_name(name), attribute, value)

    def rows(self, source="line"):
        found = self.document.get_model_by_name(source)
        return [] if found is None else list(found.data["x"])


def drawing(start=0.0):
    drawn = figure(name="plot")
    for name in ("line", "other"):
        source = ColumnDataSource({"x": [start], "label": ["begin"]}, name=name)
        drawn.scatter("x", "x", source=source)
    drawn.add_layout(Span(location=1.0, dimension="width", name="threshold"))
    return drawn


@pytest.fixture
def make():
    made = []

    def build(root=None, **options):
        made.append(Overheard(root or drawing(), **options))
        return made[-1]

    yield build
    for live in made:
        live.close()


def feed(live, *values, source="line", rollover=None):
    rows = {"x": [float(value) for value in values], "label": [f"n{value}" for value in values]}
    live.stream(source, rows, rollover)


def test_without_a_view_nothing_is_sent_and_nothing_is_kept_for_later(make):
    live = make(max_hz=ALWAYS_HZ)

    feed(live, 1, 2)
    live.replace("other", {"x": [5.0], "label": ["five"]})
    live.set("threshold", "location", 3.0)
    live.flush_soon()
    live.settles()
    page = Page(live)
    page.look()
    live.settles()

    assert live.kinds() == ["lost", "figure", "lost"]
    assert live.sent_messages == 0
    assert page.rows() == [0.0, 1.0, 2.0]
    assert page.rows("other") == [5.0]


def test_a_figure_is_visible_while_some_view_shows_it(make):
    live = make()
    one, two = Page(live, "one"), Page(live, "two")

    seen = [live.visible]
    one.look()
    two.look()
    one.hide()
    seen.append(live.visible)
    two.hide()

    assert [*seen, live.visible] == [False, True, False]


def test_the_first_row_goes_at_once_and_later_ones_together_at_the_next_tick(make):
    live = make(max_hz=NEVER_HZ)
    page = Page(live)
    page.look()

    feed(live, 1)
    assert live.comes(lambda: page.rows() == [0.0, 1.0])
    feed(live, 2)
    feed(live, 3, 4)
    feed(live, 9, source="other")
    live.settles()
    assert live.sent_messages == 1
    live.flush_soon()

    assert live.comes(lambda: page.rows() == [0.0, 1.0, 2.0, 3.0, 4.0])
    assert page.rows("other") == [0.0, 9.0]
    assert live.sent_messages == 2


def test_what_waits_goes_at_the_next_tick_without_being_asked_for(make):
    live = make(max_hz=50.0)
    page = Page(live)
    page.look()

    feed(live, 1)
    assert live.comes(lambda: page.rows() == [0.0, 1.0])
    feed(live, 2)

    assert live.comes(lambda: page.rows() == [0.0, 1.0, 2.0])


def test_being_in_a_hurry_once_does_not_last(make):
    live = make(max_hz=NEVER_HZ)
    page = Page(live)
    page.look()
    feed(live, 1)
    live.flush_soon()
    assert live.comes(lambda: live.sent_messages == 1)

    feed(live, 2)
    live.flush_soon()
    assert live.comes(lambda: live.sent_messages == 2)
    feed(live, 3)
    live.settles()

    assert live.sent_messages == 2


def test_however_often_there_is_a_hurry_messages_keep_their_distance(make):
    live = make(max_hz=NEVER_HZ)
    page = Page(live)
    page.look()
    began_s = time.monotonic()

    value = 0
    while live.sent_messages < 6:
        value += 1
        feed(live, value)
        live.flush_soon()
        live.settles()

    assert time.monotonic() - began_s >= 5 * HURRIED_S
    assert live.comes(lambda: page.rows()[-1] == value)


def test_of_a_source_that_rolls_over_the_newest_rows_stay_on_both_sides(make):
    live = make(max_hz=NEVER_HZ)
    page = Page(live)
    page.look()
    feed(live, 1, rollover=3)
    assert live.comes(lambda: page.rows() == [0.0, 1.0])

    for value in range(2, 12):
        feed(live, value, rollover=3)
    live.flush_soon()

    assert live.comes(lambda: page.rows() == [9.0, 10.0, 11.0])
    assert page.rows() == list(live.static().select_one({"name": "line"}).data["x"])
    ((_, _, described, _),) = page.data[-1]["operations"]
    assert ["x", "f8", 3] in described


@pytest.mark.parametrize("streamed", ["before", "after", "both"])
def test_rows_around_a_replacement_arrive_once(make, streamed):
    live = make(max_hz=NEVER_HZ)
    page = Page(live)
    page.look()
    feed(live, 1)
    assert live.comes(lambda: page.rows() == [0.0, 1.0])

    if streamed != "after":
        feed(live, 2)
    live.replace("line", {"x": [7.0], "label": ["seven"]})
    if streamed != "before":
        feed(live, 8)
    live.flush_soon()

    wanted = [7.0] if streamed == "before" else [7.0, 8.0]
    assert live.comes(lambda: live.sent_messages == 2)
    assert page.rows() == wanted


def test_what_a_user_waits_for_goes_alone_and_the_rest_at_its_tick(make):
    live = make(max_hz=NEVER_HZ)
    page = Page(live)
    page.look()
    feed(live, 1)
    assert live.comes(lambda: live.sent_messages == 1)

    feed(live, 2)
    feed(live, 9, source="other")
    live.set("threshold", "location", 7.0)
    live.flush_soon(sources=("threshold",))
    assert live.comes(lambda: live.sent_messages == 2)
    seen = (page.document.get_model_by_name("threshold").location, page.rows())
    others = page.rows("other")
    live.set("threshold", "location", 8.0)
    live.flush_soon(sources=("oth",))
    assert live.comes(lambda: live.sent_messages == 3)

    assert (seen, others) == ((7.0, [0.0, 1.0]), [0.0])
    assert page.document.get_model_by_name("threshold").location == 7.0
    assert (page.rows(), page.rows("other")) == ([0.0, 1.0], [0.0, 9.0])
    live.flush_soon()
    assert live.comes(lambda: page.rows() == [0.0, 1.0, 2.0])


def two_plots():
    drawn = figure(name="plot")
    for name in ("speed:a", "speed:b", "odds:a"):
        source = ColumnDataSource({"x": [0.0], "label": ["begin"]}, name=name)
        drawn.scatter("x", "x", source=source)
    return drawn


def test_a_tick_brings_the_data_of_one_plot_and_the_others_have_their_turns(make):
    live = make(two_plots(), max_hz=1000.0, longest_tick_s=3600.0)
    page = Page(live)
    page.look()
    live.hold(3600.0)
    for name in ("speed:a", "odds:a", "speed:b"):
        feed(live, 1, source=name)

    live.hold(0.0)
    assert live.comes(lambda: live.sent_messages == 2)

    brought = [sorted(name for _, name, *_ in told["operations"]) for told in page.data]
    assert sorted(brought) == [["odds:a"], ["speed:a", "speed:b"]]


def test_while_a_figure_is_held_only_what_is_waited_for_is_sent(make):
    live = make(max_hz=1000.0)
    page = Page(live)
    page.look()

    live.hold(3600.0)
    feed(live, 1)
    feed(live, 2, source="other")
    live.flush_soon(sources=("oth",))
    assert live.comes(lambda: page.rows("other") == [0.0, 2.0])
    live.settles()
    held = (live.sent_messages, page.rows())
    live.hold(0.0)

    assert held == (1, [0.0])
    assert live.comes(lambda: page.rows() == [0.0, 1.0])


def test_a_page_that_is_busy_with_drawing_gets_fewer_messages(make):
    live = make(max_hz=1000.0, longest_tick_s=3600.0)
    page = Page(live, acknowledges=False)
    page.look()
    feed(live, 1)
    assert live.comes(lambda: live.sent_messages == 1)
    for _ in range(40):
        page.say("ack", seq=page.seq, busy_ms=1e6)

    feed(live, 2)
    live.settles()
    waiting = live.sent_messages
    for _ in range(80):
        page.say("ack", seq=page.seq, busy_ms=0.0)

    assert waiting == 1
    assert live.comes(lambda: page.rows() == [0.0, 1.0, 2.0])


def test_an_attribute_is_sent_when_it_changes_and_only_then(make):
    live = make(max_hz=ALWAYS_HZ)
    page = Page(live)
    page.look()

    live.set("threshold", "location", 1.0)
    live.settles()
    assert live.sent_messages == 0
    live.set("threshold", "location", 20.0)
    live.settles()
    live.set("threshold", "location", 20.0)
    live.settles()

    assert live.sent_messages == 1
    assert page.document.get_model_by_name("threshold").location == 20.0


def test_of_an_attribute_that_changes_often_the_last_value_is_sent(make):
    live = make(max_hz=NEVER_HZ)
    page = Page(live)
    page.look()
    feed(live, 1)
    live.settles()

    for value in (2.0, 3.0, 4.0):
        live.set("threshold", "location", value)
    live.flush_soon()

    assert live.comes(lambda: live.sent_messages == 2)
    assert page.data[-1]["attributes"] == [["threshold", "location", 4.0]]


@pytest.mark.parametrize(
    ("change", "raised"),
    [
        pytest.param(lambda live: feed(live, 1, source="nobody"), KeyError, id="stream"),
        pytest.param(lambda live: live.replace("nobody", {}), KeyError, id="replace"),
        pytest.param(lambda live: live.set("nobody", "location", 1), KeyError, id="set"),
        pytest.param(lambda live: live.stream("line", {"x": [1.0]}), ValueError, id="columns"),
    ],
)
def test_a_wrong_name_is_refused_and_leaves_nothing_behind(make, change, raised):
    live = make(max_hz=ALWAYS_HZ)
    page = Page(live)
    page.look()

    with pytest.raises(raised):
        change(live)
    live.settles()

    assert live.sent_messages == 0


def test_text_stays_text_and_missing_numbers_stay_missing(make):
    live = make(max_hz=ALWAYS_HZ)
    page = Page(live)
    page.look()

    live.stream("line", {"x": [float("nan"), 2**40, True], "label": ["<b>", "", "µ"]})
    assert live.comes(lambda: len(page.rows()) == 4)

    np.testing.assert_equal(page.rows(), [0.0, float("nan"), 2.0**40, 1.0])
    assert page.document.get_model_by_name("line").data["label"] == ["begin", "<b>", "", "µ"]


def test_a_view_that_comes_while_rows_wait_has_each_once_and_so_has_the_other(make):
    live = make(max_hz=NEVER_HZ)
    early, late = Page(live, "early"), Page(live, "late")
    early.look()
    feed(live, 1)
    live.settles()
    feed(live, 2, 3)

    late.look()
    feed(live, 4)
    live.flush_soon()

    wanted = [0.0, 1.0, 2.0, 3.0, 4.0]
    assert live.comes(lambda: early.rows() == late.rows() == wanted)
    assert early.gaps == late.gaps == []


def test_a_view_that_was_hidden_gets_the_data_and_keeps_its_figure(make):
    live = make(max_hz=ALWAYS_HZ)
    page = Page(live)
    page.look()
    page.hide()
    feed(live, 1, 2)
    live.set("threshold", "location", 9.0)
    live.settles()
    assert live.sent_messages == 0

    page.look()
    feed(live, 3)

    assert live.comes(lambda: page.rows() == [0.0, 1.0, 2.0, 3.0])
    assert page.document.get_model_by_name("threshold").location == 9.0
    assert [kind for kind in live.kinds() if kind != "lost"] == ["figure", "all", "data"]
    assert page.gaps == []


def test_another_figure_comes_into_every_view_and_streams_on(make):
    live = make(max_hz=ALWAYS_HZ)
    one, two, hidden = (Page(live, name) for name in ("one", "two", "hidden"))
    for page in (one, two, hidden):
        page.look()
    hidden.hide()
    feed(live, 1)

    live.rebuild(drawing(start=50.0))
    feed(live, 51)
    assert live.comes(lambda: one.rows() == two.rows() == [50.0, 51.0])
    hidden.look()
    feed(live, 52)

    assert live.comes(lambda: all(page.rows()[-1] == 52.0 for page in (one, two, hidden)))
    assert hidden.rows() == [50.0, 51.0, 52.0]
    assert one.gaps == two.gaps == hidden.gaps == []


def test_what_was_set_on_the_old_figure_is_not_set_on_the_new_one(make):
    live = make(max_hz=ALWAYS_HZ)
    page = Page(live)
    live.set("threshold", "location", 9.0)
    live.rebuild(drawing())

    page.look()
    page.hide()
    page.look()

    assert page.document.get_model_by_name("threshold").location == 1.0


def test_one_message_is_on_the_way_and_what_piles_up_follows_it(make):
    live = make(max_hz=ALWAYS_HZ)
    page = Page(live, acknowledges=False)
    page.look()

    for value in range(1, 6):
        feed(live, value)
        live.settles()
    assert live.sent_messages == 1
    assert page.rows() == [0.0, 1.0]
    page.say("ack", seq=page.seq)

    assert live.comes(lambda: page.rows() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert live.sent_messages == 2


def test_a_hurry_does_not_overrun_a_page_that_is_behind(make):
    live = make(max_hz=ALWAYS_HZ)
    page = Page(live, acknowledges=False)
    page.look()

    for value in range(1, 6):
        feed(live, value)
        live.flush_soon()
        live.settles()

    assert live.sent_messages == 2


def test_the_slowest_view_sets_the_pace_until_it_goes(make):
    live = make(max_hz=ALWAYS_HZ)
    quick, slow = Page(live, "quick"), Page(live, "slow", acknowledges=False)
    quick.look()
    slow.look()

    for value in range(1, 6):
        feed(live, value)
        live.settles()
    assert live.sent_messages == 1
    slow.hide()

    assert live.comes(lambda: quick.rows() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert quick.gaps == []


def test_a_view_that_comes_late_owes_nothing_for_what_went_before(make):
    live = make(max_hz=ALWAYS_HZ)
    early, late = Page(live, "early"), Page(live, "late", acknowledges=False)
    early.look()
    for value in range(1, 5):
        feed(live, value)
        live.settles()

    late.look()
    feed(live, 5)
    live.settles()

    assert live.sent_messages == 5
    assert late.rows() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_an_old_acknowledgement_does_not_take_back_a_newer_one(make):
    live = make(max_hz=ALWAYS_HZ)
    page = Page(live)
    page.look()

    for value in range(1, 6):
        feed(live, value)
        live.settles()
        page.say("ack", seq=0)

    assert live.sent_messages == 5


def test_a_view_that_acknowledges_nothing_gets_the_next_message_after_a_while(make):
    live = make(max_hz=ALWAYS_HZ, patience_s=0.05)
    page = Page(live, acknowledges=False)
    page.look()

    for value in range(1, 6):
        feed(live, value)
        assert live.comes(lambda value=value: page.rows()[-1] == value)

    assert page.rows() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_view_that_says_nothing_is_forgotten_and_may_come_back(make):
    live = make(max_hz=ALWAYS_HZ, silent_s=0.0)
    page = Page(live)
    page.look()

    feed(live, 1)
    live.settles()
    assert not live.visible
    page.say("ping")
    assert live.comes(lambda: {"kind": "lost", "view": "page"} in live.said)
    page.look()

    assert page.rows() == [0.0, 1.0]


def test_a_page_that_was_closed_without_a_word_is_not_watched_though_nothing_changes(make):
    live = make(silent_s=0.0)
    page = Page(live, acknowledges=False)

    page.look()

    assert not live.visible


def test_a_view_that_only_pings_stays_and_is_answered(make):
    live = make(max_hz=ALWAYS_HZ)
    page = Page(live)
    page.look()

    page.say("ping")

    assert live.comes(lambda: {"kind": "pong", "view": "page"} in live.said)
    assert live.visible


def test_a_view_that_goes_before_it_was_answered_is_not_watched(make):
    live = make(max_hz=ALWAYS_HZ)
    page = Page(live)

    with live._lock:
        page.ask()
        page.hide()
    live.settles()

    assert not live.visible
    assert "figure" not in live.kinds()


def test_bokehs_own_code_is_sent_to_a_page_that_asks(make):
    live = make()
    page = Page(live)

    page.say("need-bokehjs")

    assert live.comes(lambda: live.kinds() == ["bokehjs"])


def test_a_message_that_cannot_be_sent_does_not_end_the_stream(make, caplog):
    live = make(max_hz=ALWAYS_HZ)
    page = Page(live)
    page.look()

    live.broken = True
    feed(live, 1)
    live.settles()
    live.broken = False
    feed(live, 2)

    assert live.comes(lambda: page.rows() == [0.0, 1.0, 2.0])
    assert "could not be sent to its views" in caplog.text


def test_a_figure_that_cannot_be_packed_now_is_there_when_the_page_asks_again(make, caplog):
    drawn = drawing()
    live = make(drawn)
    page = Page(live)
    drawn.tags = [object()]

    page.ask()
    live.settles()
    told = caplog.text
    drawn.tags = []
    page.ask()

    assert "could not be made ready" in told
    assert live.comes(lambda: page.document is not None)
    assert page.rows() == [0.0]


def test_a_still_copy_has_the_rows_of_now_and_goes_its_own_way(make):
    live = make()
    feed(live, 1)

    still = live.static()
    feed(live, 2)
    still.select_one({"name": "line"}).data = {"x": [], "label": []}

    assert still.document is None
    assert list(live.static().select_one({"name": "line"}).data["x"]) == [0.0, 1.0, 2.0]


def test_closing_ends_the_thread_and_twice_is_once(make):
    live = make()
    page = Page(live)
    page.look()

    live.close()
    live.close()
    said = len(live.said)
    feed(live, 1)
    page.say("ping")

    assert not live._thread.is_alive()
    assert len(live.said) == said


class Coming:
    """A page that now and then hides, comes back, or is opened anew."""

    def __init__(self, live, name):
        self.page = Page(live, name)

    def act(self, rng):
        page = self.page
        if not page.shown:
            page.ask()
        elif rng.random() < 0.3:
            page.hide()


def change(live, rng, step):
    kind = rng.choice(["stream", "stream", "stream", "replace", "set", "rebuild", "hurry"])
    source = str(rng.choice(["line", "other"]))
    if kind == "stream":
        rollover = 40 if source == "line" else None
        feed(live, *range(step, step + int(rng.integers(1, 5))), source=source, rollover=rollover)
    elif kind == "replace":
        live.replace(source, {"x": [float(-step)], "label": ["anew"]})
    elif kind == "set":
        live.set("threshold", "location", float(step))
    elif kind == "rebuild" and step % 7 == 0:
        live.rebuild(drawing(start=float(step)))
    else:
        live.flush_soon()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_every_page_ends_with_what_the_kernel_has(make, seed):
    rng = np.random.default_rng(seed)
    live = make(max_hz=2000.0)
    pages = [Coming(live, name) for name in ("one", "two", "three")]

    for step in range(120):
        change(live, rng, step)
        if rng.random() < 0.15:
            pages[int(rng.integers(3))].act(rng)
    for coming in pages:
        if not coming.page.shown:
            coming.page.ask()
    live.settles()
    feed(live, 9999)
    assert live.comes(lambda: all(c.page.rows()[-1:] == [9999.0] for c in pages))

    truth = live.static()
    for coming in pages:
        assert coming.page.gaps == []
        for name in ("line", "other"):
            assert coming.page.rows(name) == list(truth.select_one({"name": name}).data["x"])
        threshold = coming.page.document.get_model_by_name("threshold")
        assert threshold.location == truth.select_one({"name": "threshold"}).location
