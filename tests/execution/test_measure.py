"""The rig, in this process: what is measured, and what it takes care of."""

import gc
import os
import random
import sys
import threading

import numpy as np
import pytest

from parbench_lab.core.measurement import Outcome
from parbench_lab.execution.calls import MAX_MESSAGE, checked
from parbench_lab.execution.cases import CaseShelf, digest_of
from parbench_lab.execution.measure import CHANGED_INPUT, METERED_EVERY, Rig
from parbench_lab.execution.memory import Retention
from parbench_lab.execution.meters import PeakMeter, ResidentPeak, TracedPeak, peak_meter
from parbench_lab.execution.program import Program, Silent
from parbench_lab.execution.surroundings import Surroundings
from tests.execution.blocks import block, task

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


class Numbers:
    """Cases are arrays; the right result is their sum."""

    def __init__(self):
        self.made = 0

    def make_case(self, size, rng):
        self.made += 1
        return rng.random(size)

    def check(self, case, result):
        if result != case.sum():
            raise ValueError("not the sum")
        return {"abs_error": 0.5}


class Lists(Numbers):
    def make_case(self, size, rng):
        self.made += 1
        return [float(x) for x in rng.random(size)]

    def check(self, case, result):
        if result != sum(case):
            raise ValueError("not the sum")


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.close()


def run(rig, functions, *blocks, workload=None, progress=None, **options):
    program = Program(
        token="t", workload=workload or Numbers(), resolve=lambda name: functions[name]
    )
    return rig.run_task(task(0, *blocks, **options), program, progress or Silent())


def only(report):
    (result,) = report.results
    (measurement,) = result.measurements
    return measurement


def total(case):
    return case.sum()


@linux
def test_a_measurement_has_times_memory_and_the_metrics_of_the_check(rig):
    found = only(run(rig, {"a": total}, block(0, "a", check=True)))

    assert found.outcome is Outcome.OK
    assert set(found.values) == {
        "wall_time_s",
        "cpu_time_s",
        "peak_rss_growth_bytes",
        "peak_rss_bytes",
        "abs_error",
    }
    assert found.values["wall_time_s"] > 0
    assert found.checked
    assert len(found.digest) == 16


def test_values_are_per_call_and_the_collector_is_off_meanwhile(rig):
    seen = []

    def counts(case):
        seen.append(gc.isenabled())
        return case.sum()

    found = only(run(rig, {"a": counts}, block(0, "a", repeats=8)))

    assert seen == [False] * 8
    assert gc.isenabled()
    assert found.repeats == 8


def test_priming_is_an_untimed_call_before_each_timed_one(rig):
    calls = []

    def counts(case):
        calls.append(1)
        return case.sum()

    run(rig, {"a": counts}, block(0, "a"), block(1, "a"), prime=True)

    assert len(calls) == 4


def test_the_first_runs_at_each_size_are_warm_up(rig):
    report = run(
        rig,
        {"a": total},
        block(0, "a"),
        block(1, "a"),
        block(2, "a"),
        block(3, "a", size=11),
        warmup=2,
    )

    assert [r.measurements[0].warm_up for r in report.results] == [True, True, False, True]


def test_the_first_run_is_checked_even_if_nobody_asked(rig):
    report = run(rig, {"a": total}, block(0, "a"), block(1, "a"), block(2, "a", check=True))

    assert [r.measurements[0].checked for r in report.results] == [True, False, True]


def test_a_case_is_made_once_and_its_time_told_once(rig):
    workload = Numbers()

    report = run(rig, {"a": total}, block(0, "a"), block(1, "a"), workload=workload)

    assert workload.made == 1
    assert [r.made_case_s > 0 for r in report.results] == [True, False]


def test_only_the_few_latest_cases_are_kept():
    shelf, workload = CaseShelf(capacity=2), Numbers()
    cases = [block(0, "a", size=size).case for size in (1, 2, 3)]

    for case in cases:
        shelf.get("t", workload, case)

    assert shelf.get("t", workload, cases[2])[1] == 0.0
    assert shelf.get("t", workload, cases[0])[1] > 0.0


def raises_badly(case):
    class UnspeakableError(Exception):
        def __str__(self):
            raise RuntimeError("even this")

    raise UnspeakableError


def raises_at_length(case):
    raise ValueError("x" * 10_000)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (raises_badly, "UnspeakableError: (its text cannot be shown)"),
        (raises_at_length, "ValueError: xxx"),
        (lambda case: (_ for _ in ()).throw(KeyboardInterrupt), "KeyboardInterrupt"),
        (lambda case: case.__setitem__(0, 1.0), "it changes its input in place"),
    ],
    ids=["an exception without a text", "a long text", "an interrupt", "a read-only array"],
)
def test_whatever_is_raised_becomes_one_short_line(rig, function, words):
    found = only(run(rig, {"a": function}, block(0, "a")))

    assert found.outcome is Outcome.FAILED
    assert words in found.message
    assert len(found.message) <= MAX_MESSAGE
    assert "\n" not in found.message
    assert found.values == {}


def test_a_failed_assertion_without_words_shows_its_line(rig):
    class Asserting(Numbers):
        def check(self, case, result):
            assert result == case.sum() + 1

    found = only(run(rig, {"a": total}, block(0, "a"), workload=Asserting()))

    assert found.outcome is Outcome.WRONG
    assert "assert result == case.sum() + 1" in found.message


def test_metrics_that_are_no_numbers_are_told(rig):
    class Talking(Numbers):
        def check(self, case, result):
            return {"abs_error": "small"}

    found = only(run(rig, {"a": total}, block(0, "a"), workload=Talking()))

    assert found.outcome is Outcome.WRONG
    assert "small" in found.message


def test_a_broken_workload_is_told_and_nobody_is_blamed(rig):
    class Broken(Numbers):
        def make_case(self, size, rng):
            raise OSError("no data")

    report = run(rig, {"a": total}, block(0, "a"), block(1, "a"), workload=Broken())

    assert report.results == ()
    assert report.unrun == (0, 1)
    assert "OSError: no data" in report.broken


def test_a_recall_leaves_the_blocks_that_were_not_begun(rig):
    progress = Silent()

    def recalls(case):
        progress.stop_at = 0
        return case.sum()

    report = run(rig, {"a": recalls}, block(0, "a"), block(1, "a"), progress=progress)

    assert [r.number for r in report.results] == [0]
    assert report.unrun == (1,)


def test_a_changed_list_is_made_anew_for_those_who_follow(rig):
    def sorts(case):
        result = sum(case)
        case.sort()
        return result

    def wants_order(case):
        assert case != sorted(case)
        return sum(case)

    report = run(
        rig, {"a": sorts, "b": wants_order}, block(0, "a", "b", size=50), workload=Lists()
    )

    first, second = report.results[0].measurements
    assert (first.outcome, first.message) == (Outcome.WRONG, CHANGED_INPUT)
    assert second.outcome is Outcome.OK


def cell_class(name, **attributes):
    """Return a class as a notebook's cell makes it: no worker process can import it."""
    return type(name, (), {"__module__": "a_cell_of_a_notebook", **attributes})


@pytest.mark.parametrize(
    "extras",
    [
        pytest.param({}, id="a class"),
        pytest.param({"kind": cell_class("Kind")}, id="that holds a class"),
        pytest.param({"key": lambda x: -x}, id="that holds a function"),
        pytest.param({"weights": np.arange(3.0)}, id="that holds an array"),
    ],
)
def test_who_changes_a_case_of_a_class_that_cannot_be_imported_is_out_and_nobody_else(rig, extras):
    basket = cell_class("Basket")

    class Baskets(Lists):
        def make_case(self, size, rng):
            made = basket()
            made.numbers = super().make_case(size, rng)
            vars(made).update(extras)
            return made

        def check(self, case, result):
            super().check(case.numbers, result)

    def sorts(case):
        found = sum(case.numbers)
        case.numbers.sort()
        return found

    def wants_order(case):
        assert case.numbers != sorted(case.numbers)
        return sum(case.numbers)

    report = run(
        rig, {"bad": sorts, "good": wants_order}, block(0, "bad", "good"), workload=Baskets()
    )

    first, second = report.results[0].measurements
    assert (first.outcome, first.message) == (Outcome.WRONG, CHANGED_INPUT)
    assert (second.outcome, second.message) == (Outcome.OK, "")


def test_an_innocent_whose_input_another_changed_is_not_charged(rig):
    runs = []

    def turns_bad(case):
        runs.append(1)
        if len(runs) > 1:
            case.sort()
        return sum(case) if len(runs) == 1 else 0.0

    def wants_order(case):
        assert case != sorted(case)
        return sum(case)

    report = run(
        rig,
        {"bad": turns_bad, "good": wants_order},
        *(block(n, "bad", "good", size=20_000) for n in range(4)),
        workload=Lists(),
    )

    charged = {
        m.candidate: m.outcome
        for r in report.results
        for m in r.measurements
        if m.outcome is not Outcome.OK
    }
    assert charged == {"bad": Outcome.WRONG}


def test_prints_go_nowhere_and_come_back_afterwards(rig, capsys):
    def prints(case):
        sys.stdout.write("noise\n")
        sys.stderr.write("noise\n")
        return case.sum()

    run(rig, {"a": prints}, block(0, "a"))
    sys.stdout.write("sound\n")

    assert capsys.readouterr() == ("sound\n", "")


def test_a_candidate_that_closes_the_output_closes_it_for_itself_only(rig):
    def closes(case):
        sys.stdout.close()
        return case.sum()

    first = run(rig, {"a": closes}, block(0, "a"))
    second = run(rig, {"a": closes}, block(1, "a"))

    assert only(first).outcome is Outcome.OK
    assert only(second).outcome is Outcome.OK


def test_global_state_is_put_back(monkeypatch, tmp_path):
    surroundings = Surroundings()
    surroundings.remember()
    expected_random, expected_numpy = random.random(), np.random.random()  # noqa: NPY002
    surroundings = Surroundings()
    surroundings.remember()
    before = dict(os.environ), os.getcwd(), list(sys.path), np.geterr()  # noqa: PTH109

    os.environ["PARBENCH_TEST"] = "1"
    os.environ.pop("PATH")
    os.chdir(tmp_path)
    sys.path.append("/nowhere")
    np.seterr(all="ignore")
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002, TID251 - what candidates do
    changed = surroundings.put_back(thorough=True)

    assert (dict(os.environ), os.getcwd(), list(sys.path), np.geterr()) == before  # noqa: PTH109
    assert "os.environ['PARBENCH_TEST']" in changed
    assert "os.environ['PATH']" in changed
    assert len(changed) == 6  # random comes back untold: Dask draws from it as well
    assert surroundings.put_back(thorough=True) == ()
    assert expected_random != random.random() or expected_numpy is not None


def sets_everything(case):
    np.seterr(all="raise")
    np.random.seed(0)  # noqa: NPY002, TID251 - what candidates do
    return case.sum()


def divides_nothing(case):
    np.zeros(1) / np.zeros(1)
    return case.sum()


def messages(report):
    return [[(m.candidate, m.outcome, m.message) for m in r.measurements] for r in report.results]


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("check", [False, True], ids=["unchecked", "checked"])
def test_nobody_suffers_from_or_is_named_for_what_an_unchecked_neighbour_changed(rig, check):
    both = {"x": sets_everything, "y": divides_nothing}
    run(rig, both, block(0, "x", "y"))

    report = run(rig, both, block(1, "x"), block(2, "y", check=check), block(3, "x", "y"))

    found = [one for result in messages(report) for one in result if one[0] == "y"]
    assert found == [("y", Outcome.OK, "")] * 2


@pytest.mark.filterwarnings("ignore:invalid value")
def test_who_changes_a_generator_is_named_at_a_checked_run_whoever_ran_before(rig):
    both = {"x": sets_everything, "y": divides_nothing}
    run(rig, both, block(0, "x", "y"))

    report = run(rig, both, block(1, "x", "y"), block(2, "x", check=True))

    ((_, outcome, message),) = messages(report)[-1]
    assert outcome is Outcome.OK
    assert message == "changed numpy.random's global state, numpy's error handling; put back"


def test_a_long_run_after_short_ones_is_not_named_for_their_draws():
    surroundings = Surroundings()
    surroundings.remember()
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - guarded, not used

    np.random.seed(3)  # noqa: NPY002, TID251 - what candidates do
    surroundings.put_back(thorough=False)
    after_a_long_run = surroundings.put_back(thorough=True)

    assert after_a_long_run == ()
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002 - guarded, not used


class ByChance(Numbers):
    """Takes its numbers from numpy's global generator instead of its own."""

    def make_case(self, size, rng):
        self.made += 1
        return np.random.normal(size=size)  # noqa: NPY002 - what users do


class Seeding(Numbers):
    """Sets global state, and makes the same case all the same."""

    def make_case(self, size, rng):
        self.made += 1
        np.random.seed(0)  # noqa: NPY002, TID251 - what users do
        return np.random.normal(size=size)  # noqa: NPY002


def test_a_case_drawn_from_a_global_generator_ends_the_race_in_the_name_of_make_case(rig):
    report = run(rig, {"a": total}, block(0, "a"), workload=ByChance())

    assert report.results == ()
    assert "different cases of one seed: it draws from numpy.random's global" in report.broken
    assert "take all chance from its rng" in report.broken


def test_no_candidate_is_blamed_for_what_make_case_changes(rig):
    workload = Seeding()

    found = only(run(rig, {"a": total}, block(0, "a"), workload=workload))

    assert (found.outcome, found.message) == (Outcome.OK, "")
    assert workload.made == 2


def test_a_case_of_its_own_generator_is_made_once(rig):
    workload = Numbers()

    run(rig, {"a": total}, block(0, "a"), workload=workload)

    assert workload.made == 1


def test_a_thread_that_ends_by_itself_is_no_offence(rig):
    def short(case):
        threading.Thread(target=lambda: None).start()
        return case.sum()

    assert only(run(rig, {"a": short}, block(0, "a"))).message == ""


@linux
def test_memory_of_a_call_is_seen_at_its_peak(rig):
    def peaks(case):
        return case.sum() + 0 * np.ones(8_000_000).sum()

    found = only(run(rig, {"a": peaks}, block(0, "a")))

    assert 60e6 < found.values["peak_rss_growth_bytes"] < 80e6


def test_without_a_high_water_mark_the_traced_peak_has_its_own_name():
    rig = Rig(meter=TracedPeak())

    def allocates(case):
        return case.sum() + 0 * len(bytearray(1_000_000))

    report = run(rig, {"a": allocates}, block(0, "a"), block(1, "a"))
    rig.close()

    first, second = (r.measurements[0].values for r in report.results)
    assert 1e6 < first["peak_traced_bytes"] < 2e6
    assert "peak_traced_bytes" not in second  # tracing would spoil a judged time
    assert "peak_rss_growth_bytes" not in first


def test_a_system_that_lets_nobody_reset_the_mark_gets_the_other_meter(tmp_path):
    with pytest.raises(OSError, match="clear_refs"):
        ResidentPeak(tmp_path)

    meter: PeakMeter = peak_meter()
    meter.close()


def test_near_the_limit_the_one_who_keeps_the_most_is_named_wherever_it_ran():
    held = [100]
    retention = Retention(1000, lambda: held[0])

    for name, grown in (("modest", 10), ("greedy", 600), ("modest", 200)):
        held[0] += grown
        retention.note(name, 1)

    assert retention.near_limit()
    assert retention.top() == "greedy"
    assert "keeps about 600 B per call" in retention.condemn()[1]


def test_when_nobody_keeps_much_nobody_is_named():
    held = [790]
    retention = Retention(1000, lambda: held[0])

    held[0] += 50
    retention.note("small", 1)

    assert retention.near_limit()
    assert retention.condemn() == ("", "")
    assert retention.retire


@pytest.mark.parametrize(("grown", "near"), [(100, False), (300, True)])
def test_what_others_keep_in_their_process_is_no_reason_to_end_it(grown, near):
    held = [700]
    retention = Retention(1000, lambda: held[0], ours=False)

    held[0] += grown
    retention.note("ours", 1)

    assert retention.near_limit() is near


def test_digests_tell_results_apart_and_equal_ones_together():
    assert digest_of(np.arange(5)) == digest_of(np.arange(5))
    assert digest_of(np.arange(5)) != digest_of(np.arange(6))
    assert digest_of(threading.Lock()) == ""


def test_a_check_that_returns_false_means_wrong():
    outcome, message, _ = checked(lambda case, result: False, 1, 2)

    assert outcome is Outcome.WRONG
    assert "False" in message


def metered(report):
    peaks = ["peak_rss_bytes" in r.measurements[0].values for r in report.results]
    return sum(peaks)


@linux
def test_memory_of_very_short_runs_is_metered_now_and_then(rig):
    first = run(rig, {"a": total}, block(0, "a"))
    report = run(rig, {"a": total}, *(block(n, "a") for n in range(1, 1 + 10 * METERED_EVERY)))

    assert metered(first) == 1
    assert 9 <= metered(report) <= 11


@linux
def test_memory_of_every_run_is_metered_where_somebody_is_judged_by_it(rig):
    blocks = [block(n, "a") for n in range(20)]

    assert metered(run(rig, {"a": total}, *blocks, memory=True)) == 20


@linux
def test_memory_of_longer_runs_is_always_metered(rig):
    done = threading.Event()

    def waits(case):
        done.wait(0.004)
        return case.sum()

    assert metered(run(rig, {"a": waits}, *(block(n, "a") for n in range(12)))) == 12


@linux
def test_a_leak_of_short_runs_is_charged_for_those_that_were_not_metered():
    held, kept = [0], []
    meter = peak_meter()
    meter.resident_bytes = lambda: held[0]
    rig = Rig(memory_limit_bytes=1000, meter=meter)

    def leaks(case):
        held[0] += 1
        kept.append(case)
        return case.sum()

    report = run(rig, {"a": leaks, "b": total}, *(block(n, "a", "b") for n in range(900)))
    rig.close()

    worst = [m for r in report.results for m in r.measurements if m.outcome is not Outcome.OK]
    assert [m.candidate for m in worst] == ["a"]
    assert "keeps about 1 B per call" in worst[0].message
