"""Names of the GPUs, for the fingerprint: parsing is pure, probing reads files or asks a tool.

How busy they are is another question, and another module's.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from parbench_lab.hardware.cgroup import read_text

DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")
TIMEOUT_S = 5.0


def detect_gpus(driver_folder: Path = DRIVER_FOLDER) -> tuple[str, ...]:
    """Return the names of NVIDIA's GPUs in sorted order, empty where there are none.

    The driver's files are read; where it has none (other systems), ``nvidia-smi`` is asked.
    """
    try:
        folders = sorted(driver_folder.iterdir())
    except OSError:
        folders = []
    if folders:
        return parse_driver_files(read_text(folder / "information") or "" for folder in folders)
    return parse_names(_asked())


def parse_driver_files(texts: Iterable[str]) -> tuple[str, ...]:
    r"""Return the models in the texts of ``/proc/driver/nvidia/gpus/*/information``.

    Examples
    --------
    >>> parse_driver_files(["Model: \t\t NVIDIA H200\nIRQ:   \t\t 117\n"])
    ('NVIDIA H200',)
    """
    lines = (line for text in texts for line in text.splitlines())
    pairs = (line.partition(":") for line in lines)
    return tuple(sorted(" ".join(value.split()) for key, _, value in pairs if key == "Model"))


def parse_names(text: str) -> tuple[str, ...]:
    r"""Return the names that ``nvidia-smi --query-gpu=name`` lists.

    Examples
    --------
    >>> parse_names("NVIDIA H200\nNVIDIA A100\n")
    ('NVIDIA A100', 'NVIDIA H200')
    """
    return tuple(sorted(" ".join(line.split()) for line in text.splitlines() if line.strip()))


def _asked() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            command,
            capture_output=True,
            check=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
