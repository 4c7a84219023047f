"""The shell around the state machine: one loop, one thread.

Take what came in, `advance`, write the journal, carry out the commands. Whatever decides the
course of a race is in `state`; here are the clock, the inbox, the store and the executor.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from parbench_lab.core.candidate import Candidate, candidate_document
from parbench_lab.core.ports import (
    EventRecord,
    Executor,
    ExecutorReport,
    GpuSampled,
    RunStore,
    TaskEnded,
    WorkerLeft,
    Workload,
)
from parbench_lab.core.standing import Scoreboard
from parbench_lab.errors import ParbenchError, RaceError
from parbench_lab.racing import events, journal
from parbench_lab.racing.history import LogLine, Recorder, TimedMeasurement
from parbench_lab.racing.scoreboard import snapshot
from parbench_lab.racing.settings import Settings, refuse_dead, refuse_unmeant
from parbench_lab.racing.state import RaceState

MAX_DRAINED = 128


class RaceEngine:
    """Runs one race in a thread of its own.

    Parameters
    ----------
    state
        Fresh, or replayed from a journal.
    executor, store
        Through their ports; the engine closes the executor, never the store.
    clock
        Returns seconds, monotonic.
    on_end
        Called in the engine's thread when the race has ended and the executor is closed.
    next_seq, started_at_s
        Where a resumed journal goes on.
    """

    def __init__(
        self,
        *,
        state: RaceState,
        executor: Executor,
        store: RunStore,
        clock: Callable[[], float],
        on_end: Callable[[], None],
        next_seq: int = 0,
        started_at_s: float = 0.0,
    ) -> None:
        self._state = state
        self._executor = executor
        self._store = store
        self._run_id = ""
        self._clock = clock
        self._on_end = on_end
        self._next_seq = next_seq
        self._offset_s = started_at_s
        self._zero_s = clock()
        self._inbox: queue.SimpleQueue[events.Input] = queue.SimpleQueue()
        self._settings_lock = threading.Lock()
        self._settings = state.settings
        self._lock = threading.RLock()
        self._recorder = Recorder()
        self._thread: threading.Thread | None = None
        self._done = False
        self._stored = True
        self._waiters: dict[Future[bool], Callable[[RaceState], bool]] = {}
        self._error: ParbenchError | None = None

    # ------------------------------------------------------------ for any thread

    def start(
        self,
        run_id: str,
        workload: Workload,
        candidates: Sequence[Candidate],
        *,
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the executor and begin writing to a run that exists in the store.

        Parameters
        ----------
        opened
            Called when the executor is open, before anything is written: whoever keeps runs of
            races only that really began makes the run here.

        Raises
        ------
        ClusterError, UsageError
            If there is no cluster, or a candidate cannot be shipped to it; all is closed then.
        """
        self._run_id = run_id
        lost_cluster = self._state.ended is not None
        if not lost_cluster:
            self._post_losses()
        with contextlib.ExitStack() as undo:
            undo.callback(self._executor.close)
            self._executor.open(self._report, workload)
            for candidate in candidates:
                self._executor.publish(candidate)
            opened()
            undo.pop_all()
        if lost_cluster:
            self._take([events.TakenUp()])
        self._zero_s = self._clock()
        self._thread = threading.Thread(target=self._run, name="parbench-race", daemon=True)
        self._thread.start()

    def _post_losses(self) -> None:
        """Tell a replayed race that what was out when it was interrupted never comes back."""
        for task in self._state.outstanding():
            self.post(TaskEnded(task=task.number, worker=task.worker))
        for name in sorted(self._state.workers):
            self.post(WorkerLeft(worker=name, reason="the race was interrupted"))

    def enter(self, candidate: Candidate) -> None:
        """Let a candidate enter (before the start, or live)."""
        document = candidate_document(candidate)
        if self._thread is not None:
            self._executor.publish(candidate)
        self.post(events.CandidateAdded(candidate=document.pop("name"), **document))

    def post(self, event: events.Input) -> None:
        """Put an input into the inbox; returns at once."""
        self._inbox.put(event)

    def change(
        self, changes: Mapping[str, Any], *, accepted: Callable[[], None] = lambda: None
    ) -> Settings:
        """Check and merge changes of settings; they take effect from the next block on.

        Parameters
        ----------
        changes
            Names and values; all of them are taken, or none.
        accepted
            Called when nothing was refused, before the race can know: whoever keeps what the
            changes only name (a policy of one's own) keeps it here.

        Raises
        ------
        SettingError
            With the rule and the value; nothing changes then.
        """
        with self._settings_lock:
            merged = self._settings.replace(**changes)
            refuse_dead(changes)  # before the start, too: the first ledger is made by now
            refuse_unmeant(merged, changes)
            accepted()
            self._settings = merged
            taken = {
                name: value if isinstance(value, (list, tuple)) else getattr(merged, name)
                for name, value in changes.items()
            }
            self.post(events.SettingsChanged(changes=taken))
            return merged

    @property
    def settings(self) -> Settings:
        """The settings in force, with the last accepted changes."""
        return self._settings

    @property
    def scoreboard(self) -> Scoreboard:
        """A snapshot of this moment; ``ended`` is the phase, too, of a race whose engine broke."""
        broken = self._error is not None
        with self._lock:
            board = snapshot(self._state)
        if broken:  # the state does not say so: what broke it cannot be an input, or be stored
            return dataclasses.replace(board, phase="ended")
        if self._thread is None or self._state.ended is not None:
            return board
        return dataclasses.replace(board, elapsed_s=max(board.elapsed_s, self.now_s()))

    @property
    def log(self) -> tuple[LogLine, ...]:
        """The latest sentences."""
        with self._lock:
            return self._recorder.log

    def measured_since(self, seq: int) -> tuple[TimedMeasurement, ...]:
        """Return the kept measurements from number `seq` on, oldest first."""
        with self._lock:
            return self._recorder.since(seq)

    @property
    def boards(self) -> tuple[Scoreboard, ...]:
        """Snapshots since the start (or since it was resumed), thinned."""
        with self._lock:
            return self._recorder.boards

    @property
    def ended(self) -> events.Ended | None:
        """How the race ended, None while it goes on."""
        with self._lock:
            return self._state.ended

    @property
    def has_ended(self) -> bool:
        """Whether the race has ended; unlike `ended` it never waits for the engine."""
        # One attribute is read, of a state that is never exchanged. Whoever asks acts on a moment
        # that has passed by then, with the lock as well as without.
        return self._state.ended is not None

    @property
    def resumable(self) -> bool:
        """Whether it is worth taking up from its journal: not ended of itself, and measured."""
        with self._lock:
            return self._state.resumable and self._state.blocks > 0

    @property
    def error(self) -> ParbenchError | None:
        """What broke the engine, if anything did."""
        return self._error

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all who are or were in the race."""
        with self._lock:
            return tuple(entrant.name for entrant in self._state.roster)

    def look(self, question: Callable[[RaceState], Any]) -> Any:
        """Return the answer to a question about the state, asked while it stands still."""
        with self._lock:
            return question(self._state)

    def wait_for(
        self, predicate: Callable[[RaceState], bool], timeout_s: float | None = None
    ) -> bool:
        """Wait until the predicate holds or the race is over; return whether it holds.

        What holds is stored: after a `kill -9` it would be there again. The predicate is asked in
        the engine's thread each time it has stored: a race is never too quick to be seen.
        """
        waiter: Future[bool] = Future()
        with self._lock:
            self._waiters[waiter] = predicate
            if self._stored or self._done:
                self._tell_waiters()
        try:
            return waiter.result(None if timeout_s is None else _waitable(timeout_s))
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiters.pop(waiter, None)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until everything is closed; return whether it is."""
        if self._thread is None or self._thread.ident is None:  # or it could not be started
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # ------------------------------------------------------------ the loop

    def _report(self, report: ExecutorReport) -> None:
        self._inbox.put(report)

    def now_s(self) -> float:
        """Return the race time of this moment."""
        if self._thread is None:
            return self._offset_s
        return self._offset_s + self._clock() - self._zero_s

    def _run(self) -> None:
        try:
            while self._state.ended is None:
                self._step()
        except BaseException as error:  # noqa: BLE001 - nobody is above a thread: what it does not
            self._error = _told(error)  # tell, whoever waits would take for a race that goes on
        finally:
            self._close()
            with self._lock:
                self._done = True
                self._tell_waiters()

    def _close(self) -> None:
        for let_go in (self._executor.close, self._on_end):
            try:
                let_go()
            except BaseException as error:  # noqa: BLE001 - as in `_run`
                self._error = self._error or _told(error)

    def _step(self) -> None:
        self._take(self._arrivals())

    def _take(self, arrived: Sequence[events.Input]) -> None:
        records: list[EventRecord] = []
        commands: list[events.Command] = []
        with self._lock:
            for event in arrived:
                commands += self._advance(journal.storable(event), records)
            self._stored = not records
            if self._recorder.wants_board(self._state.at_s):
                self._recorder.seen(snapshot(self._state))
        if records:
            self._store.append(self._run_id, records)
        with self._lock:
            self._stored = True
            self._tell_waiters()
        for command in commands:
            self._carry_out(command)

    def _tell_waiters(self) -> None:
        """Tell those for whom the wait is over; under the lock."""
        for waiter, predicate in list(self._waiters.items()):
            try:
                holds = predicate(self._state)
            except Exception as error:  # noqa: BLE001 - of who waits, not of the race
                del self._waiters[waiter]
                waiter.set_exception(error)
                continue
            if holds or self._done:
                del self._waiters[waiter]
                waiter.set_result(holds and self._stored)

    def _arrivals(self) -> list[events.Input]:
        """Wait for the next input, or for the time at which the state wants to be asked."""
        tick_s = self._state.next_tick_s()
        left_s = None if tick_s is None else max(0.0, tick_s - self.now_s())
        # to tick too early is harmless
        timeout_s = None if left_s is None else _waitable(left_s)
        try:
            arrived = [self._inbox.get(timeout=timeout_s)]
        except queue.Empty:
            return [events.Ticked()]
        while len(arrived) < MAX_DRAINED and not self._inbox.empty():
            arrived.append(self._inbox.get())
        return arrived

    def _advance(
        self, event: events.Input, records: list[EventRecord]
    ) -> tuple[events.Command, ...]:
        if isinstance(event, GpuSampled) and not self._state.listens_to(event.gpu):
            return ()
        at_s = self.now_s()
        kind, payload, rows = journal.encode(event, self._state.dispatcher)
        self._recorder.measured(at_s, rows)
        step = self._state.advance(event, at_s)
        if isinstance(event, events.Ticked) and not step.facts:
            return step.commands
        written = [(kind, payload, rows)]
        written += [journal.encode(fact, self._state.dispatcher) for fact in step.facts]
        for kind, payload, rows in written:
            records.append(
                EventRecord(
                    seq=self._next_seq, at_s=at_s, kind=kind, payload=payload, measurements=rows
                )
            )
            self._next_seq += 1
        for told in (event, *step.facts):
            self._recorder.tell(at_s, told)
        return step.commands

    def _carry_out(self, command: events.Command) -> None:
        match command:
            case events.Send():
                self._executor.submit(command.task)
            case events.Recall():
                self._executor.recall(command.task)
            case events.Finish():
                pass  # the loop ends with the state


def _waitable(seconds: float) -> float:
    """Return so many seconds, or as many as a lock can wait for."""
    return min(seconds, threading.TIMEOUT_MAX)


def _told(error: BaseException) -> ParbenchError:
    """Return what whoever waits for the race is told: our own errors as they are."""
    if isinstance(error, ParbenchError):
        return error
    broken = RaceError(
        f"the race cannot go on: unexpected {type(error).__name__}: {error}; what was measured is "
        "kept, and the traceback of this error's cause says where"
    )
    broken.__cause__ = error
    return broken
