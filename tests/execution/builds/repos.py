"""Scratch repositories, and a benchmark file whose cost is a number of turns."""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

IDENTITY = ("-c", "user.email=a@example.org", "-c", "user.name=A", "-c", "commit.gpgsign=false")

BENCH = textwrap.dedent(
    """
    import parbench_lab as pb
    from work import TURNS

    def make_case(size, rng):
        return int(rng.integers(1000))

    def reference(case):
        return case + 1

    @pb.candidate
    def spin(case):
        for _ in range(TURNS):
            pass
        return case + 1
    """
)


class Repo:
    """A git repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *IDENTITY, "-C", str(self.folder), *words],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def write(self, **files: str) -> None:
        """Write files; ``__`` in a name is a dot."""
        for name, text in files.items():
            (self.folder / name.replace("__", ".")).write_text(text)

    def commit(self, subject: str, **files: str) -> str:
        """Write files, commit everything, and return the commit."""
        self.write(**files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")


def spinning(folder: Path, turns: int = 20_000) -> Repo:
    """Return a repository with the benchmark file and one commit."""
    repo = Repo(folder)
    repo.commit("begin", bench__py=BENCH, work__py=f"TURNS = {turns}\n")
    return repo
