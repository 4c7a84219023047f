"""The kernel of a report is this very Python, whichever other kernels are installed.

Imported late: it loads Jupyter's client.
"""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

from parbench_lab.errors import UsageError

THIS_PYTHON = "python3"
OFFLINE = {"BOKEH_RESOURCES": "inline"}
"""A cell that shows a figure of Bokeh puts BokehJS into the page, which may ask no server."""


class _OnlyThisPython(KernelSpecManager):
    """Knows one kernel: a user's own spec called ``python3`` may be of another environment."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002 - there is one
        """Return how ipykernel is started here."""
        launcher = ("-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}")
        return KernelSpec(
            argv=[sys.executable, *launcher],
            display_name="Python 3",
            language="python",
            env=OFFLINE,
        )


class ThisPython(AsyncKernelManager):
    """Starts kernels of this Python, which no other user of the machine can listen to."""

    def _transport_default(self) -> str:
        # a TCP port is open to everybody here; a socket file is the user's own
        return "ipc" if os.name == "posix" else "tcp"

    @default("ip")  # type: ignore[untyped-decorator] # traitlets says nothing of it
    def _own_sockets(self) -> str:
        if self.transport != "ipc":
            return "127.0.0.1"
        # Jupyter's own name is the same for all who start a kernel at once: they would share it
        return str(Path(tempfile.gettempdir()) / f"parbench-{uuid.uuid4().hex}")

    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return _OnlyThisPython()


def manager_of(kernel: str) -> type[AsyncKernelManager]:
    """Return what starts a kernel of that name.

    Raises
    ------
    UsageError
        If there is none; those installed are listed.
    """
    if kernel == THIS_PYTHON:
        return ThisPython
    known = sorted({THIS_PYTHON, *KernelSpecManager().find_kernel_specs()})
    if kernel not in known:
        raise UsageError(
            f"kernel {kernel!r} is not installed; there are {', '.join(known)}; choose one with "
            "--kernel NAME"
        )
    return AsyncKernelManager
