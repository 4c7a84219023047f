"""Kernels of reports."""

from __future__ import annotations

import os

import pytest

from parbench_lab.errors import UsageError
from parbench_lab.reports.kernels import ThisPython, manager_of


@pytest.mark.skipif(os.name != "posix", reason="socket files are of POSIX systems")
def test_no_two_kernels_share_their_sockets():
    one, other = ThisPython(), ThisPython()

    sockets = {one.ip, other.ip}

    assert one.transport == "ipc"
    assert len(sockets) == 2


def test_an_unknown_kernel_is_refused_with_those_that_are_there():
    with pytest.raises(UsageError, match=r"there are .*python3.*--kernel NAME"):
        manager_of("fortran")
