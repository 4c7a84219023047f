"""Hardware and software as a value: what a measurement depends on besides the code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_GIB = 2**30
FINGERPRINT_DIGITS = 12
_OF_THE_KERNEL_BYTES = 64 * 2**20
"""By how much the memory of one machine may differ from boot to boot: its kernel's own share."""
LARGEST = 2**63
UNKNOWN = "unknown"
"""Stands in `Machine.cluster` for machines that did not say what they are."""
FOREIGN = "foreign-"
"""Begins the fingerprint of a machine that was not detected but came from a file: another tool
described it, or nobody did wholly."""
BASE_LIBRARIES = ("numpy", "pandas", "scipy")
"""Those that are always there, and that everything here rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """One kind of processor cache.

    Parameters
    ----------
    name
        ``"L1d"``, ``"L1i"``, ``"L2"``, ``"L3"``.
    size_bytes
        Of one instance.
    instances
        How many there are in the machine.
    """

    name: str
    size_bytes: int
    instances: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What stays the same from one run to the next on one machine.

    Neither the host's name nor its load is in it: two equal machines are one value.

    Parameters
    ----------
    cpu_model
        As the processor calls itself; ``""`` where not known.
    physical_cores, logical_cores
        Of the whole machine, whatever this process may use; None where not known.
    smt
        Whether several logical cores share a physical one; None where not known.
    caches
        Smallest level first; empty where not readable.
    memory_bytes
        Main memory.
    gpus
        Names of the GPUs; empty where there are none.
    os, kernel, python
        With their versions.
    blas
        Name and version of numpy's linear algebra library; ``""`` where not known.
    libraries
        Version of every library that the run's code uses and that is installed.
    cluster
        Fingerprints of the unlike machines that worked together, `UNKNOWN` for those that could
        not be asked; empty where it was one machine, or several that are equal.

    Raises
    ------
    ValueError
        If a number of cores or bytes is not positive.
    """

    cpu_model: str
    physical_cores: int | None
    logical_cores: int
    smt: bool | None
    memory_bytes: int
    os: str
    kernel: str
    python: str
    caches: tuple[Cache, ...] = ()
    gpus: tuple[str, ...] = ()
    blas: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    cluster: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("physical_cores", "logical_cores", "memory_bytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive but got {value}")

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that are the same for equal machines.

        Memory counts in half GiB: the kernel's own share differs a little from boot to boot.
        """
        document = self.as_json()
        document["memory_bytes"] = round(2 * self.memory_bytes / _GIB)  # half GiB
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]

    @property
    def counted_memory_bytes(self) -> int:
        """Main memory as it counts in the fingerprint: in whole halves of a GiB."""
        return round(2 * self.memory_bytes / _GIB) * _GIB // 2

    @property
    def host(self) -> Machine:
        """The machine whatever is raced on it: of the libraries only `BASE_LIBRARIES` count.

        Examples
        --------
        >>> machine = Machine(
        ...     cpu_model="Abacus 3", physical_cores=2, logical_cores=2, smt=False,
        ...     memory_bytes=2**30, os="Debian", kernel="Linux 6.1", python="CPython 3.11.7",
        ...     libraries={"numpy": "2.4.6", "scikit-learn": "1.9.1"},
        ... )
        >>> dict(machine.host.libraries)
        {'numpy': '2.4.6'}
        """
        base = {n: version for n, version in self.libraries.items() if n in BASE_LIBRARIES}
        return dataclasses.replace(self, libraries=base)

    def is_alike(self, other: Machine) -> bool:
        """Return whether figures of both may be set against each other.

        They differ in nothing but libraries that only one of them names: whatever was measured
        on both does not use them; and in less than 64 MiB of memory, which may lie on either side
        of a half GiB and make two fingerprints of one machine.
        """
        common = self.libraries.keys() & other.libraries.keys()
        near = abs(self.memory_bytes - other.memory_bytes) < _OF_THE_KERNEL_BYTES
        mine, theirs = (
            dataclasses.replace(
                machine,
                libraries={n: machine.libraries[n] for n in common},
                memory_bytes=self.memory_bytes if near else machine.memory_bytes,
            )
            for machine in (self, other)
        )
        return mine.fingerprint == theirs.fingerprint

    def as_json(self) -> dict[str, Any]:
        """Return the machine as JSON values, without the fingerprint."""
        document = {knob.name: getattr(self, knob.name) for knob in dataclasses.fields(self)}
        document["caches"] = [dataclasses.asdict(cache) for cache in self.caches]
        document["gpus"] = list(self.gpus)
        document["libraries"] = dict(self.libraries)
        if not document.pop("cluster"):
            return document  # as long as it is one machine, its fingerprint knows of no other
        return {**document, "cluster": list(self.cluster)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Machine:
        """Return the machine that `as_json` gave; a ``fingerprint`` beside it is passed over.

        Raises
        ------
        ValueError
            If it is no JSON object, or a field is missing, unknown or of the wrong type.
        """
        if not isinstance(document, Mapping):
            raise ValueError(f"not the description of a machine: {document!r:.80}")  # noqa: TRY004
        fields = {key: value for key, value in document.items() if key != "fingerprint"}
        lists = ("caches", "gpus", "cluster")
        if not all(isinstance(fields.get(name, []), (list, tuple)) for name in lists):
            raise ValueError(f"not the description of a machine: {', '.join(lists)} must be lists")
        try:
            fields["caches"] = tuple(Cache(**cache) for cache in fields.get("caches", ()))
            for name in ("gpus", "cluster"):
                fields[name] = tuple(fields.get(name, ()))
            machine = cls(**fields)
        except TypeError as error:
            raise ValueError(f"not the description of a machine: {error}") from error
        for name, right in machine._checks():
            if not right:
                raise ValueError(f"not the description of a machine: {name} is of the wrong type")
        return machine

    def _checks(self) -> Iterator[tuple[str, bool]]:
        """Yield whether each field is as annotated: what JSON brings may be anything."""
        for name in ("cpu_model", "os", "kernel", "python", "blas"):
            yield name, _are_texts([getattr(self, name)])
        yield "physical_cores", self.physical_cores is None or _are_wholes([self.physical_cores])
        yield "smt", self.smt is None or type(self.smt) is bool
        for name in ("logical_cores", "memory_bytes"):
            yield name, _are_wholes([getattr(self, name)])
        for cache in self.caches:
            right = _are_texts([cache.name]) and _are_wholes([cache.size_bytes, cache.instances])
            yield "caches", right
        yield "gpus", _are_texts(self.gpus)
        yield "cluster", _are_texts(self.cluster)
        libraries = self.libraries
        yield "libraries", isinstance(libraries, Mapping) and _are_texts(libraries.values())


def together(machines: Sequence[Machine | None]) -> Machine:
    """Return several machines that work together as one value.

    Parameters
    ----------
    machines
        At least one that is not None; None stands for one that did not say what it is.

    Returns
    -------
    Machine
        The machine itself where all are equal; else the one whose fingerprint is the smallest,
        with those of all in its field `cluster`.

    Raises
    ------
    ValueError
        If none of them is known.

    Examples
    --------
    >>> abacus = Machine(
    ...     cpu_model="Abacus 3", physical_cores=2, logical_cores=2, smt=False,
    ...     memory_bytes=2**30, os="Debian", kernel="Linux 6.1", python="CPython 3.11.7",
    ... )
    >>> together([abacus, abacus]) == abacus
    True
    >>> together([abacus, None]).cluster
    ('b4b8e1a1f56d', 'unknown')
    """
    known = {machine.fingerprint: machine for machine in machines if machine is not None}
    if not known:
        raise ValueError("at least one machine must be known")
    names = sorted(known)
    first = known[names[0]]
    if len(names) == 1 and None not in machines:
        return first
    single = [one for name in names for one in known[name].cluster or (name,)]
    unknown = [UNKNOWN] if None in machines else []
    return dataclasses.replace(first, cluster=tuple(sorted({*single, *unknown})))


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _are_wholes(values: Iterable[object]) -> bool:
    return all(type(value) is int and 0 < value < LARGEST for value in values)
