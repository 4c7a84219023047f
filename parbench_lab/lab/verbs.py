"""What can be done to a race while it runs; each verb is one input of the race's inbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from parbench_lab.core.candidate import Candidate, as_candidate
from parbench_lab.core.given import checked_count, checked_number
from parbench_lab.elimination.policy import EliminationPolicy
from parbench_lab.elimination.registry import policy_by_name
from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.lab import parts
from parbench_lab.lab.view import RaceView
from parbench_lab.racing import events
from parbench_lab.racing.constraints import refuse_unknown_metrics
from parbench_lab.racing.result import RaceResult
from parbench_lab.racing.settings import Settings
from parbench_lab.racing.state import RaceState
from parbench_lab.workloads.registry import resolve

if TYPE_CHECKING:
    from parbench_lab.analysis.comparison.values import Comparison


class RaceVerbs(RaceView):
    """The live half of `ParallelBenchmarking`: limits, pauses, challengers, knobs.

    Safe to call from any thread; but for `wait`, `add` and `compare` everything returns at once.
    """

    def limit(
        self,
        max_seconds: float | None = None,
        max_measurements: int | None = None,
        *,
        stop_when_decided: bool = False,
    ) -> None:
        """Say when the race ends by itself: after so many seconds from now, or measurements.

        Raises
        ------
        UsageError
            If a budget is no positive number, that of measurements no whole one, or the race has
            ended.
        """
        self._refuse_ended()
        if max_seconds is not None and not checked_number(max_seconds, "max_seconds") > 0:
            raise UsageError(f"max_seconds must be positive but got {max_seconds}")
        self._engine.post(
            events.LimitsSet(
                until_s=None if max_seconds is None else self._engine.now_s() + float(max_seconds),
                until_measurements=None
                if max_measurements is None
                else checked_count(max_measurements, "max_measurements"),
                stop_when_decided=stop_when_decided,
            )
        )

    def pause(self) -> None:
        """Send no further blocks until `resume`.

        Raises
        ------
        UsageError
            If the race has ended.
        """
        self._refuse_ended()
        self._engine.post(events.Paused())

    def resume(self) -> None:
        """Go on after `pause`; also lifts a suspension of verdicts by the canary.

        Raises
        ------
        UsageError
            If the race has ended.
        """
        self._refuse_ended()
        self._engine.post(events.Resumed())

    def wait(self, what: str = "finished", timeout_s: float | None = None) -> bool:
        """Wait for ``"first_rows"``, ``"decided"`` or ``"finished"``; return whether it came.

        Raises
        ------
        UsageError
            If `what` is none of these.
        RaceError, StoreError
            If the engine broke meanwhile.
        """
        self._refuse_unstarted()
        predicates: dict[str, Callable[[RaceState], bool]] = {
            "first_rows": lambda state: state.measurements > 0,
            "decided": self._is_decided,
            "finished": lambda state: state.phase == "ended",
        }
        if what not in predicates:
            raise UsageError(f"can wait for {', '.join(predicates)} but not for {what!r}")
        reached = self._engine.wait_for(predicates[what], timeout_s)
        if self._engine.error is not None:
            raise self._engine.error
        return reached

    def add(self, candidate: str | Callable[..., Any] | Candidate) -> str:
        """Let a challenger enter, before or during the race; return the name it races under.

        A name that is taken gets a number, so that a notebook cell may be run again.

        Raises
        ------
        UsageError
            If it is no candidate, cannot be shipped to the workers, or needs what none of them
            offers; if the race has ended.
        """
        self._refuse_ended("start a new one with the challenger in it")
        if isinstance(candidate, str):
            _, (found,) = resolve([candidate], self._workload)
        else:
            found = as_candidate(candidate)
        found = parts.renamed(found, {c.name for c in self._candidates})
        parts.refuse_unoffered(self._executor, found)
        self._engine.enter(found)
        self._candidates.append(found)
        return found.name

    def drop(self, name: str) -> None:
        """Drop a candidate by hand: outside the guarantee, and logged as such.

        Raises
        ------
        UnknownNameError
            If no such candidate is in the race.
        UsageError
            If the race has ended.
        """
        self._refuse_unknown(name)
        self._refuse_ended()
        self._engine.post(events.CandidateDropped(candidate=name))

    def bring_back(self, name: str) -> None:
        """Bring a candidate back that was eliminated or dropped.

        Raises
        ------
        UnknownNameError
            If no such candidate is in the race.
        UsageError
            If the race has ended.
        """
        self._refuse_unknown(name)
        self._refuse_ended()
        self._engine.post(events.CandidateBroughtBack(candidate=name))

    def compare(
        self, other: str | RaceResult, *, tolerance: float | None = None, metric: str = ""
    ) -> Comparison:
        """Return how this race differs from a stored run: ratios are this one's over the other's.

        Parameters
        ----------
        other
            Id of a run in this race's store (its beginning is enough), or its result.
        tolerance
            What counts as equal; the race's own by default.
        metric
            That is compared; the race's first objective by default.

        Raises
        ------
        UsageError
            If the race has not started, or the two cannot be compared.
        StoreError
            If there is no such run.
        """
        from parbench_lab.lab.comparing import compare  # noqa: PLC0415 - loads numpy's half

        self._refuse_unstarted()
        return compare(
            other,
            self._run_id,
            tolerance=self.settings.tolerance if tolerance is None else tolerance,
            metric=metric or self.objective.name,
            store=self._store,
        )

    def note(self, text: str) -> None:
        """Pin a note to the run: it is kept in the journal and the log, and changes nothing.

        Raises
        ------
        UsageError
            If there are no words in it, or the race has ended.
        """
        words = " ".join(str(text).split())
        if not words:
            raise UsageError("a note needs words")
        self._refuse_ended("its journal is closed")
        self._engine.post(events.NotePinned(text=words))

    def change(self, **changes: Any) -> Settings:
        """Change settings from the next block on; returns at once with the merged settings.

        ``policy`` may be an instance too: settings and journal keep its name, under which it can
        be chosen again; a race that was killed is resumed with the instance given again.

        Raises
        ------
        SettingError, UnknownNameError
            With the rule and the value; nothing changes then.
        UsageError
            If the race has ended.
        """
        self._refuse_ended()
        self._check_settings(changes)
        own = parts.named_policy(changes.get("policy"))
        if own:
            changes["policy"] = next(iter(own))
        # a policy that comes with what is refused is not kept
        return self._engine.change(changes, accepted=lambda: self._own_policies.update(own))

    def _is_decided(self, state: RaceState) -> bool:
        """Return whether there is a decision: one before the last change of size is none.

        Nor is one that a challenger, who was added meanwhile, is not part of yet.
        """
        current = state.settings.batch_size == self.settings.batch_size and all(
            candidate.name in state.roster for candidate in self._candidates
        )
        return (state.phase == "watching" and current) or parts.ended_as(state, "decided")

    # ------------------------------------------------------------ refusing

    def _refuse_ended(self, advice: str = "start a new one") -> None:
        if self._started and self._engine.has_ended:
            raise UsageError(f"the race has ended; {advice}")
        if self._engine.error is not None:
            raise self._engine.error

    def _check_settings(self, changes: Mapping[str, Any]) -> None:
        """Refuse what the settings themselves cannot know: metrics and policies by name."""
        known = self._metrics()
        lists = {k: changes[k] for k in ("objectives", "constraints") if k in changes}
        asked = Settings().replace(**lists)  # a text is refused here, not read letter by letter
        for name in asked.objectives or ():
            if name not in known:
                raise UnknownNameError(
                    f"unknown objective {name!r}; this workload has {', '.join(sorted(known))}"
                )
        refuse_unknown_metrics(asked.constraints, known)
        policy = changes.get("policy")
        if policy is not None and not parts.named_policy(policy):
            self._policy_of(policy)

    def _policy_of(self, name: str) -> EliminationPolicy:
        return self._own_policies.get(name) or policy_by_name(name)

    def _refuse_unknown(self, name: str) -> None:
        names = [candidate.name for candidate in self._candidates]
        if name not in names:
            raise UnknownNameError(
                f"no candidate {name!r} in the race; there are {', '.join(names)}"
            )
