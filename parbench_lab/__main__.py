"""``python -m parbench_lab`` is ``parbench``."""

from __future__ import annotations

from parbench_lab.cli import main

if __name__ == "__main__":
    main()
