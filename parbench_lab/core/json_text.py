"""JSON as it is written for people and other tools."""

from __future__ import annotations

import json
from typing import Any


def json_text(document: Any) -> str:
    r"""Return a document as indented JSON with a line break at its end, valid as UTF-8.

    Half of a surrogate pair, which text from a file's name may hold, is written as its escape.

    Raises
    ------
    ValueError
        If a number in it is not finite.
    TypeError
        If something in it has no JSON.

    Examples
    --------
    >>> print(json_text({"é": "\udcff"}), end="")
    {
      "é": "\udcff"
    }
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
