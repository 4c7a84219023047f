"""The panel's own thread: what is asked of it is done, whatever goes wrong beside it."""

import threading

from parbench_lab.panel.heartbeat import Heartbeat

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


def test_it_can_be_closed_twice_and_from_its_own_thread_and_is_gone_then():
    heart = Heartbeat(recorded([]), lambda: NEVER_S)
    heart.start()
    closed = threading.Event()

    heart.do(heart.close)
    heart.do(closed.set)

    assert closed.wait(20)
    heart.close()
    assert not [t for t in threading.enumerate() if t.name == "parbench-panel"]
