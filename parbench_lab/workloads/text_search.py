"""Text search: how often each of many words occurs in a text, at any place.

Looking for one word after the other wins for few words, one pass over the text for many; the
number of words grows with the text, so the winner changes with the batch size (at about 700
words of text on the two-core machine it was first measured on).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.candidate import Candidate
from parbench_lab.workloads.agreement import as_vector, read_only
from parbench_lab.workloads.members import members

PATTERN_LENGTH = 6
_LETTERS = 8
_MAX_PATTERNS = 400


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Haystack:
    """A text and the patterns to count in it.

    Parameters
    ----------
    text
        Words of the letters a to h with spaces between; ASCII.
    data
        The same text as bytes.
    patterns
        Different patterns of 6 letters. None begins with what it ends with, so its occurrences
        cannot overlap each other; occurrences of different patterns may.
    codes
        Letters of the text as numbers, for the check; shape ``(len(text),)``, read-only.
    """

    text: str
    data: bytes
    patterns: tuple[str, ...]
    codes: NDArray[np.int64]


class TextSearch:
    """Count the occurrences of each pattern in a text of `size` words.

    A result has one whole number for each pattern, in their order. There are 4 patterns up to
    100 words, then one for 25 words, and 400 from 10 000 words on.

    Examples
    --------
    >>> job = TextSearch()
    >>> case = job.make_case(1000, np.random.default_rng(0))
    >>> len(case.patterns)
    40
    >>> job.check(case, str_count(case))
    """

    name = "text_search"
    default_batch_size = 1000

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The built-in implementations whose library is installed."""
        return members(
            str_find,
            str_count,
            bytes_find,
            bytes_count,
            regex_each,
            regex_alternatives,
            slice_dictionary,
            aho_corasick,
            needs={aho_corasick: "ahocorasick"},
        )

    def make_case(self, size: int, rng: np.random.Generator) -> Haystack:
        """Return a text of `size` words, and patterns of which about half occur in it."""
        n_patterns = min(_MAX_PATTERNS, max(4, size // 25))
        vocabulary = _vocabulary(2 * n_patterns, rng)
        picks = rng.integers(0, len(vocabulary) // 2, size)
        fillers = _random_words(size, 4, rng)
        words = [
            vocabulary[pick] if number % 3 == 0 else filler
            for number, (pick, filler) in enumerate(zip(picks.tolist(), fillers, strict=True))
        ]
        text = " ".join(words)
        chosen = rng.permutation(len(vocabulary))[:n_patterns]
        return Haystack(
            text=text,
            data=text.encode(),
            patterns=tuple(vocabulary[place] for place in chosen.tolist()),
            codes=read_only(np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64)),
        )

    def check(self, case: Haystack, result: Any) -> None:
        """Raise unless every count is right; there is no tolerance.

        Every six letters of the text are read as one number in base 256, and the patterns are
        looked up among these numbers.

        Raises
        ------
        ValueError
            Naming the first pattern that was miscounted.
        """
        found = as_vector(result, len(case.patterns), "iu")
        expected = _occurrences(case)
        wrong = np.flatnonzero(found != expected)
        if wrong.size:
            at = int(wrong[0])
            raise ValueError(
                f"{case.patterns[at]!r} occurs {expected[at]} times but {found[at]} were counted"
            )


def str_find(case: Haystack) -> list[int]:
    """Step from hit to hit with `str.find`, one pattern after the other."""
    counts = []
    find = case.text.find
    for pattern in case.patterns:
        count, at = 0, find(pattern)
        while at >= 0:
            count += 1
            at = find(pattern, at + 1)
        counts.append(count)
    return counts


def str_count(case: Haystack) -> list[int]:
    """Count each pattern with `str.count`."""
    return [case.text.count(pattern) for pattern in case.patterns]


def bytes_find(case: Haystack) -> list[int]:
    """Step from hit to hit with `bytes.find`, one pattern after the other."""
    counts = []
    find = case.data.find
    for pattern in case.patterns:
        needle = pattern.encode()
        count, at = 0, find(needle)
        while at >= 0:
            count += 1
            at = find(needle, at + 1)
        counts.append(count)
    return counts


def bytes_count(case: Haystack) -> list[int]:
    """Count each pattern with `bytes.count`."""
    return [case.data.count(pattern.encode()) for pattern in case.patterns]


def regex_each(case: Haystack) -> list[int]:
    """Find each pattern with a regular expression of its own."""
    return [len(re.findall(re.escape(pattern), case.text)) for pattern in case.patterns]


def regex_alternatives(case: Haystack) -> list[int]:
    """Find all patterns with one regular expression that looks ahead at every place."""
    counts = dict.fromkeys(case.patterns, 0)
    alternatives = "|".join(map(re.escape, case.patterns))
    for pattern in re.findall(f"(?=({alternatives}))", case.text):
        counts[pattern] += 1
    return list(counts.values())


def slice_dictionary(case: Haystack) -> list[int]:
    """Look every six letters of the text up in a dictionary."""
    counts = dict.fromkeys(case.patterns, 0)
    text = case.text
    for at in range(len(text) - PATTERN_LENGTH + 1):
        piece = text[at : at + PATTERN_LENGTH]
        if piece in counts:
            counts[piece] += 1
    return list(counts.values())


def aho_corasick(case: Haystack) -> list[int]:
    """Build an Aho-Corasick automaton and run the text through it once, `pyahocorasick`."""
    import ahocorasick  # noqa: PLC0415 - optional; the first call pays

    automaton = ahocorasick.Automaton()
    for number, pattern in enumerate(case.patterns):
        automaton.add_word(pattern, number)
    automaton.make_automaton()
    counts = [0] * len(case.patterns)
    for _, number in automaton.iter(case.text):
        counts[number] += 1
    return counts


def _random_words(n_words: int, length: int, rng: np.random.Generator) -> list[str]:
    letters = rng.integers(ord("a"), ord("a") + _LETTERS, n_words * length, dtype=np.uint8)
    text = letters.tobytes().decode()
    return [text[at : at + length] for at in range(0, len(text), length)]


def _vocabulary(n_words: int, rng: np.random.Generator) -> list[str]:
    """Return different words of six letters that do not begin with what they end with."""
    words: dict[str, None] = {}
    while len(words) < n_words:
        for word in _random_words(n_words, PATTERN_LENGTH, rng):
            if not any(word.startswith(word[-k:]) for k in range(1, PATTERN_LENGTH)):
                words[word] = None
    return list(words)[:n_words]


def _occurrences(case: Haystack) -> NDArray[np.int64]:
    """Return the true counts."""
    powers = 256 ** np.arange(PATTERN_LENGTH, dtype=np.int64)[::-1]
    letters = np.array([list(pattern.encode()) for pattern in case.patterns], dtype=np.int64)
    wanted = letters @ powers
    n_places = max(0, len(case.codes) - PATTERN_LENGTH + 1)
    pieces = np.zeros(n_places, dtype=np.int64)
    for place, power in enumerate(powers.tolist()):
        pieces += case.codes[place : place + n_places] * power
    order = np.argsort(wanted)
    ranks = np.searchsorted(wanted[order], pieces).clip(max=len(wanted) - 1)
    hits = ranks[wanted[order][ranks] == pieces]
    counts = np.zeros(len(wanted), dtype=np.int64)
    counts[order] = np.bincount(hits, minlength=len(wanted))
    return counts
