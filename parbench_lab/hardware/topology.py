"""Processors and caches as Linux describes them: parsing is pure, probing reads files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from parbench_lab.core.machine import Cache
from parbench_lab.hardware.cgroup import read_text

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
_ARM_PARTS = ("CPU implementer", "CPU part", "CPU variant", "CPU revision")
"""What tells ARM's processors apart where the kernel has no name for them."""
_LETTERS = {"Data": "d", "Instruction": "i", "Unified": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpus:
    """What ``/proc/cpuinfo`` tells; `physical_cores` is None where it does not (ARM)."""

    model: str
    logical_cores: int
    physical_cores: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFiles:
    """The texts of one ``/sys/devices/system/cpu/cpu*/cache/index*`` folder."""

    level: str
    kind: str
    size: str
    shared_cpu_list: str


def parse_cpuinfo(text: str) -> Cpus:
    r"""Return model and cores from the text of ``/proc/cpuinfo``.

    Examples
    --------
    >>> block = "processor : {}\nmodel name : Abacus 3\nphysical id : 0\ncore id : 0\n\n"
    >>> parse_cpuinfo(block.format(0) + block.format(1))
    Cpus(model='Abacus 3', logical_cores=2, physical_cores=1)
    """
    processors = [_fields(block) for block in re.split(r"\n\s*\n", text)]
    processors = [fields for fields in processors if "processor" in fields]
    places = {
        (fields["physical id"], fields["core id"])
        for fields in processors
        if "physical id" in fields and "core id" in fields
    }
    return Cpus(
        model=_model(processors, text),
        logical_cores=len(processors),
        physical_cores=len(places) or None,
    )


def parse_core_places(text: str) -> dict[int, str]:
    r"""Return on which physical core ("package/core") each logical one lies, by its number.

    Parameters
    ----------
    text
        Of ``/proc/cpuinfo``; processors without a place (ARM) are left out.

    Examples
    --------
    >>> block = "processor : {}\nphysical id : 0\ncore id : {}\n\n"
    >>> parse_core_places(block.format(0, 0) + block.format(1, 0) + block.format(2, 1))
    {0: '0/0', 1: '0/0', 2: '0/1'}
    """
    return {
        int(fields["processor"]): f"{fields['physical id']}/{fields['core id']}"
        for fields in map(_fields, re.split(r"\n\s*\n", text))
        if fields.get("processor", "").isdecimal()
        and "physical id" in fields
        and "core id" in fields
    }


def read_core_places(root: Path = Path("/")) -> dict[int, str]:
    """Return on which physical core each logical one lies, empty where the kernel does not tell.

    A core is named by its package and number in ``/proc/cpuinfo``, or, where that does not name
    it (ARM), by the logical cores that share it (``thread_siblings_list``).

    Parameters
    ----------
    root
        Of the file system to look into.
    """
    places = parse_core_places(read_text(root / "proc/cpuinfo") or "")
    if places:
        return places
    folders = (root / "sys/devices/system/cpu").glob("cpu[0-9]*")
    siblings = {int(f.name[3:]): read_text(f / "topology/thread_siblings_list") for f in folders}
    return {cpu: text.strip() for cpu, text in siblings.items() if text and text.strip()}


def parse_caches(folders: Iterable[CacheFiles]) -> tuple[Cache, ...]:
    """Return the caches, smallest level first; cores that share one count it once.

    Examples
    --------
    >>> parse_caches(
    ...     [
    ...         CacheFiles(level="1", kind="Data", size="32K", shared_cpu_list="0"),
    ...         CacheFiles(level="1", kind="Data", size="32K", shared_cpu_list="1"),
    ...     ]
    ... )
    (Cache(name='L1d', size_bytes=32768, instances=2),)
    """
    instances: dict[tuple[str, int], set[str]] = {}
    for files in folders:
        size = re.fullmatch(r"(\d+)([KMG]?)", files.size.strip())
        if size is None:
            continue
        name = f"L{files.level.strip()}{_LETTERS.get(files.kind.strip(), '')}"
        size_bytes = int(size[1]) * _UNITS[size[2]]
        instances.setdefault((name, size_bytes), set()).add(files.shared_cpu_list.strip())
    return tuple(
        Cache(name=name, size_bytes=size_bytes, instances=len(shared))
        for (name, size_bytes), shared in sorted(instances.items())
    )


def read_caches(root: Path = Path("/")) -> tuple[CacheFiles, ...]:
    """Return the texts of all cache folders, none where the kernel shows none."""
    found = []
    for folder in sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cache/index*")):
        level, kind, size, shared = (
            read_text(folder / name) for name in ("level", "type", "size", "shared_cpu_list")
        )
        if level and kind and size and shared:
            found.append(CacheFiles(level=level, kind=kind, size=size, shared_cpu_list=shared))
    return tuple(found)


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _model(processors: list[dict[str, str]], text: str) -> str:
    """Return how the processor calls itself: x86, POWER or ARM boards, each in its own field.

    ARM's servers give numbers only: those of all kinds of core are put together.
    """
    everything = _fields(text)
    for key in ("model name", "cpu", "Model", "Hardware"):
        for fields in (*processors[:1], everything):
            if fields.get(key):
                return " ".join(fields[key].split())
    kinds = {" ".join(one[key] for key in _ARM_PARTS if one.get(key)) for one in processors}
    return ", ".join(f"ARM {kind}" for kind in sorted(kinds) if kind)
