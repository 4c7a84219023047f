"""The shell: thin commands over `lab`, and the live leaderboard.

Only click and the declarations of the settings are imported before a command runs, so that
``parbench --help`` is there at once.
"""

from __future__ import annotations

from parbench_lab.cli.shell import main, parbench

__all__ = ["main", "parbench"]
