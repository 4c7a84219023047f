"""A quantisation study: both modes on real files, fresh processes, faults, the store."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import inspect
import json
import os
import signal
from dataclasses import asdict, replace

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from parbench_lab.errors import StoreError, UsageError
from parbench_lab.hardware.cores import available_physical_cores
from parbench_lab.hardware.detect import detect_machine
from parbench_lab.lab.quantization import scratch
from parbench_lab.lab.quantization.child import answered
from parbench_lab.lab.quantization.fresh import Answer, Request, read_answer, run_fresh, run_here
from parbench_lab.lab.quantization.job import pieces_of, quantize_file
from parbench_lab.lab.quantization.losses import model_error
from parbench_lab.lab.quantization.plan import make_plan
from parbench_lab.lab.quantization.study import QuantizationStudy, load_quantization
from parbench_lab.store import open_store
from parbench_lab.store.run_id import new_run_id
from parbench_lab.workloads.quantization import Scheme, dequantize, quantize
from parbench_lab.workloads.quantization.files import read_safetensors
from parbench_lab.workloads.quantization.layout import read_quantized
from parbench_lab.workloads.quantization.models import model_shape

SMALL = model_shape("3x64x256")
SCHEMES = [Scheme(), Scheme(bits=4, group_size=100), Scheme(bits=2)]


def study_of(**options):
    asked = {"repeats": 2, "store": ":memory:", "measure": run_here}
    asked |= {} if "model" in options else {"model_size": "3x64x256"}
    return QuantizationStudy(**{**asked, **options})


@pytest.fixture
def model(tmp_path):
    rng = np.random.default_rng(0)
    save_file(
        {
            "plain": rng.standard_normal((70, 33), dtype=np.float32),
            "half": rng.standard_normal((9, 64)).astype(np.float16),
            "brain": rng.standard_normal((5, 4, 8)).astype(ml_dtypes.bfloat16),
            "bias": np.ones(70, dtype=np.float16),
            "steps": np.array([3], dtype=np.int64),
        },
        tmp_path / "m.safetensors",
    )
    return read_safetensors(tmp_path / "m.safetensors")


def test_figures_of_another_version_of_numba_are_of_another_machine():
    numba = pytest.importorskip("numba")

    found = study_of(store=":memory:").results.machine

    here = detect_machine()
    assert found != here.fingerprint
    assert (
        found
        == replace(here, libraries={**here.libraries, "numba": numba.__version__}).fingerprint
    )


# ---------------------------------------------------------------- the two modes


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda one: one.name)
def test_both_modes_write_the_same_bytes_whatever_the_threads_and_pieces(model, tmp_path, scheme):
    quantize_file(model, tmp_path / "batch", scheme, threads=1)

    for threads, streaming, piece_bytes in ((3, True, 700), (2, True, 10**6), (4, False, 1)):
        target = tmp_path / f"{threads}"
        quantize_file(
            model, target, scheme, threads=threads, streaming=streaming, piece_bytes=piece_bytes
        )
        assert target.read_bytes() == (tmp_path / "batch").read_bytes()


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda one: one.name)
def test_a_file_holds_what_the_quantiser_makes_of_each_matrix(model, tmp_path, scheme):
    quantize_file(model, tmp_path / "out", scheme, threads=2, streaming=True)

    found = dict(read_quantized(tmp_path / "out"))

    with model.path.open("rb") as file:
        raw = {
            one.name: (file.seek(one.offset), file.read(one.n_bytes))[1] for one in model.tensors
        }
    plain = np.frombuffer(raw["plain"], dtype=np.float32).reshape(70, 33)
    brain = np.frombuffer(raw["brain"], dtype=np.uint16).reshape(5, 4, 8)
    assert set(found) == {"plain", "half", "brain"}
    assert found["plain"].equals(quantize(plain, scheme))
    assert found["brain"].equals(quantize(brain, scheme))
    assert dequantize(found["brain"]).shape == (5, 4, 8)


def test_what_is_not_quantised_is_copied(model, tmp_path):
    quantize_file(model, tmp_path / "out.safetensors", Scheme())

    found = {one.name: one for one in read_safetensors(tmp_path / "out.safetensors").tensors}

    assert (found["bias"].dtype, found["steps"].dtype) == ("F16", "I64")
    data = (tmp_path / "out.safetensors").read_bytes()
    assert data[found["steps"].offset] == 3


def test_pieces_are_whole_rows_and_every_row_is_in_one(model):
    made = list(pieces_of(model.weights, 300))

    for number, tensor in enumerate(model.weights):
        rows = [
            row
            for one in made
            if one.tensor == number
            for row in range(one.first, one.first + one.n_rows)
        ]
        assert rows == list(range(tensor.rows))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_weight_that_is_no_number_is_named(tmp_path, streaming, bad):
    weights = np.ones((40, 8), dtype=np.float32)
    weights[33, 5] = bad
    save_file({"layer.weight": weights}, tmp_path / "m.safetensors")
    model = read_safetensors(tmp_path / "m.safetensors")

    with pytest.raises(UsageError, match=r"'layer.weight'.*row 33, column 5 is (nan|inf)"):
        quantize_file(
            model, tmp_path / "out", Scheme(), threads=2, streaming=streaming, piece_bytes=64
        )


def test_the_error_of_a_large_model_is_of_every_so_many_tensors(tmp_path, model):
    quantize_file(model, tmp_path / "out", Scheme())
    configuration = study_of(cores=[1]).plan.configurations[0]

    whole = model_error(model, tmp_path / "out", configuration)
    part = model_error(model, tmp_path / "out", configuration, most_weights=1500)

    assert whole.n_looked_at == whole.n_weights == model.n_weights
    assert part.n_looked_at < whole.n_looked_at
    assert 0.001 < part.relative_l2 < 0.02
    assert whole.cosine > 0.999


def test_a_weight_beyond_float32_is_named_with_its_tensor_and_its_value(tmp_path):
    save_file({"layer.weight": np.array([[1.0, 1e300]])}, tmp_path / "m.safetensors")
    model = read_safetensors(tmp_path / "m.safetensors")

    with pytest.raises(UsageError, match=r"'layer.weight'.*column 1 is 1e\+300, which float32"):
        quantize_file(model, tmp_path / "out", Scheme())


# ---------------------------------------------------------------- the study


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cores": [1.5]}, "threads must be a whole number from 1 to 4,096 but got 1.5"),
        ({"cores": ["2"]}, "but got '2'"),
        ({"cores": [True]}, "but got True"),
        ({"cores": 2}, r"cores must be a list such as \[1, 2, 4\] but got 2"),
        ({"cores": "12"}, "cores must be a list"),
        ({"threads": 0}, "threads must be a whole number from 1 to 4,096 but got 0"),
        ({"threads": 5000}, "but got 5000"),
        ({"bits": 8.0}, "bits must be 8, 4 or 2 but got 8.0"),
        ({"group_size": 2.5}, "group_size must be a whole number of columns .* but got 2.5"),
        ({"group_size": "128"}, "but got '128'"),
        ({"group_size": True}, "but got True"),
        ({"repeats": 1.5}, "repeats must be a whole number from 1 to 1,000 but got 1.5"),
        ({"repeats": "2"}, "but got '2'"),
        ({"repeats": True}, "but got True"),
        ({"model_size": 600}, "model size 600: not found"),
        ({"model_sizes": "100M"}, r"model_sizes must be a list such as .* but got '100M'"),
        ({"model_sizes": [600]}, "model size 600: not found"),
        ({"model_sizes": 5, "cores": None}, "model_sizes must be a list such as .* but got 5"),
        ({"model": 5}, "model must be a path but got 5"),
        ({"scratch": 5}, "scratch must be a path but got 5"),
        (
            {"model": "m.npz", "model_size": "7B"},
            r"the size 7B \(3.36 B parameters, not 7 B\); leave one out",
        ),
    ],
    ids=str,
)
def test_what_is_not_of_its_kind_is_refused_before_anything_is_stored(options, words, tmp_path):
    place = tmp_path / "runs.db"

    with pytest.raises(UsageError, match=words) as refused:
        study_of(**{"cores": [1], "store": place, **options})

    assert "\n" not in str(refused.value)
    assert not place.exists()


def test_whole_numbers_of_numpy_are_taken():
    with study_of(cores=np.arange(1, 3), repeats=np.int64(1), threads=np.int32(2)) as study:
        results = study.run()

    assert [one.configuration.threads for one in results.points] == [1, 2]
    assert results.repeats == 1


def test_an_array_of_model_sizes_is_a_list_and_stands_for_the_core_scaling():
    with study_of(model_sizes=np.array(["2x64x256", "3x64x256"]), model_size=None) as study:
        assert study.plan.asked.size_models == ("2x64x256", "3x64x256")
        assert study.plan.asked.cores == ()


def test_a_study_measures_what_was_asked_for_and_keeps_it(tmp_path):
    place = tmp_path / "runs.db"
    with study_of(
        cores=[1, 2], model_sizes=["2x64x256"], streaming_comparison=True, threads=2,
        comparison=model_shape("4x64x256"), store=place, scratch=tmp_path,
    ) as study:  # fmt: skip
        results = study.run()

    kept = load_quantization(study.run_id, place)
    store = open_store(place)
    (summary,) = store.runs(kind="quantize")
    curves, _ = store.curves(study.run_id)
    series = store.series(workload="quantize", metric=None)
    store.close()
    assert results.complete
    assert kept == results
    assert [one.configuration.threads for one in results.points] == [1, 2, 2, 2, 2]
    assert results.comparison.same_bytes
    assert results.curve.agrees
    assert summary.status == "finished"
    assert {row.metric for row in curves} >= {"time_s", "speedup"}
    assert {"wall_time_s", "peak_rss_bytes"} <= {point.key.metric for point in series}
    assert list(tmp_path.glob("parbench-quantize-*")) == []


def test_physical_cores_are_what_is_scaled_over_and_more_threads_are_marked():
    by_default = inspect.signature(QuantizationStudy).parameters["count_cores"].default

    with study_of(repeats=1, count_cores=lambda: 2) as study:
        planned = study.plan.asked.cores
    with study_of(cores=[1, 2, 4], repeats=1, count_cores=lambda: 2) as study:
        results = study.run()

    assert by_default is available_physical_cores
    assert planned == (1, 2)
    assert [one.oversubscribed for one in results.points] == [False, False, True]


def test_every_run_is_in_a_fresh_process_by_default():
    by_default = inspect.signature(QuantizationStudy).parameters["measure"].default

    assert by_default is run_fresh


def test_the_order_within_a_repetition_is_drawn_and_the_same_for_a_seed():
    def order(seed):
        with study_of(cores=[1, 2, 3, 4], repeats=3, seed=seed) as study:
            return [run.configuration.threads for run in study.run().runs]

    first, again = order(1), order(1)

    assert first == again
    assert sorted(first[:4]) == sorted(first[4:8]) == [1, 2, 3, 4]
    assert first != sorted(first[:4]) * 3


def test_the_same_configuration_of_the_last_study_is_compared_as_a_hint(tmp_path):
    def at(time_s):
        def measure(request):
            return Answer(**{**asdict(run_here(request)), "time_s": time_s * next(wobble)})

        wobble = iter([1.0, 1.001, 0.999, 1.002])
        with study_of(cores=[1], repeats=4, store=tmp_path / "r.db", measure=measure) as study:
            return study.run().hints

    hints = [at(1.0), at(1.5), at(1.5)]

    assert hints[0] == ()
    assert ": slower, 1.5" in hints[1][0]
    assert "a hint" in hints[1][0]
    assert ": no change shown" in hints[2][0]


def stored_study(store, **options):
    with study_of(cores=[1], store=store, **options) as study:
        study.run()
    return study


def test_a_damaged_older_study_does_not_hide_the_one_behind_it(tmp_path):
    store = tmp_path / "r.db"
    intact = stored_study(store, repeats=3)
    with contextlib.closing(open_store(store)) as opened:
        header = opened.header(intact.run_id)
        damaged = {name: told for name, told in header.document.items() if name != "asked"}
        later = new_run_id(dt.datetime.now(dt.UTC), b"late")
        opened.create_run(replace(header, id=later, document=damaged))
        assert [run.id for run in opened.runs(kind="quantize")] == [intact.run_id, later]

    (hint,) = stored_study(store, repeats=3).results.hints

    assert f"of run {intact.run_id}" in hint


def test_a_last_study_with_a_single_time_is_passed_over_for_one_with_more(tmp_path):
    store = tmp_path / "r.db"
    thorough, quick = stored_study(store, repeats=3), stored_study(store, repeats=1)

    (hint,) = stored_study(store, repeats=3).results.hints

    assert quick.results.hints == ()
    assert f"of run {thorough.run_id}" in hint


def test_a_users_model_is_measured_in_place_of_the_synthetic_ones(tmp_path, model):
    np.savez(tmp_path / "m.npz", w=np.ones((4, 8)), b=np.ones(3))

    for path in (model.path, tmp_path / "m.npz"):
        with study_of(model=path, cores=[1], streaming_comparison=True, threads=1) as study:
            results = study.run()
        assert results.complete
        assert results.points[0].configuration.title.startswith(path.name)
        assert results.comparison.same_bytes
    assert model.path.exists()


def plan_within(memory_bytes, model_size, mode, **options):
    return make_plan(
        model=None, model_size=model_size, cores=(1,), model_sizes=(), threads=8,
        scheme=Scheme(), repeats=1, seed=0, mode=mode, memory_bytes=memory_bytes,
        **{"streaming_comparison": False, **options},
    )  # fmt: skip


def test_a_model_that_does_not_fit_is_streamed_or_refused():
    streamed = plan_within(400 << 20, "100M", "auto")
    in_memory = plan_within(24 << 30, "7B", "auto")

    assert streamed.configurations[0].streaming
    assert "it was streamed" in streamed.notes[0]
    assert not in_memory.configurations[0].streaming
    assert plan_within(24 << 30, "7B-true", "auto").configurations[0].streaming
    with pytest.raises(UsageError, match=r"needs 34.0 GB.*25.8 GB are free: stream it"):
        plan_within(24 << 30, "7B-true", "batch")
    with pytest.raises(UsageError, match=r"3.36 B parameters, not 7 B"):
        plan_within(8 << 30, "7B", "batch")


def test_a_comparison_that_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="compare smaller models"):
        plan_within(400 << 20, "2x64x256", "auto", streaming_comparison=True)


# ---------------------------------------------------------------- faults


def test_ctrl_c_keeps_what_was_measured_and_leaves_no_file(tmp_path):
    done = []

    def measure(request):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(request)
        return run_here(request)

    place = tmp_path / "runs.db"
    with study_of(cores=[1, 2], store=place, scratch=tmp_path, measure=measure) as study:
        results = study.run()

    assert len(results.runs) == 3
    assert not results.complete
    assert load_quantization(study.run_id, place) == results
    assert open_store(place).runs()[0].status == "stopped"
    assert list(tmp_path.glob("parbench-quantize-*")) == []


def test_a_killed_process_is_a_run_that_does_not_count():
    answers = iter([None, read_answer(-signal.SIGKILL, "", "")])

    def measure(request):
        return next(answers, None) or run_here(request)

    with study_of(cores=[1], repeats=3, measure=measure) as study:
        results = study.run()

    assert [run.outcome for run in results.runs] == ["ok", "killed", "ok"]
    assert "killed by SIGKILL; out of memory?" in results.failures[0]
    assert results.points[0].time_s.n == 2


def test_a_file_that_differs_from_the_first_one_does_not_count(tmp_path):
    n_runs = []

    def measure(request):
        answer = run_here(request)
        n_runs.append(1)
        if len(n_runs) == 2:
            with request.target.open("r+b") as file:
                file.seek(-1, os.SEEK_END)
                file.write(b"\x55")
        return answer

    with study_of(cores=[1], repeats=3, scratch=tmp_path, measure=measure) as study:
        results = study.run()

    assert [run.outcome for run in results.runs] == ["ok", "differs", "ok"]
    assert not results.same_bytes


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(outcome="refused", message="tensor 'a': weights must be finite"), "tensor 'a'"),
        (Answer(outcome="full", message="No space left on device"), "give --scratch FOLDER"),
    ],
)
def test_what_would_fail_again_ends_the_study_in_one_line(tmp_path, answer, told):
    place = tmp_path / "runs.db"

    with (
        study_of(cores=[1], store=place, measure=lambda _request: answer) as study,
        pytest.raises(UsageError, match=told) as refused,
    ):
        study.run()

    assert "\n" not in str(refused.value)
    assert open_store(place).runs()[0].status == "failed"


def test_a_disk_that_is_too_small_is_refused_before_anything_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.disk_usage", lambda _place: type("D", (), {"free": 10**6}))

    with (
        study_of(cores=[1], scratch=tmp_path) as study,
        pytest.raises(UsageError, match=r"needs .* of disk but .* are free in"),
    ):
        study.run()

    assert list(tmp_path.iterdir()) == []


def test_folders_of_studies_that_were_killed_are_removed(tmp_path):
    dead = tmp_path / "parbench-quantize-999999999-abc"
    dead.mkdir()
    (dead / "weights").write_text("gigabytes")

    with scratch.scratch_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]

    assert list(tmp_path.iterdir()) == []


def test_a_run_of_another_kind_or_a_damaged_one_is_not_read(tmp_path):
    with study_of(cores=[1], repeats=1, store=tmp_path / "r.db") as study:
        study.run()
    store = open_store(tmp_path / "r.db")
    header = store.header(study.run_id)

    from parbench_lab.lab.quantization.journal import read_results

    with pytest.raises(StoreError, match="is damaged"):
        read_results(type(header)(**{**fields(header), "document": {}}), [])
    with pytest.raises(StoreError, match="is no quantisation study but a race"):
        read_results(type(header)(**{**fields(header), "kind": "race"}), [])


def fields(header):
    return {name: getattr(header, name) for name in header.__slots__}


# ---------------------------------------------------------------- fresh processes


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A model of 34 MB: large against the noise of a process's memory."""
    from parbench_lab.workloads.quantization.synthetic import write_synthetic

    path = tmp_path_factory.mktemp("large") / "m.safetensors"
    write_synthetic(path, model_shape("16x512x1024"), seed=0)
    return path


def test_a_fresh_process_tells_time_and_memory_of_both_modes(large, tmp_path):
    answers = {
        streaming: run_fresh(
            Request(
                model=large, target=tmp_path / f"{streaming}", bits=8, group_size=None, threads=1,
                streaming=streaming,
            )
        )
        for streaming in (False, True)
    }  # fmt: skip

    grown = {
        mode: one.peak_memory_bytes - one.baseline_memory_bytes for mode, one in answers.items()
    }
    assert {one.outcome for one in answers.values()} == {"ok"}
    assert answers[False].compute_s < answers[False].time_s
    assert grown[False] > 40e6
    assert grown[True] < grown[False] / 2
    assert (tmp_path / "True").read_bytes() == (tmp_path / "False").read_bytes()


def test_a_full_disk_is_an_answer_of_its_own(model, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)

    answer = run_here(
        Request(
            model=model.path, target=tmp_path / "out", bits=8, group_size=None, threads=1,
            streaming=True,
        )
    )  # fmt: skip

    assert answer == Answer(outcome="full", message="No space left on device")


def test_errors_of_a_process_are_answers(tmp_path):
    asked = {
        "model": str(tmp_path / "none"), "target": str(tmp_path / "out"), "bits": 8,
        "group_size": None, "threads": 1, "streaming": False,
    }  # fmt: skip

    refused = read_answer(0, json.dumps(answered(asked)), "")
    confused = read_answer(1, "", "Traceback\nImportError: no numpy")

    assert (refused.outcome, "cannot be read" in refused.message) == ("refused", True)
    assert confused.message == "its process ended with 1: ImportError: no numpy"
