"""Where the report of ``parbench watch`` goes: the screen and the files that were asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from parbench_lab.cli.ci_files import CiFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Where a report goes; `nightly` where more nights come, and each keeps files of its own."""

    as_json: bool
    output: Path | None
    files: CiFiles
    nightly: bool = False

    @property
    def screen(self) -> IO[str]:
        """Where people read: stderr where stdout carries JSON."""
        return sys.stderr if self.as_json else sys.stdout

    def of_night(self, run_id: str) -> Told:
        """Return where one night's own copies go: beside the files, with the run in the name."""

        def own(path: Path | None) -> Path | None:
            return None if path is None else path.with_stem(f"{path.stem}-{run_id}")

        files = CiFiles(junit=own(self.files.junit), markdown=own(self.files.markdown))
        return Told(as_json=False, output=own(self.output), files=files)

    @property
    def written(self) -> list[str]:
        """The names of the files."""
        paths = (self.output, self.files.junit, self.files.markdown)
        return [str(path) for path in paths if path is not None]
