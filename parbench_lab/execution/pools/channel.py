"""Messages over a pair of pipes: a few pieces of bytes each, with their lengths before them."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import sys
from collections.abc import Sequence
from typing import BinaryIO

_COUNT = struct.Struct("<I")
_LENGTH = struct.Struct("<Q")
_SET_PIPE_SIZE = 1031
_PIPE_BYTES = 1 << 20
_JOINED_BYTES = 1 << 16


class Channel:
    """Two unbuffered files, one to read and one to write.

    Examples
    --------
    >>> reading, writing = os.pipe()
    >>> channel = Channel(open(reading, "rb", buffering=0), open(writing, "wb", buffering=0))
    >>> channel.send(b"one", b"")
    >>> [bytes(piece) for piece in channel.receive()]
    [b'one', b'']
    >>> channel.close()
    """

    def __init__(self, reading: BinaryIO, writing: BinaryIO) -> None:
        self._reading = reading
        self._writing = writing
        if sys.platform == "linux":
            import fcntl  # noqa: PLC0415 - not on every platform

            with contextlib.suppress(OSError):  # a larger one needs fewer turns
                fcntl.fcntl(writing.fileno(), _SET_PIPE_SIZE, _PIPE_BYTES)

    def send(self, *pieces: bytes | memoryview) -> None:
        """Write one message.

        Raises
        ------
        OSError
            If the other side is gone.
        """
        lengths = b"".join(_LENGTH.pack(len(piece)) for piece in pieces)
        head = _COUNT.pack(len(pieces)) + lengths
        if sum(len(piece) for piece in pieces) < _JOINED_BYTES:
            self._write(b"".join((head, *pieces)))
            return
        for piece in (head, *pieces):
            self._write(piece)

    def receive(self) -> Sequence[bytearray]:
        """Wait for one message and return its pieces.

        Raises
        ------
        EOFError
            If the other side is gone.
        """
        count = _COUNT.unpack(self._read(_COUNT.size))[0]
        lengths = self._read(count * _LENGTH.size)
        return [self._read(length) for (length,) in _LENGTH.iter_unpack(lengths)]

    def close(self) -> None:
        """Close both files; idempotent."""
        for file in (self._reading, self._writing):
            with contextlib.suppress(OSError):
                file.close()

    def _write(self, piece: bytes | memoryview) -> None:
        view = memoryview(piece)
        done = 0
        while done < len(view):
            done += self._writing.write(view[done:]) or 0

    def _read(self, count: int) -> bytearray:
        data = bytearray(count)
        view = memoryview(data)
        done = 0
        while done < count:
            got = self._reading.readinto(view[done:])  # type: ignore[attr-defined]
            if not got:
                raise EOFError("the other side is gone")
            done += got
        return data


def boot_code(module: str, paths: str) -> str:
    """Return the code that a process with a channel is started with: it runs a module's ``main``.

    Its first line of input is JSON with the arguments of ``main``. What it cannot import is told
    as the one piece of its first message; no module of ours is there to write that.

    Parameters
    ----------
    module
        Name of the module.
    paths
        A statement that sets ``sys.path`` by what it takes out of the arguments, ``told``.
    """
    return f"""\
import json, os, struct, sys
told = json.loads(sys.stdin.buffer.readline())
{paths}
try:
    from {module} import main
except BaseException as error:
    words = f"{{type(error).__name__}}: {{error}}".encode()
    os.write(1, struct.pack("{_COUNT.format}{_LENGTH.format[1:]}", 1, len(words)) + words)
    os._exit(1)
main(**told)
"""


def own_channel() -> Channel:
    """Return the channel to the process that started this one, over its standard files.

    What is read or printed from here on meets the end of a file, and the error stream: nothing
    that a function prints can come between two messages.
    """
    reading, writing = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    sys.stdout.flush()
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    return Channel(open(reading, "rb", buffering=0), open(writing, "wb", buffering=0))  # noqa: PTH123 - descriptors, for life
