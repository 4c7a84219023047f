"""What limits a candidate: named where its figures show it, and else not."""

from array import array
from dataclasses import replace

import numpy as np
import pytest

from parbench_lab.analysis.comparison.bottleneck import Limit, Profile, bottleneck, fixed_cost
from parbench_lab.analysis.comparison.opportunities import of_profile, ranked
from parbench_lab.analysis.comparison.pairing import compare_figures
from parbench_lab.analysis.comparison.values import Opportunity
from parbench_lab.analysis.roofline import attained
from parbench_lab.core.roofline import Roofline
from parbench_lab.errors import UsageError
from parbench_lab.racing.result import jsonable
from parbench_lab.workloads.registry import candidates_of, workload_by_name
from tests.analysis.comparison.figures import HERE, ROOFS, THERE, run, sample

BUSY = Profile(size=1000, wall_time_s=0.01, cpu_time_s=0.01, memory_bytes=HERE.memory_bytes)


@pytest.mark.parametrize(
    ("profile", "limit"),
    [
        pytest.param(replace(BUSY, flop_count=8e7, moved_bytes=1e6), "compute", id="at the peak"),
        pytest.param(
            replace(BUSY, flop_count=1e6, moved_bytes=9e7), "memory bandwidth", id="at the stream"
        ),
        pytest.param(
            replace(BUSY, faults={"out_of_memory": 2}), "memory capacity", id="ran out of memory"
        ),
        pytest.param(
            replace(BUSY, peak_rss_bytes=7 * 2**30), "memory capacity", id="memory nearly full"
        ),
        pytest.param(
            replace(BUSY, times_s={10: 0.0081, 100: 0.0083, 1000: 0.01}),
            "launch or scheduling overhead",
            id="mostly fixed cost",
        ),
        pytest.param(
            replace(BUSY, wall_time_s=8e-8, cpu_time_s=8e-8),
            "launch or scheduling overhead",
            id="hardly more than a call",
        ),
        pytest.param(
            replace(BUSY, single_flop_count=1.6e8, moved_bytes=1e6),
            "compute",
            id="at the peak of single precision",
        ),
        pytest.param(
            replace(BUSY, flop_count=4e7, single_flop_count=8e7, moved_bytes=1e6),
            "compute",
            id="at the peak of both together",
        ),
        pytest.param(
            replace(BUSY, single_flop_count=8e7, moved_bytes=1e6),
            "not shown",
            id="the peak of double precision is none in single",
        ),
        pytest.param(
            replace(BUSY, wall_time_s=7e-7, cpu_time_s=7e-7, flop_count=10, moved_bytes=80),
            "launch or scheduling overhead",
            id="hardly more than one array operation",
        ),
        pytest.param(
            replace(BUSY, on_gpu=True, flop_count=9e9, moved_bytes=1e6),
            "not shown",
            id="a GPU is under other roofs",
        ),
        pytest.param(replace(BUSY, cpu_time_s=0.001), "transfer or waiting", id="it waits"),
        pytest.param(replace(BUSY, flop_count=1e6, moved_bytes=1e6), "not shown", id="none"),
    ],
)
def test_a_limit_is_named_where_the_figures_show_it(profile, limit):
    assert bottleneck(profile, ROOFS).limit is Limit(limit)


@pytest.mark.parametrize(
    ("calls_that_wait", "limit"), [(200, Limit.TRANSFER), (160, Limit.NOT_SHOWN)]
)
def test_who_waits_does_so_in_all_calls_and_others_take_the_core_from_some(calls_that_wait, limit):
    worked = sample(0.01)
    cpu_s = array("d", worked.values["wall_time_s"])
    cpu_s[:calls_that_wait] = array("d", [0.003] * calls_that_wait)
    one = replace(worked, values={**worked.values, "cpu_time_s": cpu_s})

    found = compare_figures(run("before", {"a": 0.01}), run("after", {"a": one}))

    (pair,) = found.pairs
    assert pair.bottleneck.limit is limit


def test_where_nothing_is_shown_it_says_what_is_missing():
    found = bottleneck(BUSY)

    assert found.share is None
    for word in (
        "parbench doctor",
        "flop_count",
        "3 batch sizes",
        "transfer is not measured here",
    ):
        assert word in found.evidence


def test_roofs_of_an_earlier_version_are_asked_for_again():
    old = replace(ROOFS, one_core_single_flops_per_s=None, all_cores_single_flops_per_s=None)
    profile = replace(BUSY, single_flop_count=1.6e8, moved_bytes=1e6)

    found = bottleneck(profile, old)

    assert found.limit is Limit.NOT_SHOWN
    assert "roof in single precision (parbench doctor there again)" in found.evidence


def test_who_waits_for_a_gpu_is_told_so_and_a_transfer_is_not_claimed():
    found = bottleneck(replace(BUSY, cpu_time_s=0.001, on_gpu=True), ROOFS)

    words = "the rest is waiting for the GPU; how much of it is transfer is not measured here"
    assert words in found.evidence


def test_a_share_beyond_the_roof_asks_for_another_measurement_of_it():
    twice = bottleneck(replace(BUSY, flop_count=2e8, moved_bytes=1e6), ROOFS)
    near = bottleneck(replace(BUSY, flop_count=1e8, moved_bytes=1e6), ROOFS)

    assert "200 % of what a matrix product attains here (that roof was" in twice.evidence
    assert "doctor" not in near.evidence


def test_a_rate_above_a_level_comes_from_a_nearer_one():
    found = attained(ROOFS, wall_time_s=1.0, flop_count=1e9, moved_bytes=3e10)

    assert found.level == "L2"
    assert found.bandwidth_share == pytest.approx(0.6)


def test_the_lower_roof_is_the_one_that_counts():
    found = attained(ROOFS, wall_time_s=1.0, flop_count=1e9, moved_bytes=1e10)

    assert found.intensity_flops_per_byte == pytest.approx(0.1)
    assert found.roof_flops_per_s == pytest.approx(1e9)
    assert found.share == pytest.approx(1.0)


@pytest.mark.parametrize(
    "times_s",
    [
        pytest.param({10: 1.0, 100: 1.1}, id="two sizes"),
        pytest.param({10: 1.0, 20: 1.1, 30: 1.2}, id="too near each other"),
        pytest.param({10: 1.0, 100: 5.0, 1000: 700.0}, id="not a line"),
    ],
)
def test_times_that_do_not_tell_have_no_fixed_cost(times_s):
    assert fixed_cost(times_s) is None


def test_a_roofline_survives_json_and_refuses_nonsense():
    assert Roofline.from_json(jsonable(ROOFS)) == ROOFS
    old = jsonable(ROOFS)
    del old["one_core_single_flops_per_s"], old["all_cores_single_flops_per_s"]
    assert Roofline.from_json(old).one_core_single_flops_per_s is None
    with pytest.raises(UsageError, match="measure it again with parbench doctor"):
        Roofline.from_json({"cores": 2})
    with pytest.raises(ValueError, match="must be positive"):
        replace(ROOFS, call_overhead_s=float("nan"))


# ---------------------------------------------------------------- opportunities


def test_the_largest_estimate_comes_first_and_bounds_after_estimates():
    def idea(gain, *, at_most=False):
        return Opportunity(
            what="x", candidate="a", size=1, gain=gain, evidence="", at_most=at_most
        )

    found = ranked([idea(0.2), idea(0.9, at_most=True), idea(0.5), idea(0.01)])

    assert [one.gain for one in found] == [0.5, 0.2, 0.9]


def test_other_batch_sizes_waiting_and_headroom_are_opportunities():
    profile = replace(
        BUSY,
        cpu_time_s=0.004,
        flop_count=1e7,
        moved_bytes=1e6,
        times_s={1000: 0.01, 10_000: 0.05},
    )

    found = list(of_profile("quick", profile, bottleneck(profile, ROOFS), ROOFS))

    gains = {one.what.split(" quick ")[0]: round(one.gain, 2) for one in found}
    assert gains == {"give": 0.5, "let": 0.6, "bring": 0.9}
    assert "larger batches of 10000" in found[0].what


def test_a_loss_the_quickest_and_the_quicker_machine_are_opportunities():
    before, after = {"quick": 1e-3, "slow": 4e-3}, {"quick": 2e-3, "slow": 4e-3}

    one_machine = compare_figures(run("a", before), run("b", after)).opportunities
    two_machines = compare_figures(run("a", before), run("b", after, THERE)).opportunities

    assert {one.what for one in one_machine} == {
        "find what made quick slower since the baseline",
        "use quick at 1000 items",
    }
    assert one_machine[0].gain == pytest.approx(0.5, abs=0.02)
    assert any(one.what == "run quick on the baseline machine" for one in two_machines)


def test_where_there_are_several_batch_sizes_an_opportunity_names_its_own():
    before = {("quick", size): size * 1e-6 for size in (100, 1000)}
    after = {("quick", 100): 2e-4, ("quick", 1000): 1e-3}

    found = compare_figures(run("a", before), run("b", after)).opportunities

    words = "find what made quick slower since the baseline, at 100 items"
    assert [one.what for one in found if "slower" in one.what] == [words]


def test_kernels_of_the_calibration_are_no_rivals():
    sides = [run(name, {"a": 1e-3, "b": 4e-3}, workload="calibration") for name in "xy"]

    assert not compare_figures(*sides).opportunities


@pytest.mark.parametrize(
    ("name", "times_the_roof", "limit"),
    [
        pytest.param("matrix_product", 1.25, "compute", id="near the peak"),
        pytest.param("matrix_product", 3, "not shown", id="far below the peak"),
        pytest.param("row_norms", 1.25, "memory bandwidth", id="near the stream"),
        pytest.param("row_norms", 3, "not shown", id="far from the stream"),
    ],
)
def test_built_in_workloads_are_read_against_the_roofs_by_what_their_checks_return(
    name, times_the_roof, limit
):
    job = workload_by_name(name)
    case = job.make_case(1000, np.random.default_rng(0))
    work = job.check(case, candidates_of(job)[0].resolve()(case))
    at_the_roof_s = {"matrix_product": 2 * 1000 * 512**2 / 2e10, "row_norms": 2_052_000 / 1e10}
    seconds = times_the_roof * at_the_roof_s[name]
    done = {"numpy": sample(seconds, cpu_time_s=seconds, **work)}

    (pair,) = compare_figures(run("a", done), run("b", done, roofline=ROOFS)).pairs

    assert pair.bottleneck.limit.value == limit


def test_the_work_that_a_check_returns_is_read_against_the_roofs():
    done = {"quick": sample(0.01, flop_count=8e7, moved_bytes=1e6, cpu_time_s=0.01)}

    (pair,) = compare_figures(run("a", done), run("b", done, roofline=ROOFS)).pairs

    assert pair.bottleneck.limit is Limit.COMPUTE
    assert "80 % of what a matrix product attains" in pair.bottleneck.evidence
