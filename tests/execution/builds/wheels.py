"""Wheels made by hand, without a network; a copy of this file is a project's build backend."""

from __future__ import annotations

import zipfile
from pathlib import Path

NAME = "mine"
PROJECT = (
    '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    f'[project]\nname = "{NAME}"\nversion = "1.0"\n'
)
"""What a pyproject.toml says where this file lies beside it as ``backend.py``."""
INSTALLED = "\nWHERE = 'installed'\n"
"""The end of a module that a wheel was made of."""


def write_wheel(folder: str | Path, version: str, source: str) -> str:
    """Write a wheel of one module, and return its name."""
    info, name = f"{NAME}-{version}.dist-info", f"{NAME}-{version}-py3-none-any.whl"
    about = ["Metadata-Version: 2.1", f"Name: {NAME}", f"Version: {version}", ""]
    tags = ["Wheel-Version: 1.0", "Generator: x", "Root-Is-Purelib: true", "Tag: py3-none-any", ""]
    with zipfile.ZipFile(Path(folder) / name, "w") as wheel:
        wheel.writestr(f"{NAME}.py", source)
        wheel.writestr(f"{info}/METADATA", "\n".join(about))
        wheel.writestr(f"{info}/WHEEL", "\n".join(tags))
        wheel.writestr(f"{info}/RECORD", "")
    return name


def build_wheel(
    wheel_directory: str,
    config_settings: object = None,
    metadata_directory: str | None = None,
) -> str:
    """Build version 1.0 of the project in the current folder, as pip asks a backend to."""
    del config_settings, metadata_directory
    places = (Path("src") / f"{NAME}.py", Path(f"{NAME}.py"))
    source = next(place for place in places if place.is_file()).read_text(encoding="utf-8")
    return write_wheel(wheel_directory, "1.0", source + INSTALLED)
