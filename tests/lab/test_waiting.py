"""What can be waited for, in virtual time."""

import parbench_lab as pb
from parbench_lab.testing import ScriptedExecutor
from tests.chaos.candidates import Summing, good, slower


def test_a_decision_about_the_size_before_a_change_is_none_about_the_new_one():
    timings = {"good": lambda *_: 0.01, "slower": lambda *_: 0.02}
    sizes, told = [20, 10, 30, 40, 10, 50], []

    with pb.ParallelBenchmarking(
        [good, slower], Summing(), executor=ScriptedExecutor(timings), store=":memory:"
    ) as bench:
        bench.start()
        for size in sizes:
            bench.change(batch_size=size)
            assert bench.wait("decided", timeout_s=120)
            told.append(bench.scoreboard.batch_size)

    assert told == sizes
