"""The knobs of a race, declared once: slider, flag, report table and docs come from here.

A change swaps the whole value (`Settings.replace`); every swap is an event of the race.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from parbench_lab.core.given import is_number, is_whole
from parbench_lab.errors import SettingError

ALLOCATIONS = ("all_survivors", "leaders_first")


def _knob(default: Any, help_text: str, **meta: Any) -> Any:
    """Declare a setting; `live` (default) says that it may change while the race runs."""
    metadata = {"help": help_text, "live": True, **meta}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The live knobs of a race.

    Raises
    ------
    SettingError
        If a value is outside its range; the message names the setting, the rule and the value.
    """

    batch_size: int = _knob(1000, "items in a case", min=1, max=10_000_000, log=True)
    max_concurrent: int | None = _knob(
        None, "workers that execute at once at most; default: all there are", min=1, max=4096
    )
    elimination_threshold: float = _knob(
        1000.0,
        "odds (x : 1) of the evidence against a candidate at which it is out; at least "
        "min_elimination_threshold",
        min=1.0, max=1e12, log=True,
    )  # fmt: skip
    tolerance: float = _knob(
        0.02,
        "slower than the best by this fraction still counts as equal",
        min=0.0,
        max=9.0,
        step=0.005,
    )
    timeout_s: float | None = _knob(
        None,
        "time limit of one measurement in seconds (repeated calls have 20 times what they take at "
        "least); default: adaptive (cap_factor)",
        min=0.001, max=86_400.0, log=True,
    )  # fmt: skip
    cap_factor: float = _knob(
        200.0, "adaptive time limit: so many times the leader's typical time (at least 2 s)",
        min=2.0, max=1e6, log=True,
    )  # fmt: skip
    target_gpu_utilization: float = _knob(
        95.0, "GPU utilisation to hold, in percent", min=1.0, max=100.0, step=1.0
    )
    objectives: tuple[str, ...] | None = _knob(
        None, "metrics the race is about; several make it a Pareto race; default: the workload's"
    )
    policy: str = _knob("evidence", "elimination policy")
    allocation: str = _knob(
        "all_survivors", "who is in a block: all_survivors or leaders_first", choices=ALLOCATIONS
    )
    constraints: tuple[str, ...] = _knob(
        (), "bounds like 'peak_rss_bytes <= 2e9'; a candidate that breaks one has failed"
    )
    check_every: int = _knob(
        10, "check every n-th result of a candidate (its first one always)", min=1, max=1_000_000
    )
    warmup: int = _knob(
        1, "first runs of a candidate in a worker process that are not judged", min=0, max=1000
    )
    max_failures: int = _knob(3, "failures after which a candidate is out", min=1, max=1_000_000)
    min_survivors: int = _knob(
        1, "candidates that are never eliminated by evidence", min=1, max=1000
    )
    canary_every: int = _knob(
        10, "every n-th block has the leader twice, an A/A canary; 0: never", min=0, max=1_000_000
    )
    challenge_every: int = _knob(
        20, "every n-th block retests an eliminated candidate; 0: never", min=0, max=1_000_000
    )
    interference_every_s: float = _knob(
        30.0,
        "seconds between measurements of the leader alone against all workers busy; 0: never",
        min=0.0, max=86_400.0,
    )  # fmt: skip
    min_time_s: float = _knob(
        0.003, "calls are repeated until a measurement lasts about this long, in seconds",
        min=0.0, max=60.0, log=True,
    )  # fmt: skip
    task_time_s: float = _knob(
        0.1,
        "seconds of blocks sent to a worker at once; up to 4 times as many while nobody touches "
        "the race",
        min=0.001, max=60.0, log=True,
    )  # fmt: skip
    prime: bool = _knob(False, "run each candidate once untimed before it is timed")
    epoch_blocks: int = _knob(
        1,
        "bet once per so many blocks (against autocorrelated noise)",
        min=1,
        max=1000,
        live=False,
    )
    min_elimination_threshold: float = _knob(
        20.0, "lowest threshold the error bound is stated for when the slider moves",
        min=1.0, max=1e12, log=True, live=False,
    )  # fmt: skip
    watch_duty: float = _knob(
        0.1,
        "share of the time that one worker is kept busy after the decision",
        min=0.001,
        max=1.0,
    )

    def __post_init__(self) -> None:
        for knob in dataclasses.fields(self):
            value = _plain(getattr(self, knob.name))
            object.__setattr__(self, knob.name, value)
            _validate(knob.name, value, knob.metadata)

    def replace(self, **changes: Any) -> Settings:
        """Return these settings with some changed.

        Raises
        ------
        SettingError
            If a name is unknown, a value is refused, or the setting cannot change any more.
        """
        return dataclasses.replace(self, **_known(changes))

    def as_json(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {
            knob.name: list(value) if isinstance(value, tuple) else value
            for knob in dataclasses.fields(self)
            for value in [getattr(self, knob.name)]
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Settings:
        """Return settings from JSON values; unknown names are refused.

        Raises
        ------
        SettingError
            As `replace`.
        """
        return cls(**_known(document))


def knobs() -> Mapping[str, Mapping[str, Any]]:
    """Return every setting's name and metadata (``default, help, live`` and its range)."""
    return {
        knob.name: {"default": knob.default, "type": str(knob.type), **knob.metadata}
        for knob in dataclasses.fields(Settings)
    }


def refuse_dead(changes: Mapping[str, Any]) -> None:
    """Refuse changes of settings that are fixed once a race is made.

    Raises
    ------
    SettingError
        Naming the setting.
    """
    for name in changes:
        if not knobs()[name]["live"]:
            raise SettingError(f"{name} is fixed for the length of a race; make a new one with it")


def refuse_unmeant(settings: Settings, names: Iterable[str]) -> None:
    """Refuse new values that a race would take for others than they say.

    For the doors of a race, not for `Settings`: what was stored before can still be read and
    replayed.

    Parameters
    ----------
    settings
        With the new values in them.
    names
        Of the settings that are new.

    Raises
    ------
    SettingError
        If the threshold is under the floor that the error bound is stated for, or an objective
        comes twice (which would make it a Pareto race).
    """
    new = set(names)
    objectives = settings.objectives or ()
    if "objectives" in new and len(set(objectives)) < len(objectives):
        raise SettingError(f"objectives must name each metric once but got {list(objectives)}")
    threshold, floor = settings.elimination_threshold, settings.min_elimination_threshold
    if threshold < floor and new & {"elimination_threshold", "min_elimination_threshold"}:
        raise SettingError(
            f"elimination_threshold must be at least {floor:g} but got {threshold:g}; give a "
            "lower min_elimination_threshold at the start to go below"
        )


def _known(changes: Mapping[str, Any]) -> dict[str, Any]:
    names = [knob.name for knob in dataclasses.fields(Settings)]
    for name in changes:
        if name not in names:
            raise SettingError(f"unknown setting {name!r}; known ones are {', '.join(names)}")
    tuples = {"objectives", "constraints"}
    return {
        name: tuple(value)
        if name in tuples and isinstance(value, Sequence) and not isinstance(value, str)
        else value
        for name, value in changes.items()
    }


def _plain(value: Any) -> Any:
    """Return a number as Python's own: what numpy calls one cannot be stored as JSON."""
    if is_whole(value):
        return operator.index(value)
    return float(value) if is_number(value) else value


def _validate(name: str, value: Any, meta: Mapping[str, Any]) -> None:
    if name in ("objectives", "constraints"):
        _validate_texts(name, value)
        return
    if name in ("policy", "allocation"):
        choices = cast("Sequence[str]", meta.get("choices", ()))
        if not isinstance(value, str) or not value:
            raise SettingError(f"{name} must be a name but got {value!r}")
        if choices and value not in choices:
            raise SettingError(f"{name} must be one of {', '.join(choices)} but got {value!r}")
        return
    if name == "prime":
        if not isinstance(value, bool):
            raise SettingError(f"prime must be true or false but got {value!r}")
        return
    _validate_number(name, value, meta)


def _validate_texts(name: str, value: Any) -> None:
    if value is None and name == "objectives":
        return
    if not isinstance(value, tuple) or not all(isinstance(text, str) and text for text in value):
        rule = f"{name} must be a list of {'names' if name == 'objectives' else 'texts'}"
        hint = f"; write [{value!r}]" if isinstance(value, str) else ""
        raise SettingError(f"{rule} but got {value!r}{hint}")
    if name == "objectives" and not value:
        raise SettingError("objectives must name at least one metric")


_OPTIONAL = ("max_concurrent", "timeout_s")
_WHOLE = (
    "batch_size", "max_concurrent", "check_every", "warmup", "max_failures", "min_survivors",
    "canary_every", "challenge_every", "epoch_blocks",
)  # fmt: skip


def _validate_number(name: str, value: Any, meta: Mapping[str, Any]) -> None:
    if value is None and name in _OPTIONAL:
        return
    low, high = meta["min"], meta["max"]
    kind = "a whole number" if name in _WHOLE else "a number"
    rule = f"{name} must be {kind} within {low:g} to {high:g}"
    kinds = (int,) if name in _WHOLE else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise SettingError(f"{rule} but got {value!r}")
    if not low <= value <= high:  # as NaN and infinity are not
        raise SettingError(f"{rule} but got {value!r}")
