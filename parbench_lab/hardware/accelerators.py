"""Accelerators of other makers than NVIDIA: that they are there. Parsing is pure, probing reads.

They are used through the resources that a cluster's workers advertise; their usage is not
measured. None of this was run on such a device: the layout of the files is that of the Linux
kernel's documentation (drm, amdkfd) and of the makers' manuals.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from parbench_lab.hardware.cgroup import read_text

NOT_MEASURED = "usage is not measured: only NVIDIA's NVML is asked"

_MAKERS = {"1002": "AMD", "8086": "Intel"}
_TPU_FILE = re.compile(r"accel\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """A device that computes, of another maker.

    Parameters
    ----------
    maker
        ``"AMD"``, ``"Intel"``, ``"Google"``, ``"Apple"``.
    name
        Product where it is told, else its PCI numbers.
    """

    maker: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFiles:
    """What one folder ``/sys/class/drm/card0/device`` holds: texts of two of its files."""

    uevent: str
    product: str = ""


def detect_accelerators(root: Path = Path("/")) -> tuple[Accelerator, ...]:
    """Return the accelerators of this machine that are not NVIDIA's, in a stable order.

    Parameters
    ----------
    root
        Of the file system that is looked at.
    """
    found = parse_cards(_cards(root), amd_computes=(root / "dev/kfd").exists())
    found += parse_tpus(_names(root / "dev"))
    found += parse_platform(platform.system(), platform.machine())
    return tuple(sorted(found, key=lambda accelerator: (accelerator.maker, accelerator.name)))


def parse_cards(cards: Iterable[CardFiles], *, amd_computes: bool) -> list[Accelerator]:
    r"""Return AMD's GPUs that can compute and Intel's discrete ones.

    Parameters
    ----------
    cards
        From the kernel's display drivers.
    amd_computes
        Whether AMD's compute driver is there (``/dev/kfd``): without it a card only draws.

    Examples
    --------
    >>> arc = "DRIVER=xe\nPCI_ID=8086:56A0\nPCI_SLOT_NAME=0000:03:00.0\n"
    >>> inside = "DRIVER=i915\nPCI_ID=8086:9A49\nPCI_SLOT_NAME=0000:00:02.0\n"
    >>> files = [CardFiles(uevent=text) for text in (arc, inside)]
    >>> [accelerator.name for accelerator in parse_cards(files, amd_computes=False)]
    ['Intel GPU 8086:56A0']
    """
    found = []
    for card in cards:
        facts = dict(line.partition("=")[::2] for line in card.uevent.splitlines())
        numbers = facts.get("PCI_ID", "")
        maker = _MAKERS.get(numbers.partition(":")[0])
        # what sits on the root bus is a part of the processor
        inside = facts.get("PCI_SLOT_NAME", "").split(":")[1:2] == ["00"]
        if maker is None or (maker == "Intel" and inside) or (maker == "AMD" and not amd_computes):
            continue
        name = " ".join(card.product.split()) or f"{maker} GPU {numbers}"
        found.append(Accelerator(maker=maker, name=name))
    return found


def parse_tpus(device_files: Iterable[str]) -> list[Accelerator]:
    """Return Google's TPU chips from the names in ``/dev``.

    Examples
    --------
    >>> [tpu.name for tpu in parse_tpus(["null", "accel0", "accel1", "accel"])]
    ['Google TPU', 'Google TPU']
    """
    chips = [name for name in device_files if _TPU_FILE.fullmatch(name)]
    return [Accelerator(maker="Google", name="Google TPU") for _ in chips]


def parse_platform(system: str, machine: str) -> list[Accelerator]:
    """Return the GPU that is a part of Apple's own processors.

    Examples
    --------
    >>> parse_platform("Darwin", "arm64"), parse_platform("Linux", "x86_64")
    ([Accelerator(maker='Apple', name='Apple GPU')], [])
    """
    if (system, machine) == ("Darwin", "arm64"):
        return [Accelerator(maker="Apple", name="Apple GPU")]
    return []


def _cards(root: Path) -> list[CardFiles]:
    folders = sorted((root / "sys/class/drm").glob("card*/device"))
    whole = [folder for folder in folders if folder.parent.name[4:].isdecimal()]
    return [
        CardFiles(
            uevent=read_text(folder / "uevent") or "",
            product=read_text(folder / "product_name") or "",
        )
        for folder in whole
    ]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []
