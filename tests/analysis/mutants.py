"""Four wrong variants of the sign race. The checks that pass the shipped one must fail these."""

import math
from collections.abc import Sequence

import numpy as np

from parbench_lab.analysis.accounts import Accounts, Bools, Floats, Ints, Where
from parbench_lab.analysis.leader_bets import LeaderBets


class SeeingAccounts(Accounts):
    """Learns from the outcome before it bets on it."""

    def _bet(self, outcome: Floats, at: Where) -> None:
        self.total[at] += outcome
        self.squares[at] += outcome * outcome
        super()._bet(outcome, at)
        self.total[at] -= outcome
        self.squares[at] -= outcome * outcome


class BetSeesItsOwnBlock(LeaderBets):
    """The stake follows from the block it is put on."""

    def __init__(
        self, n: int, margins: Sequence[float], *, batch: Sequence[int] = (), epoch_blocks: int = 1
    ) -> None:
        super().__init__(n, margins, batch=batch, epoch_blocks=epoch_blocks)
        self.accounts = SeeingAccounts(self.accounts.log_wealth.shape)


class LeaderOfTheSameBlock(LeaderBets):
    """The opponent that counts most is whoever won this very block."""

    _now: Floats | None = None

    def bet(self, costs: Floats, here: Bools) -> None:
        self._now = np.where(here, costs, np.inf)
        super().bet(costs, here)
        self._now = None

    def leader(self) -> Ints:
        return super().leader() if self._now is None else np.argmin(self._now, axis=-1)


class FourTimesLooser(LeaderBets):
    """The threshold is silently a quarter of what was asked for."""

    def __init__(
        self, n: int, margins: Sequence[float], *, batch: Sequence[int] = (), epoch_blocks: int = 1
    ) -> None:
        super().__init__(n, margins, batch=batch, epoch_blocks=epoch_blocks)
        self.accounts.log_wealth += math.log(4.0)
        self.accounts.log_peak += math.log(4.0)
