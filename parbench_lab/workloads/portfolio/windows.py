"""The walk-forward split: each test window follows its training window, and none overlap."""

from __future__ import annotations

from dataclasses import dataclass

from parbench_lab.core.given import checked_count
from parbench_lab.errors import UsageError

TRAINING_BLOCKS = 3
"""A training window is three times as long as a test window."""

_SHORTEST_BLOCK = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Steps from `start` up to, not including, `stop`; step s goes from price s to price s + 1."""

    start: int
    stop: int

    @property
    def steps(self) -> int:
        """How many."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Training and test windows over the steps between prices.

    The steps are cut into ``test_windows + 3`` blocks of equal length, as late as possible; what
    is left over, and all that comes before the first test, is there to warm up. Test window w is
    block ``w + 3``, its training window the three blocks before it.

    Parameters
    ----------
    steps
        Between prices: one less than there are prices.
    test_windows
        At least 1.

    Raises
    ------
    UsageError
        If a test window would have fewer than 2 steps.

    Examples
    --------
    >>> windows = Windows(steps=999, test_windows=5)
    >>> windows.block, windows.training(0), windows.test(0)
    (124, Span(start=7, stop=379), Span(start=379, stop=503))
    """

    steps: int
    test_windows: int = 5

    def __post_init__(self) -> None:
        checked_count(self.test_windows, "test_windows")
        needed = _SHORTEST_BLOCK * self.n_blocks + 1
        if self.steps + 1 < needed:
            raise UsageError(
                f"{self.test_windows} test windows need {needed} prices at least but there are "
                f"{self.steps + 1}: ask for fewer windows, or give more prices"
            )

    @property
    def n_blocks(self) -> int:
        """How many blocks."""
        return self.test_windows + TRAINING_BLOCKS

    @property
    def block(self) -> int:
        """Steps in a block, and so in a test window."""
        return self.steps // self.n_blocks

    @property
    def first(self) -> int:
        """The first step of the first block."""
        return self.steps - self.block * self.n_blocks

    @property
    def spans(self) -> tuple[Span, ...]:
        """All that is scored: the training windows, the test windows, and all tests together."""
        numbers = range(self.test_windows)
        return (
            *(self.training(number) for number in numbers),
            *(self.test(number) for number in numbers),
            self.all_tests,
        )

    @property
    def all_tests(self) -> Span:
        """From the first test window's begin to the last one's end; they leave no gaps."""
        return self._blocks(TRAINING_BLOCKS, self.test_windows)

    def training(self, window: int) -> Span:
        """Return a training window by its number from 0."""
        return self._blocks(window, TRAINING_BLOCKS)

    def test(self, window: int) -> Span:
        """Return a test window by its number from 0."""
        return self._blocks(window + TRAINING_BLOCKS, 1)

    def _blocks(self, first: int, count: int) -> Span:
        start = self.first + first * self.block
        return Span(start=start, stop=start + count * self.block)
