"""Which of a machine's GPUs a process may use: ``CUDA_VISIBLE_DEVICES`` read as CUDA reads it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device by the names that the variable may use for it.

    Parameters
    ----------
    index
        Its number.
    uuid
        ``GPU-...``.
    instances
        UUIDs of its MIG instances; None where MIG is off.
    """

    index: int
    uuid: str
    instances: tuple[str, ...] | None = None

    @property
    def usable(self) -> tuple[str, ...]:
        """What can be computed on: the instances where MIG is on, else the device itself."""
        return (self.uuid,) if self.instances is None else self.instances


def parse_visible(
    visible: str | None, devices: Sequence[Device], *, unusable: Collection[int] = ()
) -> tuple[str, ...]:
    """Return the UUIDs that are visible, in the order in which they are named.

    An entry is an index, the UUID of a device or of a MIG instance, or an unambiguous beginning
    of one. Everything from the first invalid entry on is ignored, one that repeats an earlier one
    included (CUDA C++ Programming Guide, "CUDA Environment Variables"). An index or UUID of a
    device with MIG on stands for all its instances; CUDA itself would take the first of them, but
    a worker here is always given one by its UUID.

    Parameters
    ----------
    visible
        The variable's value; None where it is not set: all devices.
    devices
        What there is, by index. CUDA's own numbers may differ where the GPUs of a machine differ
        and ``CUDA_DEVICE_ORDER`` is not ``PCI_BUS_ID``.
    unusable
        Numbers of devices that are there but cannot be used, a lost one: no invalid entry, for
        the others that are named stay usable by their UUIDs. It is passed over.

    Examples
    --------
    >>> two = [Device(index=0, uuid="GPU-aa"), Device(index=1, uuid="GPU-ab")]
    >>> parse_visible(None, two), parse_visible("1,0", two), parse_visible("", two)
    (('GPU-aa', 'GPU-ab'), ('GPU-ab', 'GPU-aa'), ())
    >>> parse_visible("GPU-ab,7,0", two), parse_visible("GPU-a", two)
    (('GPU-ab',), ())
    >>> parse_visible("0,1", two[1:], unusable=[0])
    ('GPU-ab',)
    """
    if visible is None:
        return tuple(uuid for device in devices for uuid in device.usable)
    found: list[str] = []
    passed: set[int] = set()
    for entry in (entry.strip() for entry in visible.split(",")):
        if entry.isdecimal() and int(entry) in set(unusable) - passed:
            passed.add(int(entry))
            continue
        named = _named(entry, devices)
        if not named or set(named) & set(found):
            break
        found += named
    return tuple(found)


def may_name(visible: str | None, index: int) -> bool:
    """Return whether the variable may name the device of this number, whose UUID is not known.

    Examples
    --------
    >>> may_name(None, 0), may_name("0,1", 0), may_name("1", 0), may_name("GPU-ab", 0)
    (True, True, False, True)
    """
    if visible is None:
        return True
    entries = [entry.strip() for entry in visible.split(",")]
    return any(
        int(entry) == index if entry.isdecimal() else entry.startswith(("GPU-", "MIG-"))
        for entry in entries
    )


def _named(entry: str, devices: Sequence[Device]) -> tuple[str, ...]:
    if entry.isdecimal():
        return next((d.usable for d in devices if d.index == int(entry)), ())
    if not entry.startswith(("GPU-", "MIG-")):
        return ()
    choices = {device.uuid: device.usable for device in devices}
    choices |= {uuid: (uuid,) for device in devices for uuid in device.instances or ()}
    if entry in choices:
        return choices[entry]
    matching = [usable for uuid, usable in choices.items() if uuid.startswith(entry)]
    return matching[0] if len(matching) == 1 else ()
