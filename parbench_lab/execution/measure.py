"""The only code that touches a candidate: runs a task's blocks in this process and measures them.

Rule 1: nothing a candidate does may raise out of here. Rule 2: what one candidate does must not
reach another: its changes are put back, its case is made anew, its garbage is its own.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TextIO

from parbench_lab.core.block import Block, Case, Slot, Task
from parbench_lab.core.measurement import BlockResult, Measurement, Outcome
from parbench_lab.execution import calls, outcomes
from parbench_lab.execution.calls import Instruments
from parbench_lab.execution.cases import CaseShelf, KeptCase, by_chance, digest_of
from parbench_lab.execution.devices import DevicePeak, Devices
from parbench_lab.execution.energy import RunEnergy, own_energy_meters
from parbench_lab.execution.memory import Retention
from parbench_lab.execution.meters import NO_PEAK, PeakMeter, peak_meter
from parbench_lab.execution.program import Program, Progress, TaskReport
from parbench_lab.execution.surroundings import LeftThreads, Surroundings
from parbench_lab.monitoring.throttling import throttle_reasons_during

FINGERPRINT_SHARE = 0.01
METERED_S = 0.003
"""Memory is metered in every block whose runs last so long on average (it costs 30 us)..."""

METERED_EVERY = 8
"""... and in every so-manieth block of shorter ones, unless somebody is judged by memory."""

THOROUGH_S = 0.1
"""Around a run so long the global random generators are looked at too, which costs 0.1 ms; after
shorter ones before the next checked run, and at the end of their task."""
JUDGED_CASES = 3
"""Who draws a case from a global generator does so from the first."""

CHANGED_INPUT = "changed its input in place; it must copy what it wants to change"


@dataclass(slots=True, kw_only=True)
class _Scene:
    """What a slot is run with: everything but the slot."""

    task: Task
    program: Program
    progress: Progress
    block: Block
    kept: KeptCase
    stands_for: int

    @property
    def metered(self) -> bool:
        """Whether the memory of these runs is measured."""
        return self.stands_for > 0

    def renew(self, shelf: CaseShelf) -> None:
        """Make the case anew."""
        self.kept = shelf.renew(self.program.token, self.program.workload, self.block.case)


class Rig:
    """Measures tasks in this process, one at a time, and remembers what it must between them.

    Parameters
    ----------
    memory_limit_bytes
        What this process may hold; near it, a task ends early and the candidate that keeps the
        most is named. None: no such watch.
    alone
        Whether this process is there for measuring only: then what candidates print goes
        nowhere, and threads they leave behind are noticed.
    ours
        Whether nobody else keeps things in this process: else it is near its limit only where a
        candidate keeps a clear share of it.
    meter
        Of memory; the best this system has by default.
    devices
        The GPUs in use here, found through the modules of this process by default.
    resources
        What the worker of this process offers: with ``GPU`` its energy is measured too.

    Examples
    --------
    >>> from parbench_lab.core.block import Block, Case, Slot, Task
    >>> from parbench_lab.execution.program import Program, Silent
    >>> class Doubling:
    ...     def make_case(self, size, rng):
    ...         return size
    ...     def check(self, case, result):
    ...         assert result == 2 * case
    >>> block = Block(number=0, epoch=0, slots=(Slot(candidate="twice", check=True),),
    ...               case=Case(workload="doubling", size=4, seed=0))
    >>> program = Program(token="1", workload=Doubling(), resolve=lambda name: lambda x: x + x)
    >>> rig = Rig()
    >>> report = rig.run_task(Task(number=0, worker="w", blocks=(block,)), program, Silent())
    >>> report.results[0].measurements[0].outcome
    <Outcome.OK: 'ok'>
    >>> rig.close()
    """

    def __init__(
        self,
        *,
        memory_limit_bytes: int | None = None,
        alone: bool = True,
        ours: bool = True,
        meter: PeakMeter | None = None,
        devices: Devices | None = None,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        self._alone = alone
        devices = devices or Devices()
        energy = RunEnergy(functools.partial(own_energy_meters, resources or {}))
        self._instruments = Instruments(devices=devices, energy=energy)
        self._meter = meter or DevicePeak(peak_meter(), devices)
        self._retention = Retention(memory_limit_bytes, self._meter.resident_bytes, ours=ours)
        self._shelf = CaseShelf()
        self._surroundings = Surroundings()
        self._threads = LeftThreads()
        self._runs: dict[tuple[str, int], int] = {}
        self._lasted_s: dict[tuple[str, int], float] = {}
        self._unmetered = 0
        self._judged_cases: dict[str, int] = {}
        self._started: set[str] = set()
        self._mutators: set[str] = set()
        self._nowhere: TextIO | None = None

    def run_task(self, task: Task, program: Program, progress: Progress) -> TaskReport:
        """Run a task's blocks in order, until it is recalled or this process should be replaced.

        Parameters
        ----------
        progress
            Is told of every step, and asked before each block whether to stop.
        """
        results: list[BlockResult] = []
        unrun: list[int] = []
        broken = ""
        progress.begin_task(task.number)
        self._instruments.devices.judged_by_memory = task.memory
        self._surroundings.remember()
        self._threads.remember()
        with self._silence() if self._alone else contextlib.nullcontext():
            for block in task.blocks:
                if broken or self._retention.retire or progress.recalled(task.number):
                    unrun.append(block.number)
                    continue
                result, broken = self._run_block(task, block, program, progress)
                if result.measurements:
                    results.append(result)
                else:
                    unrun.append(block.number)
        self._surroundings.put_back(thorough=True)
        progress.end_task()
        return TaskReport(
            results=tuple(results),
            unrun=tuple(unrun),
            retire=self._retention.retire,
            broken=broken,
        )

    @property
    def retired(self) -> str:
        """Why this process should be replaced, "" while it need not be."""
        return self._retention.retire

    def close(self) -> None:
        """Close files."""
        self._meter.close()
        if self._nowhere is not None:
            self._nowhere.close()

    # ------------------------------------------------------------ a block

    def _run_block(
        self, task: Task, block: Block, program: Program, progress: Progress
    ) -> tuple[BlockResult, str]:
        began_ns = perf_counter_ns()
        progress.making(block.number)
        try:
            kept, made_s = self._shelf.get(program.token, program.workload, block.case)
            wrong = self._judge_case(program, block.case, kept) if made_s else ""
        except Exception as error:  # noqa: BLE001 - the workload's own code; the race ends with its words
            case = block.case
            words = f"make_case(size={case.size}) of workload {case.workload!r} failed"
            return outcomes.nothing_run(task, block), f"{words}: {calls.one_line(error)}"
        if wrong:
            return outcomes.nothing_run(task, block), wrong
        progress.made(block.number, made_s)
        self._retention.look()
        scene = _Scene(
            task=task,
            program=program,
            progress=progress,
            block=block,
            kept=kept,
            stands_for=self._stands_for(task, block),
        )
        measurements: list[Measurement] = []
        for index, slot in enumerate(block.slots):
            measurement = self._run_slot(scene, index, slot)
            starved = measurement is not None and self._is_starved(measurement)
            if measurement is not None and not starved:
                measurements.append(measurement)
                progress.measured(block.number, measurement)
            if starved or self._retention.near_limit():
                self._condemn_leaker(scene, measurements)
                break
            if self._retention.retire:
                break
        return (
            BlockResult(
                number=block.number,
                worker=task.worker,
                measurements=tuple(measurements),
                made_case_s=made_s,
                throttled=throttle_reasons_during(began_ns, perf_counter_ns()),
            ),
            "",
        )

    def _judge_case(self, program: Program, case: Case, kept: KeptCase) -> str:
        """Return what is wrong with a new case; what making it changed is put back, unblamed.

        Only a workload's first cases are looked at so closely, which costs 0.2 ms each.
        """
        judged = self._judged_cases[program.token] = self._judged_cases.get(program.token, 0) + 1
        if judged > JUDGED_CASES:
            self._surroundings.put_back(thorough=False)
            return ""
        found = by_chance(program.workload, case, kept, self._surroundings.drawn_from())
        self._surroundings.put_back(thorough=True)
        return found

    def _stands_for(self, task: Task, block: Block) -> int:
        """Return for how many blocks like it this one's memory is metered; 0: not at all."""
        size = block.case.size
        lasts_s = sum(self._lasted_s.get((s.candidate, size), math.inf) for s in block.slots)
        if task.memory or lasts_s >= METERED_S * len(block.slots):
            return 1
        self._unmetered += 1
        return METERED_EVERY if self._unmetered % METERED_EVERY == 0 else 0

    def _is_starved(self, measurement: Measurement) -> bool:
        """Return whether memory ran out because another candidate keeps most of it."""
        if measurement.outcome is not Outcome.OUT_OF_MEMORY:
            return False
        return self._retention.top() not in ("", measurement.candidate)

    def _condemn_leaker(self, scene: _Scene, measurements: list[Measurement]) -> None:
        """Name who keeps the most, if it is in this block; this process is done in any case."""
        name, words = self._retention.condemn()
        for index, measurement in enumerate(measurements):
            if measurement.candidate == name:
                measurements[index] = outcomes.failed_afterwards(
                    measurement, Outcome.OUT_OF_MEMORY, words
                )
                scene.progress.measured(scene.block.number, measurements[index])
                return
        for slot in scene.block.slots:
            if slot.candidate == name:
                found = outcomes.not_run(slot, Outcome.OUT_OF_MEMORY, message=words)
                measurements.append(found)
                scene.progress.measured(scene.block.number, found)
                return

    # ------------------------------------------------------------ a slot

    def _run_slot(self, scene: _Scene, index: int, slot: Slot) -> Measurement | None:
        """Measure one slot; None where its candidate suffered from another's deed."""
        if slot.candidate in self._mutators:
            return outcomes.not_run(slot, Outcome.WRONG, message=CHANGED_INPUT, checked=True)
        if self._gpu_is_broken():
            return None
        key = (slot.candidate, scene.block.case.size)
        first = key not in self._runs
        runs = self._runs[key] = self._runs.get(key, 0) + 1
        warm_up = runs <= scene.task.warmup
        check = slot.check or first
        if check and scene.kept.unverified and scene.kept.changed():
            self._case_was_changed(scene)
        if check or self._lasted_s.get(key, math.inf) > THOROUGH_S:
            # what this run left can be told only from a state that is known
            self._surroundings.catch_up()
        self._tell_begin(scene, index, slot.candidate)
        called = calls.call(
            functools.partial(scene.program.resolve, slot.candidate),
            scene.kept.data,
            repeats=slot.repeats,
            prime=scene.task.prime,
            meter=self._meter if scene.metered else NO_PEAK,
            resident_bytes=self._retention.now_bytes,
            thorough=warm_up,
            expected_s=self._lasted_s.get(key, math.inf),
            instruments=self._instruments,
        )
        self._lasted_s[key] = called.seconds * slot.repeats or math.inf
        digest = ""
        if check and called.outcome is Outcome.OK:
            scene.progress.checking(scene.block.number, index)
            digest = self._check(scene, called)
        called.result = None
        thorough = check or called.seconds * slot.repeats > THOROUGH_S
        changed = self._surroundings.put_back(thorough=thorough)
        warning = f"changed {', '.join(changed[:5])}; put back" if changed else ""
        warning = self._judge_threads(called) or warning
        if scene.metered:
            self._retention.note(slot.candidate, slot.repeats, stands_for=scene.stands_for)
        scene.progress.resting()
        if not self._verify(scene, slot, called, check=check):
            return None
        return Measurement(
            candidate=slot.candidate,
            outcome=called.outcome,
            values=called.values if called.outcome is Outcome.OK else {},
            copy=slot.copy,
            repeats=slot.repeats,
            warm_up=warm_up,
            checked=check and called.outcome in (Outcome.OK, Outcome.WRONG),
            digest=digest,
            message=called.message or warning,
        )

    def _tell_begin(self, scene: _Scene, index: int, name: str) -> None:
        if name in self._started:
            scene.progress.running(scene.block.number, index)
        else:
            self._started.add(name)
            scene.progress.starting(scene.block.number, index)

    def _check(self, scene: _Scene, called: calls.Called) -> str:
        called.outcome, called.message, further = calls.checked(
            scene.program.workload.check, scene.kept.data, called.result
        )
        called.values.update(further)
        return digest_of(called.result) if called.outcome is Outcome.OK else ""

    def _gpu_is_broken(self) -> bool:
        """Return whether an earlier run broke this process's CUDA context: nobody can run here.

        Who broke it failed already, as its own run is waited for.
        """
        try:
            self._instruments.devices.synchronise()
        except Exception as error:  # noqa: BLE001 - every framework has exceptions of its own
            self._retention.retire = f"its GPU cannot be used: {calls.one_line(error)}"
            return True
        return False

    def _judge_threads(self, called: calls.Called) -> str:
        if not self._alone:
            return ""
        left, busy = self._threads.look()
        if busy:
            called.outcome = Outcome.FAILED
            called.message = (
                f"left {outcomes.threads(busy)} running that use CPU; join them before returning"
            )
            self._retention.retire = "a candidate left busy threads behind"
        return f"left {outcomes.threads(left)} waiting; join them before returning" if left else ""

    # ------------------------------------------------------------ changes of the input

    def _verify(self, scene: _Scene, slot: Slot, called: calls.Called, *, check: bool) -> bool:
        """See whether the case is still what it was; return whether this run may be used.

        Looked at after checked and failed runs, and after all where it costs under 1 %.
        """
        kept = scene.kept
        cheap = kept.fingerprint_s < FINGERPRINT_SHARE * called.seconds * slot.repeats
        if called.outcome is Outcome.OK and not check and not cheap:
            kept.unverified.add(slot.candidate)
            return True
        if not kept.changed():
            kept.unverified.clear()
            return True
        # a checked run began with a verified case; before any other run it may have been another
        if check or kept.unverified <= {slot.candidate}:
            scene.renew(self._shelf)
        else:
            kept.unverified.add(slot.candidate)
            self._case_was_changed(scene)
            if slot.candidate not in self._mutators:
                return False
        called.outcome, called.message = Outcome.WRONG, CHANGED_INPUT
        return True

    def _case_was_changed(self, scene: _Scene) -> None:
        """Find out who of the unverified changed the case: each runs once on a fresh one."""
        suspects = sorted(scene.kept.unverified)
        scene.renew(self._shelf)
        for name in suspects:
            scene.progress.running(scene.block.number, outcomes.slot_index(scene.block, name))
            calls.call(
                functools.partial(scene.program.resolve, name),
                scene.kept.data,
                repeats=1,
                prime=False,
                meter=self._meter,
                resident_bytes=self._retention.now_bytes,
                thorough=True,
                expected_s=0.0,
                instruments=self._instruments,
            )
            if scene.kept.changed():
                self._mutators.add(name)
                scene.renew(self._shelf)
        self._surroundings.put_back(thorough=True)  # a suspect's traces are not the next one's
        scene.progress.resting()

    @contextlib.contextmanager
    def _silence(self) -> Iterator[None]:
        """Send what is printed nowhere: a gigabyte of it costs its own time and no memory."""
        if self._nowhere is None or self._nowhere.closed:
            self._nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - kept
        with contextlib.redirect_stdout(self._nowhere), contextlib.redirect_stderr(self._nowhere):
            yield
