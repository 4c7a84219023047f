"""How the races of these tests are run."""

from __future__ import annotations

import parbench_lab as pb
from tests.chaos.candidates import Summing

BUDGET_S = 240.0


def course(*algorithms, **options):
    """Return a race that checks every result and gives up a hung candidate after a second."""
    given = {
        "workload": Summing(),
        "store": ":memory:",
        "timeout_s": 1.0,
        "check_every": 1,
        "n_workers": 2,
        **options,
    }
    return pb.ParallelBenchmarking(list(algorithms), **given)


def outcome_of_race(*algorithms, **options):
    """Race until decided and return the result."""
    with course(*algorithms, **options) as bench:
        return bench.run_continuous_optimization(max_seconds=BUDGET_S)


def outcome_once(predicate, *algorithms, **options):
    """Race without verdicts until the predicate holds, then until decided; return the result."""
    with course(*algorithms, policy="never", **options) as bench:
        bench.start()
        assert bench._engine.wait_for(predicate, BUDGET_S), bench.scoreboard
        return judged(bench)


def judged(bench):
    """Let the evidence judge from now on and return the result of the decided race."""
    bench.change(policy="evidence")
    return bench.run_continuous_optimization(max_seconds=BUDGET_S)


def out(name):
    """Return the predicate that a candidate is out for its faults."""
    return lambda state: not state.roster[name].fit


def assert_fair(result, *, winner="good", honest=("good", "slower")):
    """Assert that the race was decided, rightly, and that nobody paid for another's fault."""
    assert result.status == "decided", (result.reason, result.log)
    assert result.winner == winner, result.sentence
    for name in honest:
        assert result.scoreboard.of(name).failures == 0, result.scoreboard.of(name)


def assert_out(result, name, outcome, *words, failures=None):
    """Assert how a candidate ended, and that the words to act on are there.

    It had so many failures, or at least one where their number is not given.
    """
    standing = result.scoreboard.of(name)
    assert standing.verdict.value == "eliminated", standing
    assert standing.outcome == outcome, standing
    assert standing.failures > 0 if failures is None else standing.failures == failures, standing
    for word in words:
        assert word in standing.reason, standing.reason
    assert "\n" not in standing.reason


def assert_tolerated(result, name, *words):
    """Assert that a candidate has no failure, and a warning that has the words."""
    standing = result.scoreboard.of(name)
    assert standing.failures == 0, standing
    for word in words:
        assert word in standing.warning, standing
