"""JSON parsing: a document of nested records into Python lists and dicts.

Parsers that are not installed are left out; ``pip install 'parbench_lab[workloads]'`` brings
them in.
"""

from __future__ import annotations

import functools
import json
import marshal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parbench_lab.core.candidate import Candidate
from parbench_lab.workloads.members import members

Record = dict[str, Any]

_FIRST_NAMES = ("Ada", "Björk", "Chloé", "Dmitri", "Zoë", "José", "Müge", "美咲")
_TAGS = ("new", "vip", "trial", 'quoted "tag"', "back\\slash", "two\nlines", "naïve", "🚀")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A JSON document, and what it says.

    Parameters
    ----------
    text
        UTF-8, an array of objects.
    records
        What `text` was written from, for the check.
    """

    text: bytes
    records: tuple[Record, ...]


class JsonParsing:
    """Parse a document of `size` records into a list of dicts, exactly as `json.loads` does.

    Examples
    --------
    >>> job = JsonParsing()
    >>> case = job.make_case(10, np.random.default_rng(0))
    >>> job.check(case, json_loads(case))
    >>> sorted(json_loads(case)[0])
    ['active', 'address', 'balance', 'id', 'manager', 'name', 'scores', 'tags']
    """

    name = "json_parsing"
    default_batch_size = 1000

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The built-in implementations whose library is installed."""
        return members(
            json_loads,
            json_python_scanner,
            orjson_loads,
            msgspec_decode,
            msgspec_structs,
            needs={
                orjson_loads: "orjson",
                msgspec_decode: "msgspec",
                msgspec_structs: "msgspec",
            },
        )

    def make_case(self, size: int, rng: np.random.Generator) -> Document:
        """Return a document of `size` records with text, numbers, nesting and escapes."""
        whole = rng.integers(0, 2**31, (size, 6)).tolist()
        real = rng.standard_normal((size, 8)).tolist()
        records = tuple(map(_record, range(size), whole, real))
        # half of the text is escaped, half is UTF-8, as documents in the wild are
        escaped, plain = json.JSONEncoder(), json.JSONEncoder(ensure_ascii=False)
        texts = [
            *map(escaped.encode, records[: size // 2]),
            *map(plain.encode, records[size // 2 :]),
        ]
        return Document(text=f"[{', '.join(texts)}]".encode(), records=records)

    def check(self, case: Document, result: Any) -> None:
        """Raise unless the result is a list of dicts with the same keys, values and types.

        There is no tolerance: a float must come back with every bit, and a whole number, a float
        and a truth value are three things.

        Raises
        ------
        ValueError
            Naming the first record that differs.
        """
        if type(result) is not list or len(result) != len(case.records):
            shape = f"{len(result)} records" if isinstance(result, list) else type(result).__name__
            raise ValueError(f"expected a list of {len(case.records)} records but got {shape}")
        if _canonical(result) == _canonical(list(case.records)):
            return
        # the slow way finds the place, and forgives another order of keys
        for number, (found, record) in enumerate(zip(result, case.records, strict=True)):
            if found != record or not _same_types(found, record):
                raise ValueError(f"record {number} should be {record!r} but is {found!r}")


def json_loads(case: Document) -> Any:
    """Parse with the standard library."""
    return json.loads(case.text)


def json_python_scanner(case: Document) -> Any:
    """Parse with the standard library's scanner in Python, without its C accelerator."""
    decoder = json.JSONDecoder()
    # where JSONDecoder looks for its scanner; not in the documentation, the same since Python 2.7
    vars(decoder)["scan_once"] = _python_scanner(decoder)
    return decoder.decode(case.text.decode())


def orjson_loads(case: Document) -> Any:
    """Parse with orjson."""
    import orjson  # noqa: PLC0415 - optional; the first call pays

    return orjson.loads(case.text)


def msgspec_decode(case: Document) -> Any:
    """Parse with msgspec, without a schema."""
    import msgspec  # noqa: PLC0415 - optional; the first call pays

    return msgspec.json.decode(case.text)


def msgspec_structs(case: Document) -> Any:
    """Parse with msgspec into structs that validate every field, then turn those into dicts."""
    import msgspec  # noqa: PLC0415 - optional; the first call pays

    return msgspec.to_builtins(_struct_decoder().decode(case.text))


def _python_scanner(decoder: json.JSONDecoder) -> Any:
    from json import scanner  # noqa: PLC0415 - only this candidate needs it

    return scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]


@functools.cache
def _struct_decoder() -> Any:
    """Return a decoder of the records' schema; made once per process."""
    import msgspec  # noqa: PLC0415 - optional; the first call pays

    address = msgspec.defstruct(
        "Address", [("street", str), ("number", int), ("position", list[float])]
    )
    fields = [
        ("id", int),
        ("name", str),
        ("active", bool),
        ("balance", float),
        ("manager", int | None),
        ("tags", list[str]),
        ("scores", list[float]),
        ("address", address),
    ]
    return msgspec.json.Decoder(list[msgspec.defstruct("Person", fields)])  # type: ignore[misc]


def _record(number: int, whole: Sequence[int], real: Sequence[float]) -> Record:
    """Return one record made from six whole and eight real numbers."""
    first = _FIRST_NAMES[whole[0] % len(_FIRST_NAMES)]
    return {
        "id": number,
        "name": f"{first} {whole[1]:x}",
        "active": whole[2] % 2 == 0,
        "balance": real[0] * 10.0 ** (whole[3] % 12 - 6),
        "manager": None if whole[4] % 3 == 0 else whole[4],
        "tags": list(_TAGS[: whole[5] % (len(_TAGS) + 1)]),
        "scores": real[1:6],
        "address": {"street": f"Straße {whole[1] % 999}", "number": whole[3] % 200,
                    "position": real[6:8]},
    }  # fmt: skip


def _canonical(records: list[Any]) -> bytes | None:
    """Return bytes that tell values, types and the order of keys apart, quickly.

    None where something is in there that JSON cannot hold. Format 2 of marshal is the last one
    that does not depend on which objects are shared.
    """
    try:
        return marshal.dumps(records, 2)
    except ValueError:
        return None


def _same_types(found: Any, expected: Any) -> bool:
    """Return whether two equal values are also of the same types, at every depth."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, Mapping):
        return all(_same_types(found[key], value) for key, value in expected.items())
    if isinstance(expected, list):
        return all(map(_same_types, found, expected))
    return True
