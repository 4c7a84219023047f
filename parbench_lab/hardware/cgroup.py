"""What a control group leaves to this process: parsing is pure, probing reads files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

# a v1 limit of "none" is the largest multiple of a page that fits in 63 bits
_NO_LIMIT_BYTES = 2**62
_V1_CPU_FOLDERS = ("cpu", "cpu,cpuacct", "cpuacct,cpu")


def parse_cgroup_paths(text: str) -> Mapping[str, str]:
    r"""Return controller name to path from ``/proc/self/cgroup``; ``""`` is version 2.

    Examples
    --------
    >>> parse_cgroup_paths("4:cpu,cpuacct:/job\n0::/user.slice\n")
    {'cpu': '/job', 'cpuacct': '/job', '': '/user.slice'}
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                found[controller] = parts[2]
    return found


def parse_cpu_max(text: str) -> float | None:
    """Return the cores that a version 2 ``cpu.max`` allows, None for no limit.

    Examples
    --------
    >>> parse_cpu_max("150000 100000")
    1.5
    >>> parse_cpu_max("max 100000") is None
    True
    """
    quota, _, period = text.strip().partition(" ")
    return _ratio(quota, period or "100000")


def parse_cfs_quota(quota_us: str, period_us: str) -> float | None:
    """Return the cores that a version 1 quota and period allow, None for no limit (-1).

    Examples
    --------
    >>> parse_cfs_quota("200000", "100000")
    2.0
    >>> parse_cfs_quota("-1", "100000") is None
    True
    """
    return _ratio(quota_us.strip(), period_us.strip())


def parse_memory_limit(text: str) -> int | None:
    r"""Return the bytes a ``memory.max`` (or v1 ``limit_in_bytes``) allows, None for no limit.

    Examples
    --------
    >>> parse_memory_limit("2147483648\n")
    2147483648
    >>> parse_memory_limit("max") is None and parse_memory_limit("9223372036854771712") is None
    True
    """
    limit = text.strip()
    if not limit.isdecimal() or int(limit) >= _NO_LIMIT_BYTES:
        return None
    return int(limit)


def quota_cores(root: Path = Path("/")) -> float | None:
    """Return how many cores' worth of time the control groups allow, None for no limit.

    The tightest limit of this group and all above it counts.

    Parameters
    ----------
    root
        Of the file system to look into.
    """
    limits = [
        parse_cpu_max(text)
        for folder in _folders(root, "", ("", "unified"))
        if (text := read_text(folder / "cpu.max"))
    ]
    for folder in _folders(root, "cpu", _V1_CPU_FOLDERS):
        quota_us = read_text(folder / "cpu.cfs_quota_us")
        period_us = read_text(folder / "cpu.cfs_period_us")
        if quota_us and period_us:
            limits.append(parse_cfs_quota(quota_us, period_us))
    return min((limit for limit in limits if limit is not None), default=None)


def memory_room_bytes(root: Path = Path("/")) -> int | None:
    """Return the bytes left below the tightest memory limit, None for no limit."""
    rooms = []
    for controller, mounts, limit_file, usage_file in (
        ("", ("", "unified"), "memory.max", "memory.current"),
        ("memory", ("memory",), "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        for folder in _folders(root, controller, mounts):
            limit = parse_memory_limit(read_text(folder / limit_file) or "")
            usage = (read_text(folder / usage_file) or "").strip()
            if limit is not None and usage.isdecimal():
                rooms.append(max(0, limit - int(usage)))
    return min(rooms, default=None)


def read_text(path: Path) -> str | None:
    """Return the content of a small file, None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _folders(root: Path, controller: str, mounts: tuple[str, ...]) -> Iterator[Path]:
    """Yield the folders of this process's group and of all groups above it, as far as visible."""
    paths = parse_cgroup_paths(read_text(root / "proc/self/cgroup") or "")
    # a container often sees its own group as the root, under a path it cannot see
    own = PurePosixPath(paths.get(controller, "/"))
    for mount in mounts:
        base = root / "sys/fs/cgroup" / mount
        for path in (own, *own.parents):
            folder = base / str(path).strip("/")
            if ".." not in path.parts and folder.is_dir():
                yield folder


def _ratio(quota: str, period: str) -> float | None:
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0 or int(quota) == 0:
        return None
    return int(quota) / int(period)
