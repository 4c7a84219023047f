"""The panel's own thread: what is asked of it is done, whatever goes wrong beside it."""

import threading
import time

from parbench_lab.panel.heartbeat import HURRIED_S, Heartbeat

NEVER_S = 3600.0


def recorded(beats):
    def beat(jobs, *, urgent):
        yield from jobs
        yield lambda: beats.append(urgent)

    return beat


def test_what_was_asked_for_is_done_in_the_thread_though_the_pace_is_slow():
    done, names = threading.Event(), []
    heart = Heartbeat(recorded([]), lambda: NEVER_S)
    heart.start()

    heart.do(lambda: names.append(threading.current_thread().name))
    heart.do(done.set)

    assert done.wait(20)
    assert names == ["parbench-panel"]
    heart.close()


def test_an_act_that_fails_ends_neither_the_thread_nor_what_comes_after_it(caplog):
    done = threading.Event()
    heart = Heartbeat(recorded([]), lambda: NEVER_S)
    heart.start()

    heart.do(lambda: 1 / 0)
    heart.do(done.set)

    assert done.wait(20)
    assert "ZeroDivisionError" in caplog.text
    heart.close()


def test_who_waits_is_told_apart_from_the_usual_pace():
    beats, seen = [], threading.Event()

    def beat(jobs, *, urgent):
        yield lambda: beats.append(urgent)
        if urgent:
            yield seen.set

    heart = Heartbeat(beat, lambda: 0.001)
    heart.start()
    heart.soon()

    assert seen.wait(20)
    heart.close()
    assert beats.count(True) == 1


def hurried(n_urgent, pace_s, **options):
    """Return the beats until `n_urgent` were urgent, each of which asks for the next at once."""
    beats, seen = [], threading.Event()

    def beat(jobs, *, urgent):
        yield lambda: beats.append(urgent)
        if beats.count(True) == n_urgent:
            yield seen.set
        elif urgent:
            yield heart.soon

    heart = Heartbeat(beat, lambda: pace_s, **options)
    heart.start()
    heart.soon()
    assert seen.wait(20)
    heart.close()
    return beats


def test_however_often_there_is_a_hurry_urgent_beats_keep_their_distance():
    began_s = time.monotonic()

    beats = hurried(4, NEVER_S)

    assert beats == [True] * 4
    assert time.monotonic() - began_s >= 3 * HURRIED_S


def test_between_urgent_beats_the_usual_pace_is_kept():
    beats = hurried(2, 0.001, hurried_s=1.0)

    first = beats.index(True)
    assert beats.index(True, first + 1) > first + 1


def test_a_job_waits_for_no_urgent_beat_and_answers_who_does():
    looked, done, beats = threading.Event(), threading.Event(), []

    def beat(jobs, *, urgent):
        yield from jobs
        yield lambda: beats.append(urgent)
        yield done.set if jobs else looked.set

    heart = Heartbeat(beat, lambda: NEVER_S, hurried_s=NEVER_S)
    heart.start()
    heart.soon()
    assert looked.wait(20)
    heart.soon()
    heart.do(list)

    assert done.wait(20)
    heart.close()
    assert beats == [True, True]


def test_it_can_be_closed_while_somebody_waits_for_an_urgent_beat():
    looked = threading.Event()

    def beat(jobs, *, urgent):
        yield looked.set

    heart = Heartbeat(beat, lambda: NEVER_S, hurried_s=NEVER_S)
    heart.start()
    heart.soon()
    assert looked.wait(20)
    heart.soon()
    heart.close()

    assert not [t for t in threading.enumerate() if t.name == "parbench-panel"]


def test_it_can_be_closed_twice_and_from_its_own_thread_and_is_gone_then():
    heart = Heartbeat(recorded([]), lambda: NEVER_S)
    heart.start()
    closed = threading.Event()

    heart.do(heart.close)
    heart.do(closed.set)

    assert closed.wait(20)
    heart.close()
    assert not [t for t in threading.enumerate() if t.name == "parbench-panel"]
