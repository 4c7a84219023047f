"""Which figures of two runs are set against each other: like with like, epoch by epoch. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parbench_lab.analysis.comparison.samples import Place, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Figures of one candidate at one batch size, of either run.

    Parameters
    ----------
    place
        Candidate and batch size.
    baseline, new
        The figures.
    epochs
        Numbers of their epochs, baseline and new; ``""`` where either run stayed once at the
        batch size, as quick as it was.
    """

    place: Place
    baseline: Sample
    new: Sample
    epochs: str = ""


def meetings(
    baseline: Mapping[Place, Sample], new: Mapping[Place, Sample], places: Sequence[Place]
) -> list[Meeting]:
    """Return what is compared, in the order of the places.

    A run may come back to a batch size, or somebody become slower at it. Its first stretch there
    meets the first of the other run, the second the second, and so on; a stretch beyond the last
    of the other run meets that last one, so that every stretch of either run is in a comparison.

    Parameters
    ----------
    baseline, new
        Of either run.
    places
        That both have.

    Examples
    --------
    >>> once = Sample(epochs=(0,))
    >>> twice = Sample(epochs=(0, 1, 3), stretches=(Sample(epochs=(0, 1)), Sample(epochs=(3,))))
    >>> place = ("quick", 1000)
    >>> [one.epochs for one in meetings({place: once}, {place: twice}, [place])]
    ['0 and 0-1', '0 and 3']
    """
    several = {
        place[1] for place in places if max(len(baseline[place].parts), len(new[place].parts)) > 1
    }
    return [
        Meeting(
            place=place,
            baseline=before,
            new=after,
            epochs=_words(before, after) if place[1] in several else "",
        )
        for place in places
        for before, after in _side_by_side(baseline[place].parts, new[place].parts)
    ]


def _side_by_side(
    baseline: Sequence[Sample], new: Sequence[Sample]
) -> list[tuple[Sample, Sample]]:
    last = len(baseline) - 1, len(new) - 1
    return [
        (baseline[min(index, last[0])], new[min(index, last[1])]) for index in range(max(last) + 1)
    ]


def _words(baseline: Sample, new: Sample) -> str:
    return f"{_numbers(baseline.epochs)} and {_numbers(new.epochs)}"


def _numbers(epochs: Sequence[int]) -> str:
    first, last = min(epochs), max(epochs)
    return str(first) if first == last else f"{first}-{last}"
