"""``parbench scale`` and ``parbench prove``: what is printed, what is kept, how they end."""

import contextlib
import dataclasses
import io
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from distributed import LocalCluster

import parbench_lab as pb
from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.trial import Trial
from parbench_lab.cli import parbench
from parbench_lab.cli.curves import curve_document
from parbench_lab.cli.doors import Doors
from parbench_lab.cli.studies import print_study, study_document
from parbench_lab.core.wording import count
from parbench_lab.errors import UsageError
from parbench_lab.hardware.cores import available_physical_cores
from parbench_lab.lab.foretelling import foretell
from parbench_lab.lab.ml.results import ScalabilityBenchmark
from parbench_lab.lab.scaling_study import ScalingStudy
from parbench_lab.lab.stored import load_curves
from parbench_lab.scaling.plan import Series
from parbench_lab.scaling.proof import prove
from parbench_lab.store import open_store
from parbench_lab.workloads.scalables import scalable_by_name
from tests.chaos.candidates import spend
from tests.scaling.pools import CountingPool

SMALL = ("--workers", "1,2,4", "--sizes", "40000", "--repeats", "2", "--backend", "threads")


def test_a_job_is_measured_shown_and_kept(shell):
    found = shell("scale", "prime_count", *SMALL, "--json", "--output", "curve.json")
    store = open_store(None)
    (kept,) = store.runs()
    store.close()

    document = json.loads(found.stdout)
    (curve,) = document["curves"]
    assert found.exit_code == 0
    assert [level["workers"] for level in curve["levels"]] == [1, 2, 4]
    assert all(level["time_s_low"] <= level["time_s"] for level in curve["levels"])
    assert curve["identical"] is True
    assert re.search(r"prime_count, threads \S+ 100%", found.stderr)
    assert "prime_count: strong scaling, threads, 40,000 numbers" in found.stderr
    assert "all 6 results are identical bit by bit" in found.stderr
    assert (kept.kind, kept.name, kept.status) == ("study", "prime_count", "finished")
    assert document["run"] == kept.id
    with open("curve.json", encoding="utf-8") as file:  # noqa: PTH123
        assert json.load(file) == document


def test_a_study_is_kept_where_the_project_says_and_found_there_again(shell):
    Path("pyproject.toml").write_text("[tool.parbench]\nstore = 'x.db'\n")

    found = shell("scale", "prime_count", "--workers", "1", "--sizes", "2000", "--repeats", "1",
                  "--backend", "serial", "--json")  # fmt: skip
    store = open_store("x.db")
    (kept,) = store.runs()
    store.close()

    assert json.loads(found.stdout)["run"] == kept.id
    assert not Path(".parbench").exists()


def test_levels_beyond_the_cores_are_marked_and_not_fitted(shell):
    cores = available_physical_cores()

    found = shell("scale", "prime_count", "--workers", f"1,{2 * cores}", *SMALL[2:])

    assert f"{2 * cores} *" in found.stdout
    assert f"{2 * cores} workers share {count(cores, 'core')}" in found.stdout
    assert "no law is fitted" in found.stdout


def test_one_number_of_workers_means_all_levels_up_to_it(shell):
    found = shell("scale", "--workers", "3", "--sizes", "20000", "--repeats", "1",
                  "--backend", "threads", "--json")  # fmt: skip

    (curve,) = json.loads(found.stdout)["curves"]
    assert [level["workers"] for level in curve["levels"]] == [1, 2, 3]


def test_backends_stand_side_by_side_and_auto_says_why(shell):
    chosen = shell("scale", "--workers", "1", "--sizes", "20000", "--repeats", "1")
    both = shell("scale", "--workers", "1", "--sizes", "20000", "--repeats", "1",
                 "--backend", "serial", "--backend", "threads")  # fmt: skip

    assert "numbers of prime_count" in chosen.stdout
    assert "scaling, serial," in both.stdout
    assert "scaling, threads," in both.stdout


def test_batch_sizes_are_compared_and_the_best_ones_curve_follows(shell):
    found = shell("scale", "prime_count", "--workers", "1,2", "--sizes", "400000", "--repeats",
                  "2", "--backend", "threads", "--batch-sizes", "1,10", "--json")  # fmt: skip
    shown = io.StringIO()
    print_study(load_curves("latest"), shown, batch_unit="parts")

    document = json.loads(found.stdout)
    (batches,) = document["batches"]
    assert [curve["batch_size"] for curve in document["curves"]] == [1, 10]
    assert [level["workers"] for level in batches["levels"]] == [1, 2]
    assert all(level["best"] in (1, 10) for level in batches["levels"])
    for told in (found.stderr, shown.getvalue()):
        assert "batch sizes, threads, 400,000 numbers" in told
        assert "with 2 workers batches of " in told
        assert told.count("strong scaling, threads") == 1
        other = {1: 10, 10: 1}[batches["levels"][-1]["best"]]
        assert f"What the curves of batches of {other} parts say: parbench show RUN" in told
    kept = json.loads(CliRunner().invoke(parbench, ["show", "latest", "--json"]).stdout)
    assert all(curve["words"] for curve in kept["curves"])


def test_the_json_says_why_a_backend_was_chosen_and_which_batch_sizes_are_one(shell):
    job = ("portfolio_backtest", "--sizes", "4", "--timeframe", "1d", "--test-windows", "1")
    small = ("--workers", "1", "--repeats", "1", "--json")
    chosen = shell("scale", *job, *small, "--batch-sizes", "2,4,9")
    given = shell("scale", *job, *small, "--backend", "serial")

    told, silent = (json.loads(found.stdout) for found in (chosen, given))
    assert told["backend_reason"].startswith(f"{told['curves'][0]['backend']}: 4 configurations")
    assert told["batch_reason"] == (
        "batches of 4 and 9 configurations are the same, all 4 at once: they are measured once, "
        "as batches of 4"
    )
    assert told["batch_reason"] in chosen.stderr
    assert (silent["backend_reason"], silent["batch_reason"]) == (None, None)


def test_weak_scaling_gives_each_worker_the_same_and_fits_gustafsons_law(shell):
    cores = ("--workers", "1,2", "--sizes", "2000", "--repeats", "2", "--backend", "threads")
    found = shell("scale", "prime_count", "--mode", "weak", *cores, "--json",
                  env={"COLUMNS": "120"})  # fmt: skip
    batched = shell("scale", "portfolio_backtest", "--mode", "weak", "--sizes", "4",
                    "--timeframe", "1d", "--test-windows", "1", "--batch-sizes", "1,2",
                    "--workers", "2", "--repeats", "1", "--backend", "threads")  # fmt: skip

    (curve,) = json.loads(found.stdout)["curves"]
    assert curve["mode"] == "weak"
    assert [level["size"] for level in curve["levels"]] == [2000, 4000]
    assert curve["fit"]["law"] == "gustafson"
    assert "prime_count: weak scaling, threads, 2,000 numbers per worker" in found.stderr
    heads = [line.split() for line in found.stderr.splitlines()]
    assert ["scaled", "scaled"] in heads  # speedup and serial fraction
    assert ["workers", "time", "speedup", "efficiency", "serial", "numbers/s", "memory"] in heads
    told = "portfolio_backtest: batch sizes, threads, 4 configurations per worker; a column"
    assert told in batched.stdout


def test_a_dry_run_says_runs_and_time_from_one_serial_run_and_keeps_nothing(shell):
    found = shell("scale", "prime_count", "--workers", "1,2,4", "--sizes", "4000", "--repeats",
                  "3", "--dry-run", "--json", "--output", "plan.json")  # fmt: skip

    lines = json.loads(found.stdout)["plan"]
    assert found.exit_code == 0
    assert lines[0] == "job        prime_count, 4,000 numbers"
    assert "backend    the fastest, by trying all that can run it" in lines
    assert "runs       9 runs" in lines
    assert lines[-1].startswith("takes      about ")
    assert lines[-1].endswith("s serially")
    assert json.loads(Path("plan.json").read_text()) == {"plan": lines}
    assert not Path(".parbench").exists()


def test_a_dry_run_asks_nothing_of_a_cluster(shell):
    found = shell("scale", "--sizes", "4000", "--cluster", "tcp://127.0.0.1:1", "--dry-run")

    assert found.exit_code == 0, found.output
    assert "by trying all that can run it" in found.stdout


def test_a_dry_run_on_a_cluster_does_not_know_its_workers_and_tells_no_cores(shell):
    dask = ("scale", "--sizes", "4000", "--backend", "dask", "--cluster", "tcp://127.0.0.1:1")

    unknown = shell(*dask, "--dry-run")
    found = shell(*dask, "--workers", "1,2", "--dry-run")

    assert unknown.exit_code == 2
    assert "say how many --workers" in unknown.stderr
    assert found.exit_code == 0, found.output
    assert "workers    1, 2 (strong scaling, on the cluster)" in found.stdout


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=["resumed", "planned"])
def test_the_default_job_is_another_one_where_it_is_named(shell, words):
    options = {"configurations": "quick", "window_days": 100, "timeframe": "1d"}
    with contextlib.closing(open_store("x.db")) as store, ScalingStudy(
        "portfolio_backtest", workers=[1], sizes=[4], repeats=2, store=store, options=options
    ) as study:  # fmt: skip
        study.on_trial = lambda _cell, _trial: study.stop()
        study.run()
    again = ("--resume", study.run_id, "--store", "x.db", *words)

    refused = shell("scale", "prime_count", *again)

    assert refused.exit_code == 2
    assert "is of portfolio_backtest, and figures of prime_count are not" in refused.stderr
    assert shell("scale", *again).exit_code == 0


def test_a_dry_run_of_a_study_that_was_cut_off_counts_what_is_stored_and_leaves_it(shell):
    with contextlib.closing(open_store("x.db")) as store, ScalingStudy(
        "prime_count", workers=[1, 2], sizes=[2000], repeats=4, store=store
    ) as study:  # fmt: skip
        study.on_trial = lambda _cell, _trial: study.stop()
        study.run()
        before = list(store.events(study.run_id))

        found = shell("scale", "--resume", study.run_id, "--store", "x.db", "--dry-run")

        assert found.exit_code == 0, found.output
        assert "runs       8 runs, 1 of them stored\n" in found.output
        assert list(store.events(study.run_id)) == before


def test_a_study_of_a_cluster_that_was_cut_off_says_so_wherever_it_is_told_how_to_go_on(shell):
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as cluster, contextlib.closing(open_store("x.db")) as store, ScalingStudy(
        "prime_count", workers=[1], sizes=[2000], repeats=4, store=store,
        backend="dask", cluster=cluster,
    ) as study:  # fmt: skip
        study.on_trial = lambda _cell, _trial: study.stop()
        study.run()

    again = f"parbench scale --resume {study.run_id} --cluster ADDRESS"
    shown = CliRunner().invoke(parbench, ["show", study.run_id, "--store", "x.db"])
    planned = shell("scale", "--resume", study.run_id, "--store", "x.db", "--dry-run")
    refused = shell("scale", "--resume", study.run_id, "--store", "x.db")

    assert f"go on: {again}\n" in shown.output
    assert "(strong scaling, on the cluster)" in planned.output
    assert refused.exit_code == 2
    assert "was on a cluster" in refused.stderr


def test_how_long_a_study_takes_is_between_all_cores_gained_and_none():
    def slow(case, *, map):
        return list(map(spend, case))

    job = pb.Scalable(name="slow", run=slow, make_case=lambda size, rng: [0.02] * size)
    plan = {"workers": [1, 2], "sizes": [1, 3], "repeats": 5}
    with ScalingStudy(job, **plan, store=":memory:") as study:
        told = foretell(study, done=5)

    left, on_two = 15 / 20, 20 / min(2, study.cores)
    assert told.n_runs == 20
    assert told.serial_s >= 0.02
    assert told.longest_s == pytest.approx(left * 40 * told.serial_s)
    assert told.shortest_s == pytest.approx(left * (20 + on_two) * told.serial_s)


def test_a_dry_run_of_the_operations_names_them_and_measures_nothing(shell):
    found = shell("scale", "ml_operations", "--workers", "1,2", "--repeats", "3", "--dry-run")

    assert found.exit_code == 0
    assert "operations 9: batch_inference," in found.output
    assert "workers    1, 2\n" in found.output
    assert "runs       3 of each" in found.output


def exact_curve(workers, *, alpha=0.05, beta=0.002):
    rng = np.random.default_rng(7)
    true_s = [2.0 * ((1 - alpha) / n + (alpha - beta) + beta * n) for n in workers]
    times = [[second * (1 + rng.normal(0, 1e-4)) for _ in range(5)] for second in true_s]
    return ScalingCurve.from_times(
        list(workers), times, cores=64, unit="items", size=1000, backend="threads", name="job"
    )


def test_the_json_has_the_laws_coefficients_with_their_intervals_limit_peak_and_score():
    curve = exact_curve([1, 2, 4, 8, 16, 32])

    fit = curve_document(curve)["fit"]

    assert (fit["law"], fit["convention"], fit["refused"]) == ("usl", "time", None)
    assert fit["workers"] == [1, 2, 4, 8, 16, 32]
    for name, truth in (("alpha", 0.05), ("beta", 0.002), ("gamma", 0.5)):
        assert fit[name]["low"] <= fit[name]["point"] <= fit[name]["high"]
        assert fit[name]["point"] == pytest.approx(truth, rel=0.05)
        assert fit[name]["confidence"] == 0.95
    assert fit["gamma_unit"] == "cases of 1,000 items per second"
    assert fit["limit"]["point"] == pytest.approx(20, rel=0.05)
    assert fit["peak_workers"]["point"] == pytest.approx((0.95 / 0.002) ** 0.5, rel=0.05)
    assert (fit["limit_reason"], fit["peak_workers_reason"], fit["score_reason"]) == (None,) * 3
    assert fit["score"]["workers"] == 32
    assert fit["score"]["beats_naive"] is True
    assert json.loads(json.dumps(fit, allow_nan=False)) == fit


def test_the_unit_of_gamma_is_the_case_of_all_or_of_each_worker():
    workers, times = [2, 4, 8, 16], [1.0, 1.001, 1.0, 1.001]
    units = {
        mode: curve_document(ScalingCurve.from_times(workers, times, mode=mode, size=500))["fit"]
        for mode in ("strong", "weak")
    }

    assert {unit["gamma_unit"] for unit in units.values()} == {"cases of 500 items per second"}
    assert units["weak"]["gamma"]["point"] == pytest.approx(1, rel=0.01)


def test_what_a_fit_cannot_say_has_its_reason():
    amdahl = curve_document(exact_curve([1, 2, 4, 8], beta=0.0), law="amdahl")["fit"]
    linear = curve_document(exact_curve([1, 2, 4, 8], alpha=0.0, beta=0.0))["fit"]
    few = curve_document(exact_curve([1, 2]))["fit"]

    assert amdahl["peak_workers"] is None
    assert "no coherency" in amdahl["peak_workers_reason"]
    assert amdahl["score"] is None
    assert "needs 4 others" in amdahl["score_reason"]
    assert linear["limit"]["high"] is None
    assert "no upper bound" in linear["limit_reason"]
    assert "does not exclude 0" in linear["peak_workers_reason"]
    assert few["law"] == "usl"
    assert "levels" in few["refused"]
    assert curve_document(exact_curve([1, 2, 4, 8]), law="none")["fit"] is None


def test_the_json_tells_whether_it_counts_cores_or_a_clusters_workers():
    here = exact_curve([1, 2])
    there = dataclasses.replace(here, on_cluster=True)

    assert [curve_document(curve)["on_cluster"] for curve in (here, there)] == [False, True]


def failing_curve(error):
    trials = (Trial(repetition=0, workers=1, size=100, outcome="failed", message=error),)
    return ScalingCurve(name="job", backend="threads", cores=1, trials=trials)


def test_no_results_are_not_identical_ones():
    document = curve_document(failing_curve("out of luck"))

    assert document["agreement"] == "no run gave a result"
    assert document["identical"] is False


@pytest.mark.parametrize("failing", [(5, 10), (10,)], ids=["all", "one"])
def test_a_batch_size_that_fails_is_told_with_the_reason(failing):
    curves = {
        Series(backend="threads", size=100, batch_size=size): (
            failing_curve(f"no batches of {size}") if size in failing else exact_curve((1, 2))
        )
        for size in (5, 10)
    }
    shown = io.StringIO()

    print_study(curves, shown)
    (batches,) = study_document(curves)["batches"]

    for size in failing:
        told = f"batches of {size} items: at 1 worker 1 run failed, the last: no batches of {size}"
        assert told in batches["words"]
        assert f"- {told}." in shown.getvalue()


def test_what_failed_at_the_best_batch_size_is_told_once_below_its_curve():
    runs = [
        Trial(repetition=0, workers=workers, size=100, outcome="ok", time_s=1.0 / workers)
        for workers in (1, 2)
    ]
    bad = Trial(repetition=1, workers=2, size=100, outcome="failed", message="out of luck")
    best = ScalingCurve(name="job", backend="threads", cores=2, trials=(*runs, bad))
    shown = io.StringIO()

    print_study({Series(backend="threads", size=100, batch_size=5): best}, shown)

    assert shown.getvalue().count("out of luck") == 1


def wide_curve(unit="configurations"):
    times = [[1.234, 1.301, 1.0], [1.122, 0.987, 0.801], [0.633, 0.702, 0.598]]
    return ScalingCurve.from_times(
        [1, 2, 4], times, cores=4, unit=unit, size=123_456, backend="threads", name="job"
    )


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_table_is_wider_than_the_terminal_and_no_number_is_broken(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    batches = (10, 50, 100, 200, 500, 1000)
    series = [Series(backend="threads", size=123_456, batch_size=size) for size in batches]
    shown = io.StringIO()

    print_study(dict.fromkeys(series, wide_curve()), shown, batch_unit="configurations")

    lines = shown.getvalue().splitlines()
    in_tables = [line for line in lines if line[:1] in ("", " ")]
    heads = [line.split() for line in in_tables if line.split()[:1] == ["workers"]]
    cells = " ".join(" ".join(in_tables).split())
    assert max(map(len, in_tables)) <= columns
    assert [size for head in heads for size in head if size[0].isdigit()] == [
        f"{size:,}" for size in batches
    ]
    assert heads[-1][:4] == ["workers", "time", "speedup", "efficiency"]
    assert ("memory" in heads[-1]) == (columns >= 80)
    assert "[0.525, 0.787]" in cells


def test_what_a_narrow_terminal_leaves_out_is_named(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    shown = io.StringIO()

    print_study({Series(backend="threads", size=9): wide_curve()}, shown)

    assert "memory would be wider than 60 columns" in " ".join(shown.getvalue().split())


def test_adaptive_workers_are_measured_and_nothing_is_fitted(shell):
    options = ("--workers", "adaptive", "--sizes", "40000", "--repeats", "2")
    found = shell("scale", "prime_count", *options, "--backend", "threads", "--json")
    refused = shell("scale", "ml_operations", "--workers", "adaptive")

    (curve,) = json.loads(found.stdout)["curves"]
    assert curve["adaptive"] is True
    assert curve["levels"][0].get("speedup") is None
    assert "adaptive workers, threads" in found.stderr
    assert "there is no speedup and no law" in found.stderr
    assert "adaptive is for a single job" in refused.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nothing_like_it",), "scalable job 'nothing_like_it': not found"),
        (("prime_count", "--workers", "two"), "is no list of whole numbers like 1,2,4"),
        (("prime_count", "--workers", "0,1"), "from 1 to 4,096 but got 0"),
        (("prime_count", "--backend", "auto", "--backend", "dask"), "chooses one"),
        (
            ("prime_count", "--backend", "threads", "--cluster", "tcp://a:1"),
            "leave one of the two",
        ),
        (("portfolio_backtest", "--quick", "--full"), "--full, --quick: choose one of them"),
        (("--output", "nowhere/x.json"), "there is no folder"),
        (("--resume", "none"), "none"),
    ],
    ids=str,
)
def test_wrong_use_is_one_line_and_measures_nothing(shell, words, told):
    found = shell("scale", *words)

    assert found.exit_code != 0
    assert told in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_what_a_job_lets_be_chosen_is_kept_for_going_on(shell):
    options = ("--timeframe", "1d", "--test-windows", "3", "--window-days", "200")
    found = shell("scale", "portfolio_backtest", "--quick", *options, "--workers", "1",
                  "--repeats", "1", "--backend", "threads", "--json")  # fmt: skip
    foreign = shell("scale", "prime_count", *options)
    store = open_store(None)
    (kept,) = store.runs()
    document = store.header(kept.id).document
    store.close()

    (curve,) = json.loads(found.stdout)["curves"]
    assert curve["levels"][0]["size"] == 100
    assert document["options"] == {
        "configurations": "quick", "window_days": 200.0, "test_windows": 3, "timeframe": "1d",
    }  # fmt: skip
    assert foreign.exit_code == 2
    refused = "--window-days, --test-windows, --timeframe: of no use with prime_count"
    assert refused in foreign.stderr
    with pytest.raises(UsageError, match="prime_count has no option 'window_days'; it has none"):
        scalable_by_name("prime_count", window_days=200.0)


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (("--workers", "1,2", "--repeats", "9"), "--workers, --repeats"),
        (("--backend", "dask", "--mode", "strong"), "--mode, --backend"),
        (("--sizes", "10", "--batch-sizes", "1", "--seed", "0"), "--sizes, --batch-sizes, --seed"),
        (("--quick", "--window-days", "9"), "--quick, --window-days"),
        (("--timeframe", "1d", "--test-windows", "3"), "--test-windows, --timeframe"),
    ],
    ids=str,
)
def test_a_resumed_study_refuses_what_it_planned_itself(shell, words, flags):
    found = shell("scale", "--resume", "latest", *words)

    assert found.exit_code == 2
    assert f"parbench: {flags}: a resumed study keeps what it planned; leave them" in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_a_resumed_study_takes_what_is_not_of_its_plan(shell):
    found = shell("scale", "--resume", "latest", "--law", "amdahl", "--include-oversubscribed")

    assert "no run 'latest'" in found.stderr


class ScriptedBenchmark:
    """Finds nothing, and remembers what it was asked for."""

    def __init__(self):
        self.asked = {}

    def __call__(self, **asked):
        self.asked = asked
        return ScalabilityBenchmark(
            operations=(), curve_operation="preprocess", curve_unit="rows", levels=(),
            batch_sizes=(), backend="threads", workers=2, cores=2, repeats=2,
        )  # fmt: skip


def of_ml_operations(benchmark, *words):
    command = ["scale", "ml_operations", *words]
    return CliRunner().invoke(parbench, command, obj=Doors(ml_benchmark=benchmark))


@pytest.mark.parametrize(
    ("given", "levels"), [("1,2,4", (1, 2, 4)), ("4", (1, 2, 4)), ("2,1", (2, 1))]
)
def test_the_worker_counts_are_the_levels_of_the_operations(given, levels):
    benchmark = ScriptedBenchmark()

    found = of_ml_operations(benchmark, "--workers", given, "--json")

    assert found.exit_code == 0
    assert benchmark.asked["worker_levels"] == levels
    assert benchmark.asked["config"].n_workers == max(levels)


def test_the_levels_of_the_operations_are_of_the_cluster_that_is_given():
    benchmark = ScriptedBenchmark()
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as cluster:
        where = ("--backend", "dask", "--cluster", cluster.scheduler_address)
        found = of_ml_operations(benchmark, *where)
        planned = of_ml_operations(benchmark, *where, "--dry-run")

    assert found.exit_code == 0
    assert benchmark.asked["worker_levels"] == (1, 2)
    assert (planned.exit_code, "say how many --workers" in planned.stderr) == (2, True)


def test_what_the_operations_can_use_arrives():
    benchmark = ScriptedBenchmark()
    words = ("--quick", "--repeats", "3", "--seed", "7", "--batch-sizes", "5,6")

    found = of_ml_operations(benchmark, *words, "--backend", "threads")

    taken = {name: benchmark.asked[name] for name in ("repeats", "seed", "batch_sizes")}
    assert found.exit_code == 0
    assert taken == {"repeats": 3, "seed": 7, "batch_sizes": (5, 6)}
    assert benchmark.asked["size_factor"] == 0.1
    assert "worker_levels" not in benchmark.asked


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        (("--sizes", "10", "--mode", "weak"), "--mode, --sizes"),
        (("--law", "usl", "--include-oversubscribed"), "--law, --include-oversubscribed"),
        (("--full", "--window-days", "9"), "--full, --window-days"),
        (("--large", "--timeframe", "1d"), "--large, --timeframe"),
        (("--quick", "--test-windows", "3", "--make-case", "m:f"), "--make-case, --test-windows"),
        (("--store", "x.db", "--resume", "latest"), "--resume, --store"),
    ],
    ids=str,
)
def test_what_the_operations_cannot_use_is_refused_and_nothing_measured(words, flags):
    benchmark = ScriptedBenchmark()

    found = of_ml_operations(benchmark, *words)

    assert found.exit_code == 2
    assert found.stderr == f"parbench: {flags}: of no use with ml_operations; leave them out\n"
    assert not benchmark.asked


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--cluster", "tcp://a:1", "--backend", "threads"), "a cluster is for backend='dask'"),
        (("--workers", "0"), "workers must be a whole number from 1 to 4,096 but got 0"),
        (("--workers", "0,2"), "workers must be a whole number from 1 to 4,096 but got 0"),
        (("--workers", "9999999"), "workers must be a whole number from 1 to 4,096"),
        (("--batch-sizes", "0"), "must be a whole number from 1 on but got 0"),
        (("--repeats", "1"), "repeats must be a whole number from 2 on but got 1"),
        (("--seed", "-1"), "seed must be a whole number from 0 up but got -1"),
        (("--backend", "serial"), "backend='serial' has one worker but --workers is 2"),
    ],
    ids=str,
)
def test_a_dry_run_of_the_operations_refuses_what_the_run_refuses(shell, words, told):
    for found in (shell("scale", "ml_operations", *words, *dry) for dry in ((), ("--dry-run",))):
        assert found.exit_code == 2
        assert told in found.stderr


def test_a_dry_run_of_the_operations_refuses_an_environment_that_the_run_refuses(
    shell, monkeypatch
):
    monkeypatch.setenv("PARBENCH_NUM_WORKERS", "many")

    for dry in ((), ("--dry-run",)):
        found = shell("scale", "ml_operations", *dry)
        assert found.exit_code == 2
        assert "PARBENCH_NUM_WORKERS" in found.stderr


def test_a_store_of_the_environment_does_not_keep_the_operations_from_being_measured(monkeypatch):
    monkeypatch.setenv("PARBENCH_STORE", "x.db")

    assert of_ml_operations(ScriptedBenchmark()).exit_code == 0


def test_the_built_in_jobs_are_listed(shell):
    listed = shell("scale", "--list").stdout.split()

    assert {"prime_count", "portfolio_backtest"} <= set(listed)
    assert any(name.startswith("ml:") for name in listed)


def test_the_proof_compares_bit_by_bit_and_projects_three_ways(shell):
    options = (
        "--backend",
        "threads",
        "--workers",
        "2",
        "--configurations",
        "40",
        "--repeats",
        "2",
    )
    told = shell("prove", *options)
    document = json.loads(shell("prove", *options, "--json").stdout)

    assert told.exit_code == 0
    assert "identical bit by bit; best: " in told.stdout
    crowded = document["cores"] < 2
    words = "2 workers share 1 core" if crowded else "two levels fix one number and test no law"
    assert words in told.stdout
    assert document["cores"] == available_physical_cores()
    assert document["identical"] is True
    for way in ("serial", "parallel"):
        rate, time = document[f"{way}_per_s"], document[f"{way}_s"]
        assert rate["point"] == pytest.approx(40 / time["point"])
        assert (rate["low"], rate["high"]) == pytest.approx((40 / time["high"], 40 / time["low"]))
    assert {p["cores"] for p in document["projections"]} == {4, 8, 16, 32}
    assert {p["workers"] for p in document["projections"]} == {3, 7, 15, 31}
    assert [p["way"] for p in document["projections"][:3]] == [
        "constant efficiency", "Amdahl from Karp-Flatt", "USL",
    ]  # fmt: skip


def differing_proof(**_asked):
    """Return the proof of a job that gives another result every time."""
    results = itertools.count()
    with contextlib.closing(CountingPool([], "threads", 2)) as pool:
        return prove(
            lambda _spread: next(results), pool, job="job", unit="configurations", items=8,
            cores=2, winner=str,
        )  # fmt: skip


def test_a_proof_of_results_that_differ_ends_with_1():
    told, as_json = (
        CliRunner().invoke(parbench, ["prove", *words], obj=Doors(prove=differing_proof))
        for words in ((), ("--json",))
    )

    assert (told.exit_code, as_json.exit_code) == (1, 1)
    assert "DIFFERENT: do not use them" in told.stdout
    assert json.loads(as_json.stdout)["identical"] is False


@pytest.mark.parametrize(
    ("workers", "words"), [("1", "at least 2"), ("9999999", "from 1 to 4,096 but got 9999999")]
)
def test_a_proof_with_one_worker_or_millions_is_refused(shell, workers, words):
    found = shell("prove", "--workers", workers)

    assert found.exit_code == 2
    assert f"workers must be {'a whole number ' * (workers != '1')}{words}" in found.stderr


def test_a_proof_with_a_seed_below_0_is_refused(shell):
    found = shell("prove", "--seed", "-1")

    assert found.exit_code == 2
    assert "seed must be a whole number from 0 up but got -1" in found.stderr


def test_a_job_of_a_module_in_the_current_folder_is_measured_with_its_make_case(shell):
    Path("users_scaled_job.py").write_text(
        "def job(case, *, map):\n"
        "    return list(map(abs, case))\n"
        "def make_case(size, rng):\n"
        "    return list(range(4))\n"
    )

    found = shell("scale", "users_scaled_job:job", "--workers", "1", "--repeats", "1",
                  "--backend", "serial", "--json")  # fmt: skip

    assert found.exit_code == 0
    assert "users_scaled_job:job: strong scaling" in found.stderr


@pytest.mark.parametrize("failure", ["ValueError", "SystemExit"])
def test_a_curve_without_any_result_ends_with_1_and_says_why(shell, failure):
    Path(f"users_job_of_{failure}.py").write_text(
        f"def job(case, *, map):\n    raise {failure}(0)\ndef make_case(size, rng): ...\n"
    )

    found = shell("scale", f"users_job_of_{failure}:job", "--workers", "1,2", "--repeats", "1",
                  "--backend", "threads")  # fmt: skip

    assert found.exit_code == 1
    assert "no run gave a result" in found.stdout
    assert f"{failure}: 0" in found.stdout


def test_a_job_without_a_case_is_refused_in_the_words_of_the_shell(shell):
    Path("users_job_without_case.py").write_text("def job(case, *, map): ...\n")

    found = shell("scale", "users_job_without_case:job")

    assert found.exit_code == 2
    assert "give --make-case module:function" in found.stderr
