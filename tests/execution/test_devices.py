"""Waiting for GPUs: who is waited for, when, at what cost; memory and energy of a run."""

import threading
import time
from types import SimpleNamespace

import pytest

from parbench_lab.core.measurement import Outcome
from parbench_lab.core.metric import SOURCES
from parbench_lab.execution.calls import timed
from parbench_lab.execution.devices import DevicePeak, Devices
from parbench_lab.execution.energy import RunEnergy
from parbench_lab.execution.measure import Rig
from parbench_lab.execution.meters import NO_PEAK
from parbench_lab.execution.program import Program, Silent
from parbench_lab.monitoring.energy import EnergyMeters
from parbench_lab.monitoring.throttling import forget_throttling, note_throttling
from tests.execution.blocks import block, task

MIB = 2.0**20


class Torch:
    """Plays PyTorch: a kernel runs until it is waited for; `broken` fails like a bad kernel."""

    def __init__(self, *, initialised=True):
        self.cuda = self
        self.initialised = initialised
        self.until_ns = 0
        self.waits = 0
        self.broken = ""
        self.peak = self.allocated = 0.0

    def is_initialized(self):
        return self.initialised

    def launch(self, seconds):
        self.initialised = True
        self.until_ns = max(self.until_ns, time.perf_counter_ns()) + int(1e9 * seconds)

    def synchronize(self):
        self.waits += 1
        if self.broken:
            raise RuntimeError(self.broken)
        while time.perf_counter_ns() < self.until_ns:
            pass

    def reset_peak_memory_stats(self):
        self.peak = self.allocated

    def memory_allocated(self):
        return self.allocated

    def max_memory_allocated(self):
        return self.peak

    def allocate(self, n_bytes):
        self.allocated += n_bytes
        self.peak = max(self.peak, self.allocated)


def numba_cuda(*, initialised, has_context):
    class Driver:
        is_initialized = initialised
        asked = 0

        def get_active_context(self):
            self.asked += 1
            return self

        def __enter__(self):
            return has_context

        def __exit__(self, *exc):
            pass

    cuda = SimpleNamespace(waits=0, cudadrv=SimpleNamespace(driver=SimpleNamespace()))
    cuda.cudadrv.driver.driver = Driver()

    def synchronize():
        cuda.waits += 1

    cuda.synchronize = synchronize
    return cuda


class Pool:
    """Plays the memory pool of CuPy: blocks that are given back stay in it until it is emptied."""

    def __init__(self):
        self.used = self.held = 0

    def use(self, n_bytes):
        self.used += n_bytes
        self.held = max(self.held, self.used)

    def free_all_blocks(self):
        self.held = self.used

    def total_bytes(self):
        return self.held


def cupy(*, context):
    module = SimpleNamespace(waits=0, pool=Pool())

    class Device:
        def synchronize(self):
            module.waits += 1

    module.cuda = SimpleNamespace(
        driver=SimpleNamespace(ctxGetCurrent=lambda: context), Device=Device
    )
    module.get_default_memory_pool = lambda: module.pool
    return module


class Jax:
    """Plays JAX and its module of backends: a peak that nothing sets back."""

    def __init__(self, *, platform="gpu", initialised=True, told=True):
        self.platform = platform
        self.initialised = initialised
        self.told = told
        self.looks = self.held = self.peak = 0

    @property
    def modules(self):
        return {"jax": self, "jax._src.xla_bridge": self}

    def backends_are_initialized(self):
        return self.initialised

    def local_devices(self):
        self.looks += 1
        return [self]

    def memory_stats(self):
        return {"bytes_in_use": self.held, "peak_bytes_in_use": self.peak} if self.told else None

    def use(self, n_bytes):
        self.held += n_bytes
        self.peak = max(self.peak, self.held)


# ---------------------------------------------------------------- who is waited for


@pytest.mark.parametrize(
    ("module", "waits"),
    [
        pytest.param({"cupy": cupy(context=0)}, 0, id="cupy without a context"),
        pytest.param({"cupy": cupy(context=1)}, 2, id="cupy with one"),
        pytest.param({"torch": Torch(initialised=False)}, 0, id="torch on the CPU"),
        pytest.param({"torch": Torch()}, 2, id="torch on a GPU"),
        pytest.param(
            {"numba.cuda": numba_cuda(initialised=True, has_context=False)},
            0,
            id="numba without a context",
        ),
        pytest.param(
            {"numba.cuda": numba_cuda(initialised=True, has_context=True)},
            2,
            id="numba with one",
        ),
        pytest.param({"cupy": SimpleNamespace(waits=0)}, 0, id="half imported"),
    ],
)
def test_a_framework_is_waited_for_once_it_uses_a_gpu(module, waits):
    devices = Devices(module)

    devices.synchronise()
    devices.synchronise()

    (played,) = module.values()
    assert played.waits == waits


def test_a_driver_that_is_not_initialised_is_not_asked_for_its_context():
    cuda = numba_cuda(initialised=False, has_context=True)

    Devices({"numba.cuda": cuda}).synchronise()

    assert (cuda.waits, cuda.cudadrv.driver.driver.asked) == (0, 0)


def test_a_framework_that_is_first_used_within_a_call_is_waited_for_after_it():
    torch = Torch(initialised=False)
    devices = Devices({"torch": torch})

    _, wall_s, _ = timed(lambda _case: torch.launch(0.005), None, 1, devices=devices)

    assert wall_s >= 0.005
    assert torch.waits == 1


def test_kernels_of_an_earlier_call_are_not_in_the_time_of_the_next():
    torch = Torch()
    torch.launch(0.02)

    _, wall_s, _ = timed(abs, -1, 1, devices=Devices({"torch": torch}))

    assert wall_s < 0.01


def test_every_result_of_jax_is_waited_for_and_plain_ones_are_not():
    class Array:
        pass

    waited = []
    jax = SimpleNamespace(block_until_ready=waited.append)
    devices = Devices({"jax": jax})
    arrays = iter([Array(), Array(), (Array(),)])

    timed(lambda _case: next(arrays), None, 3, devices=devices)
    timed(lambda _case: 1.0, None, 3, devices=devices)

    assert [type(result) for result in waited] == [Array, Array, tuple]


class Modules(dict):
    """Loaded modules that count how often their names are gone through."""

    looks = 0

    def keys(self):
        self.looks += 1
        return super().keys()


def test_nothing_is_looked_for_again_until_another_module_is_loaded():
    modules = Modules(numpy=SimpleNamespace())
    devices = Devices(modules)

    devices.synchronise()
    once = modules.looks
    for _ in range(100):
        devices.synchronise()
    again = modules.looks
    modules["json"] = SimpleNamespace()
    devices.synchronise()

    assert (once, again, modules.looks) == (1, 1, 2)


# ---------------------------------------------------------------- faults


class Anything:
    def make_case(self, size, rng):
        return size

    def check(self, case, result):
        pass


def run(rig, functions, *blocks, **options):
    program = Program(token="t", workload=Anything(), resolve=lambda name: functions[name])
    return rig.run_task(task(0, *blocks, **options), program, Silent())


@pytest.fixture
def rig_on():
    rigs = []

    def make(torch=None, cupy=None):
        loaded = {"torch": torch, "cupy": cupy}
        modules = {name: module for name, module in loaded.items() if module is not None}
        rigs.append(Rig(devices=Devices(modules)))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


def test_a_kernel_that_fails_is_its_candidates_failure_and_the_process_is_replaced(rig_on):
    torch = Torch()

    def bad(case):
        torch.broken = "an illegal memory access was encountered"

    report = run(
        rig_on(torch), {"bad": bad, "good": abs}, block(0, "bad", "good"), block(1, "good")
    )

    (result,) = report.results
    (measurement,) = result.measurements
    assert (measurement.candidate, measurement.outcome) == ("bad", Outcome.FAILED)
    assert "illegal memory access" in measurement.message
    assert report.unrun == (1,)
    assert report.retire.startswith("its GPU cannot be used: RuntimeError: an illegal memory")


# ---------------------------------------------------------------- memory


def test_memory_of_torch_is_the_peak_of_its_allocator_and_its_growth():
    torch = Torch()
    torch.allocate(3 * MIB)
    meter = DevicePeak(NO_PEAK, Devices({"torch": torch}))

    meter.begin(0, thorough=False)
    torch.allocate(5 * MIB)
    torch.allocate(-5 * MIB)
    values = meter.end()

    assert values == {"peak_gpu_bytes": 8 * MIB, "peak_gpu_growth_bytes": 5 * MIB}


def test_memory_of_cupy_is_what_its_pool_grew_by_and_what_it_holds_then():
    played = cupy(context=1)
    played.pool.use(3 * MIB)
    meter = DevicePeak(NO_PEAK, Devices({"cupy": played}))

    meter.begin(0, thorough=True)
    played.pool.use(5 * MIB)
    played.pool.use(-5 * MIB)

    assert meter.end() == {"peak_gpu_bytes": 8 * MIB, "peak_gpu_growth_bytes": 5 * MIB}


def test_memory_of_cupy_that_is_first_used_in_a_run_is_all_of_its_pool():
    modules = {"cupy": cupy(context=0)}
    meter = DevicePeak(NO_PEAK, Devices(modules))

    meter.begin(0, thorough=False)
    modules["cupy"] = cupy(context=1)
    modules["cupy"].pool.use(2 * MIB)

    assert meter.end() == {"peak_gpu_bytes": 2 * MIB, "peak_gpu_growth_bytes": 2 * MIB}


def used_and_given_back(played, n_bytes):
    def runs(_case):
        played.pool.use(n_bytes)
        played.pool.use(-n_bytes)

    return runs


@pytest.mark.parametrize("order", [("large", "small", "numpy"), ("numpy", "small", "large")])
def test_no_candidate_is_charged_with_what_cupys_pool_kept_of_another(rig_on, order):
    played = cupy(context=1)
    functions = {
        "large": used_and_given_back(played, 64 * MIB),
        "small": used_and_given_back(played, MIB),
        "numpy": lambda _case: None,
    }
    blocks = [block(number, *order) for number in range(3)]

    report = run(rig_on(cupy=played), functions, *blocks, memory=True)

    for result in report.results:
        told = {m.candidate: m.values.get("peak_gpu_bytes") for m in result.measurements}
        assert told == {"large": 64 * MIB, "small": MIB, "numpy": None}


def test_cupys_pool_is_left_alone_while_time_counts_and_nobody_is_judged_by_memory(rig_on):
    played = cupy(context=1)
    functions = {"large": used_and_given_back(played, 64 * MIB)}
    blocks = [block(number, "large") for number in range(2)]

    report = run(rig_on(cupy=played), functions, *blocks, warmup=1)

    warm_up, judged = (result.measurements[0].values for result in report.results)
    assert warm_up["peak_gpu_bytes"] == 64 * MIB
    assert "peak_gpu_bytes" not in judged


def took(jax, n_bytes):
    """Return what is told of a run that uses so much and gives it back."""
    meter = DevicePeak(NO_PEAK, Devices(jax.modules))
    meter.begin(0, thorough=False)
    jax.use(n_bytes)
    jax.use(-n_bytes)
    return meter.end()


def test_memory_of_jax_is_a_new_peak_of_its_allocator_and_its_growth():
    played = Jax()
    played.use(3 * MIB)

    assert took(played, 5 * MIB) == {"peak_gpu_bytes": 8 * MIB, "peak_gpu_growth_bytes": 5 * MIB}


def test_a_run_of_jax_below_the_peak_of_an_earlier_one_is_not_measured():
    played = Jax()

    larger, smaller, largest = (took(played, n * MIB) for n in (64, 2, 65))

    assert larger["peak_gpu_bytes"] == 64 * MIB
    assert smaller == {}
    assert largest["peak_gpu_bytes"] == 65 * MIB


@pytest.mark.parametrize(
    "played",
    [
        pytest.param(Jax(platform="cpu"), id="on the processor"),
        pytest.param(Jax(told=False), id="an allocator without figures"),
        pytest.param(Jax(initialised=False), id="imported only"),
    ],
)
def test_jax_that_does_not_tell_is_not_measured(played):
    assert took(played, MIB) == {}


def test_a_jax_that_uses_no_device_yet_is_not_made_to_use_one():
    played = Jax(initialised=False)

    took(played, MIB)

    assert played.looks == 0


def test_memory_of_numba_is_not_measured():
    cuda = numba_cuda(initialised=True, has_context=True)
    meter = DevicePeak(NO_PEAK, Devices({"numba.cuda": cuda}))

    meter.begin(0, thorough=True)

    assert meter.end() == {}
    assert "Numba and other frameworks do not tell" in SOURCES["peak_gpu_bytes"]


def test_memory_of_two_frameworks_in_one_run_is_added_up():
    torch, jax = Torch(), Jax()
    meter = DevicePeak(NO_PEAK, Devices({"torch": torch, **jax.modules}))

    meter.begin(0, thorough=False)
    torch.allocate(2 * MIB)
    jax.use(MIB)

    assert meter.end() == {"peak_gpu_bytes": 3 * MIB, "peak_gpu_growth_bytes": 3 * MIB}


def test_memory_of_a_gpu_is_absent_where_none_is_used():
    meter = DevicePeak(NO_PEAK, Devices({"torch": Torch(initialised=False)}))

    meter.begin(0, thorough=False)

    assert meter.end() == {}


# ---------------------------------------------------------------- energy


class Counter:
    """Counts a given number of joules between two readings."""

    wraps_at_j = None

    def __init__(self, source, step_j):
        self.source = source
        self._step_j = step_j
        self._reading_j = 0.0

    def read_j(self):
        self._reading_j += self._step_j
        return self._reading_j


def energy_of(run_s, *counters, expected_s=10.0, repeats=1):
    energy = RunEnergy(lambda: EnergyMeters(counters))
    energy.begin(expected_s=expected_s)
    return energy.end(run_s=run_s, repeats=repeats)


def test_energy_is_per_call_and_named_by_what_was_read():
    found = energy_of(
        2.0,
        Counter("NVML", 300.0),
        Counter("RAPL package-0", 40.0),
        Counter("RAPL package-1", 60.0),
        repeats=10,
    )

    assert found == {"gpu_energy_j": 30.0, "cpu_energy_j": 10.0}


@pytest.mark.parametrize(
    ("run_s", "measured"),
    [
        pytest.param(0.019, set(), id="too short for both"),
        pytest.param(0.02, {"cpu_energy_j"}, id="long enough for the processor's"),
        pytest.param(1.0, {"cpu_energy_j", "gpu_energy_j"}, id="long enough for both"),
    ],
)
def test_energy_of_a_short_run_is_not_measured(run_s, measured):
    found = energy_of(run_s, Counter("NVML", 300.0), Counter("RAPL package-0", 40.0))

    assert set(found) == measured


def test_energy_is_absent_where_the_counter_stood_still():
    assert energy_of(5.0, Counter("NVML", 0.0)) == {}


def test_the_counters_are_not_opened_for_runs_that_are_expected_to_be_short():
    opened = []
    energy = RunEnergy(lambda: opened.append(1) or EnergyMeters(()))

    energy.begin(expected_s=0.001)

    assert energy.end(run_s=0.001, repeats=1) == {}
    assert opened == []


def test_a_driver_that_does_not_answer_keeps_no_run_and_is_asked_again_once_it_has():
    may_answer, begun, asked = threading.Event(), threading.Event(), []

    def opened():
        asked.append(threading.current_thread())
        begun.set()
        may_answer.wait()
        return EnergyMeters((Counter("NVML", 300.0),))

    energy = RunEnergy(opened, limit_s=0.01)

    def run():
        energy.begin(expected_s=5.0)
        return energy.end(run_s=5.0, repeats=1)

    assert [run(), run()] == [{}, {}]
    begun.wait()
    assert len(asked) == 1
    may_answer.set()
    asked[0].join()
    while not (told := run()):
        asked[-1].join()
    assert told == {"gpu_energy_j": 300.0}


# ---------------------------------------------------------------- throttling


@pytest.fixture
def noted():
    forget_throttling()
    yield note_throttling
    forget_throttling()


def test_a_block_that_ran_while_its_gpu_was_throttled_is_marked(noted, rig_on):
    def hot(case):
        noted(time.perf_counter_ns(), ("thermal",))

    def cool(case):
        noted(time.perf_counter_ns(), ())

    report = run(
        rig_on(Torch()),
        {"hot": hot, "cool": cool},
        block(0, "hot"),
        block(1, "cool"),
        block(2, "cool"),
    )

    # the second begins while the last that is known is that it is hot
    assert [result.throttled for result in report.results] == [("thermal",), ("thermal",), ()]
