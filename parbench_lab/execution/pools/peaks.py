"""The largest memory that processes held together, as Linux keeps it for each of them.

A process's high-water mark counts pages it shares with others. So what it holds alone is taken as
the mark less the shared pages it has now; libraries are counted once, and so are shared arrays.
The peaks of the processes need not be simultaneous: the sum is an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from parbench_lab.execution.meters import parse_high_water_mark

_RESET_HIGH_WATER_MARK = b"5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What one process held at most alone, and the file pages it shares."""

    own_bytes: int
    file_bytes: int


def parse_footprint(status: bytes) -> Footprint:
    r"""Return the footprint told by ``/proc/PID/status``.

    Raises
    ------
    ValueError
        If a line is missing.

    Examples
    --------
    >>> parse_footprint(b"VmHWM:\t 9 kB\nRssFile:\t 4 kB\nRssShmem:\t 2 kB\n")
    Footprint(own_bytes=3072, file_bytes=4096)
    """
    fields = dict(line.split(b":", 1) for line in status.splitlines() if b":" in line)
    try:
        file_bytes, shared_bytes = (
            1024 * int(fields[name].split()[0]) for name in (b"RssFile", b"RssShmem")
        )
    except (KeyError, IndexError) as error:
        raise ValueError("a status without RssFile and RssShmem") from error
    peak_bytes = parse_high_water_mark(status)
    own_bytes = max(0, peak_bytes - file_bytes - shared_bytes)
    return Footprint(own_bytes=own_bytes, file_bytes=file_bytes)


def restart_peaks(pids: Iterable[int]) -> None:
    """Let the marks of processes begin again from what they hold now, where that is allowed."""
    for pid in pids:
        try:
            with Path(f"/proc/{pid}/clear_refs").open("wb", buffering=0) as file:
                file.write(_RESET_HIGH_WATER_MARK)
        except OSError:
            continue


def take_footprint(pid: int) -> Footprint | None:
    """Return a process's footprint; None where it is gone, or no such thing is kept."""
    try:
        return parse_footprint(Path(f"/proc/{pid}/status").read_bytes())
    except (OSError, ValueError):
        return None


def together_bytes(footprints: Sequence[Footprint], shelf_bytes: int) -> int | None:
    """Return what processes held at most together; None where none of them is known.

    Parameters
    ----------
    shelf_bytes
        The most that shared arrays in memory took.

    Examples
    --------
    >>> two = [Footprint(own_bytes=5, file_bytes=7), Footprint(own_bytes=1, file_bytes=6)]
    >>> together_bytes(two, 100)
    113
    """
    if not footprints:
        return None
    own_bytes = sum(one.own_bytes for one in footprints)
    return own_bytes + max(one.file_bytes for one in footprints) + shelf_bytes


def take_peak_bytes(pids: Sequence[int], shelf_bytes: int = 0) -> int | None:
    """Return the peak of processes together since the last call, and begin again."""
    found = [footprint for pid in pids if (footprint := take_footprint(pid)) is not None]
    restart_peaks(pids)
    return together_bytes(found, shelf_bytes)
