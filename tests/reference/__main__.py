"""Write the reference into a folder: ``python -W error -m tests.reference OUT``.

Its first page, ``index.html``, has the diagrams of the components and of the database; a page for
every public module follows. All of it opens without a network. It needs Graphviz's ``dot``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from tests.reference.pages import write_reference


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder; made if missing")
    out = parser.parse_args().out
    if out.exists() and not out.is_dir():
        parser.error(f"{out} is a file; give a folder")
    if shutil.which("dot") is None:
        parser.error(
            "no Graphviz here: its `dot` draws the diagrams (Debian: apt install graphviz)"
        )
    pages = write_reference(out)
    sys.stdout.write(f"{len(pages)} pages: {out / 'index.html'}\n")


if __name__ == "__main__":
    main()
