"""Which backend a probe chooses, and what it says."""

import threading
import time

import pytest

from parbench_lab.errors import UsageError
from parbench_lab.execution.pools import Probe, choose, probe_backends, probe_job


def probes(**times_s):
    return [
        Probe(backend=backend, n_workers=1 if backend == "serial" else 4, time_s=time_s)
        for backend, time_s in times_s.items()
    ]


@pytest.mark.parametrize(
    ("times_s", "chosen"),
    [
        pytest.param({"serial": 1.0, "threads": 0.3, "processes": 0.31}, "threads", id="threads"),
        pytest.param({"serial": 1.0, "threads": 0.9, "processes": 0.3}, "processes", id="far"),
        pytest.param({"serial": 1.0, "threads": 0.95, "processes": 1.2}, "serial", id="little"),
        pytest.param({"processes": 0.29, "threads": 0.3, "serial": 1.0}, "threads", id="order"),
        pytest.param({"serial": None, "threads": None, "processes": 2.0}, "processes", id="one"),
        pytest.param({"serial": 1.0, "threads": 0.5, "dask": 0.2}, "dask", id="dask"),
    ],
)
def test_the_fastest_is_chosen_and_the_simpler_of_equals(times_s, chosen):
    choice = choose(probes(**times_s))

    assert choice.backend == chosen
    assert choice.reason.startswith(f"{chosen}: ")
    assert len(choice.probes) == len(times_s)


def test_the_reason_tells_the_figures_and_who_could_not():
    tried = [
        *probes(serial=1.0, threads=0.25),
        Probe(backend="processes", n_workers=4, error="UsageError: a lock"),
    ]

    choice = choose(tried, what="8 items")

    assert choice.reason == (
        "threads: 8 items took 0.25 s on 4 workers, 4.0 times as fast as serial (1 s); "
        "processes cannot: UsageError: a lock"
    )


def test_none_that_can_is_an_error_with_every_reason():
    with pytest.raises(UsageError, match="no backend can run this: processes: it died"):
        choose([Probe(backend="processes", n_workers=2, error="it died")])


def test_a_probe_tries_all_and_keeps_what_went_wrong():
    lock = threading.Lock()

    def part(number):
        with lock:
            return sum(range(number))

    choice = probe_backends(part, [2000, 3000], n_workers=2, budget_s=0.2)

    by_name = {probe.backend: probe for probe in choice.probes}
    assert list(by_name) == ["serial", "threads", "processes"]
    assert by_name["serial"].time_s > 0
    assert "cannot be sent to the workers" in by_name["processes"].error
    assert by_name["processes"].start_s > by_name["threads"].start_s
    assert choice.backend in ("serial", "threads")


def test_an_item_that_lasts_is_not_repeated_more_than_needed():
    calls = []

    def part(number):
        calls.append(number)
        end_s = time.perf_counter() + 0.03  # longer than the share of the probe
        while time.perf_counter() < end_s:
            pass

    probe_backends(part, [1], n_workers=2, backends=["serial", "threads"], budget_s=0.05)

    assert len(calls) == 1 + 2 + 2  # once to see, then one for each worker, serial and threads


def test_what_the_function_raises_on_its_first_item_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        probe_backends(lambda number: 1 // number, [0], n_workers=2)


def test_a_whole_job_can_be_probed():
    choice = probe_job(lambda map: list(map(abs, range(10))), n_workers=1)

    assert (choice.backend, choice.n_workers) == ("serial", 1)
    assert choice.reason == "serial: one worker has nothing to share out"


@pytest.mark.parametrize(
    ("items", "options", "words"),
    [
        pytest.param([[]], {}, "at least one item", id="empty"),
        pytest.param([], {}, "at least one item", id="none"),
        pytest.param([[1]], {"budget_s": 0}, "must be positive", id="no time"),
        pytest.param([[1]], {"n_workers": 0}, "n_workers must be a whole", id="no worker"),
        pytest.param([[1]], {"n_workers": 10**7}, "from 1 to 4,096", id="too many workers"),
    ],
)
def test_a_probe_that_makes_no_sense_is_refused(items, options, words):
    with pytest.raises(UsageError, match=words):
        probe_backends(abs, *items, **options)
