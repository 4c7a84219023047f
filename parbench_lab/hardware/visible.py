"""Which of a machine's GPUs a process may use: ``CUDA_VISIBLE_DEVICES`` read as CUDA reads it."""

from __future__ import annotations

from collections.abc import Sequence
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


def parse_visible(visible: str | None, devices: Sequence[Device]) -> tuple[str, ...]:
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

    Examples
    --------
    >>> two = [Device(index=0, uuid="GPU-aa"), Device(index=1, uuid="GPU-ab")]
    >>> parse_visible(None, two), parse_visible("1,0", two), parse_visible("", two)
    (('GPU-aa', 'GPU-ab'), ('GPU-ab', 'GPU-aa'), ())
    >>> parse_visible("GPU-ab,7,0", two), parse_visible("GPU-a", two)
    (('GPU-ab',), ())
    """
    if visible is None:
        return tuple(uuid for device in devices for uuid in device.usable)
    found: list[str] = []
    for entry in visible.split(","):
        named = _named(entry.strip(), devices)
        if not named or set(named) & set(found):
            break
        found += named
    return tuple(found)


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
