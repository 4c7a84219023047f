"""The pytest fixture ``parbench``: a test races or records functions into the store.

Loaded by pytest through its entry point; nothing but pytest is imported until a test asks.

    def test_the_new_window_is_the_quicker_one(parbench):
        result = parbench.race("windows", {"old": old, "new": new}, case=[1.0] * 1000)
        assert result.winner == "new"

Candidates run in this process, one after the other, in paired blocks: no cluster is started, and
breakpoints work. Under pytest-xdist other tests run at the same time; the pairs share that noise,
but seconds kept from such runs are of a busy machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from parbench_lab.racing.result import RaceResult

OPTION = "--parbench-store"
_ENVIRONMENT = "PARBENCH_STORE"
_PLACE = Path(".parbench") / "runs.db"
Check = Callable[[Any, Any], Any]


class ParbenchFixture:
    """What a test gets as ``parbench``.

    Parameters
    ----------
    store
        Where runs are kept: a file, a URL or ``":memory:"``.
    test
        Name of the test, kept with its runs.
    tell
        Called with the id of each run.
    """

    def __init__(self, store: str, test: str, tell: Callable[[str], None]) -> None:
        self.store = store
        self._test = test
        self._tell = tell

    def race(
        self,
        name: str,
        candidates: Mapping[str, Callable[[Any], Any]],
        *,
        case: Any,
        check: Check | None = None,
        size: int = 1,
        seconds: float = 2.0,
        seed: int = 0,
        **knobs: Any,
    ) -> RaceResult:
        """Race functions until one has won or the time is spent; return the result, also stored.

        Parameters
        ----------
        name
            Of the workload: runs of one name, size and machine are one series.
        candidates
            Name to ``function(case)``; they must not change the case.
        case
            What they get; or ``case(size, rng)``, which makes it.
        check
            ``check(case, result)`` raises on a wrong result; without it all must agree with the
            first candidate.
        size
            Items in the case, for the throughput and for ``case(size, rng)``.
        seconds
            Budget of race time, positive.
        seed
            Of cases and orders.
        **knobs
            Settings of the race: ``tolerance=0.05``, ``elimination_threshold=100``, ...

        Raises
        ------
        AssertionError
            If a candidate raised, or gave a wrong result.
        UsageError
            If something given cannot be used.
        """
        return self._run(
            name,
            candidates,
            case=case,
            check=check,
            size=size,
            seed=seed,
            knobs=knobs,
            budget={"max_seconds": seconds},
        )

    def record(
        self,
        name: str,
        candidates: Callable[[Any], Any] | Mapping[str, Callable[[Any], Any]],
        *,
        case: Any,
        check: Check | None = None,
        size: int = 1,
        measurements: int = 20,
        seed: int = 0,
        **knobs: Any,
    ) -> RaceResult:
        """Measure functions without eliminating any; return the result, also stored.

        Parameters
        ----------
        name, case, check, size, seed, **knobs
            As for `race`.
        candidates
            As for `race`, or one function, which is called as it is named.
        measurements
            Of each candidate, about; at least 1.

        Raises
        ------
        AssertionError, UsageError
            As for `race`.
        """
        named = candidates if isinstance(candidates, Mapping) else _named(candidates)
        return self._run(
            name,
            named,
            case=case,
            check=check,
            size=size,
            seed=seed,
            knobs={**knobs, "policy": "never"},
            budget={"max_measurements": measurements * len(named)},
        )

    def _run(
        self,
        name: str,
        candidates: Mapping[str, Callable[[Any], Any]],
        *,
        case: Any,
        check: Check | None,
        size: int,
        seed: int,
        knobs: Mapping[str, Any],
        budget: Mapping[str, Any],
    ) -> RaceResult:
        from parbench_lab.core.candidate import Candidate  # noqa: PLC0415 - loads numpy
        from parbench_lab.execution.inline import InlineExecutor  # noqa: PLC0415
        from parbench_lab.lab.bench import ParallelBenchmarking  # noqa: PLC0415 - loads Dask
        from parbench_lab.workloads.function_workload import FunctionWorkload  # noqa: PLC0415

        workload = FunctionWorkload(
            case if callable(case) else lambda _size, _rng: case,
            check,
            reference=next(iter(candidates.values()), None) if check is None else None,
            name=name,
        )
        entered = [Candidate(name=key, function=function) for key, function in candidates.items()]
        with ParallelBenchmarking(
            entered,
            workload,
            batch_size=size,
            seed=seed,
            store=self.store,
            executor=InlineExecutor(),
            configuration={"test": self._test},
            **knobs,
        ) as bench:
            result = bench.run_continuous_optimization(**budget)
        self._tell(result.run_id)
        _refuse_faults(result)
        return result


def _named(function: Callable[[Any], Any]) -> dict[str, Callable[[Any], Any]]:
    return {getattr(function, "__name__", "function").strip("<>"): function}


def _refuse_faults(result: RaceResult) -> None:
    __tracebackhide__ = True  # the test is where it failed
    faulty = [
        f"{one.candidate}: {one.reason or one.outcome.value}"
        for one in result.scoreboard.standings
        if one.outcome is not None and one.outcome.value != "ok"
    ]
    if faulty:
        raise AssertionError("; ".join(faulty))


# ---------------------------------------------------------------- pytest's own names


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--parbench-store``."""
    parser.getgroup("parbench").addoption(
        OPTION,
        metavar="PATH",
        default=None,
        help="Where the fixture parbench keeps runs: a file, a database's URL or :memory:  "
        "[default: PARBENCH_STORE, or the store of [tool.parbench], or .parbench/runs.db of the "
        "project]",
    )


def _named_by(project: Path) -> str | None:
    """Return the store that the project's configuration names, as every command finds it."""
    from parbench_lab.lab.configuration import file_layers, merged  # noqa: PLC0415 - loads numpy

    store = merged(file_layers(project, None)).values.get("store")
    return None if store is None else str(store)


@pytest.fixture
def parbench(request: pytest.FixtureRequest) -> ParbenchFixture:
    """Race or record functions into the benchmark store; see `ParbenchFixture`.

    Runs are kept where ``--parbench-store``, ``PARBENCH_STORE`` or the ``store`` of
    ``[tool.parbench]`` says, as for every command; else in ``.parbench/runs.db`` below pytest's
    rootdir, wherever pytest was started, while a command reads that of its own folder: look from
    the rootdir then, or name a store.

    Raises
    ------
    UsageError
        If the configuration cannot be read, or holds an unknown key.
    """
    config = request.config
    place = config.getoption(OPTION) or os.environ.get(_ENVIRONMENT) or _named_by(config.rootpath)
    properties = request.node.user_properties

    return ParbenchFixture(
        store=str(place or config.rootpath / _PLACE),
        test=request.node.nodeid,
        # kept in JUnit files, and carried from the processes of pytest-xdist
        tell=lambda run_id: properties.append(("parbench_run", run_id)),
    )
