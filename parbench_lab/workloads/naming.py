"""Words for names that were not found: what was given, what is alike, what there is."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from parbench_lab.errors import UnknownNameError


def not_found(
    kind: str, name: str, known: Collection[str], advice: str, *, listing: str | None = None
) -> UnknownNameError:
    """Return the error for a name that is not known; the names most alike come first.

    Parameters
    ----------
    kind
        What was looked for, ``"candidate"``.
    name
        What was given.
    known
        All names there are.
    advice
        What else would do, after a semicolon.
    listing
        The known names in words, where a plain list would not do.

    Examples
    --------
    >>> print(not_found("candidate", "cumsm", ["fft", "cumsum"], "or give a callable"))
    candidate 'cumsm': not found; did you mean 'cumsum'? known names are cumsum, fft; or give a \
callable
    """
    close = close_names(name, known)
    guess = f"; did you mean {' or '.join(map(repr, close))}?" if close else ";"
    ordered = listing or ", ".join([*close, *(other for other in known if other not in close)])
    names = f"known names are {ordered}" if ordered else "there are none"
    return UnknownNameError(f"{kind} {name!r}: not found{guess} {names}; {advice}")


def close_names(name: str, known: Collection[str]) -> list[str]:
    """Return up to three known names that `name` may be a misspelling of, the likeliest first.

    Examples
    --------
    >>> close_names("CumSum", ["cumsum", "fft"])
    ['cumsum']
    """
    by_small_letters = {other.lower(): other for other in known}
    alike = difflib.get_close_matches(name.lower(), by_small_letters, n=3, cutoff=0.6)
    return [by_small_letters[small] for small in alike]
