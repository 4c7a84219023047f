"""Every built-in policy keeps the promises of the Protocol; policies that do not are caught."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.metric import WALL_TIME_S
from parbench_lab.core.standing import Verdict
from parbench_lab.elimination import POLICIES, policy_by_name
from parbench_lab.errors import UnknownNameError
from parbench_lab.testing.elimination import check_elimination_policy


@pytest.mark.parametrize("name", POLICIES)
def test_a_built_in_policy_keeps_the_promises(name):
    check_elimination_policy(policy_by_name(name))


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_called_what_it_is_registered_as(name):
    assert policy_by_name(name).name == name


def test_an_unknown_policy_lists_the_known_ones_and_the_closest():
    with pytest.raises(UnknownNameError, match=r"did you mean 'f_race'.*successive_halving"):
        policy_by_name("frace")


@dataclass(frozen=True)
class Wrong:
    """A policy that breaks one promise."""

    promise: str
    name: str = "wrong"
    guarantee: str = "It breaks a promise."

    def judge(
        self, record: EpochRecord, *, elimination_threshold: float, tolerance: float
    ) -> Sequence[Verdict]:
        names = record.survivors
        if not record.judged or not names:
            return ()
        first = names[: len(names) > 1]
        if self.promise == "changes the record" and len(names) > 2:
            record.remove(names[0])
        proposals = {
            "everybody": [(name, "it is here") for name in names],
            "do not all race": [("nobody", "it is unknown")],
            "no sentence": [(name, "slow") for name in first],
            "names make a difference": [(min(names), "first by name") for _ in first],
            "order of entry": [(name, "came in first") for name in first],
        }
        return [
            Verdict(candidate=candidate, reason=reason)
            for candidate, reason in proposals.get(self.promise, [])
        ]


@pytest.mark.parametrize(
    "promise",
    ["everybody", "do not all race", "no sentence", "names make a difference", "order of entry",
     "changes the record"],
)  # fmt: skip
def test_the_check_names_the_broken_promise(promise):
    with pytest.raises(AssertionError, match=promise.replace("order of entry", "make")):
        check_elimination_policy(Wrong(promise))


def test_halving_keeps_the_better_half_at_every_rung():
    record = EpochRecord((WALL_TIME_S,), "abcdefgh")
    policy = policy_by_name("successive_halving")
    left = []
    for _ in range(40):
        record.judge({name: (0.1 * k,) for k, name in enumerate("abcdefgh")})
        for verdict in policy.judge(record, elimination_threshold=20.0, tolerance=0.0):
            record.remove(verdict.candidate)
        left.append(len(record.survivors))

    assert [left[6], left[7], left[15], left[31]] == [8, 4, 2, 1]
    assert record.survivors == ("a",)


def test_the_evidence_policy_says_by_how_much_and_how_sure():
    record = EpochRecord((WALL_TIME_S,), ["quick", "slow"])
    for _ in range(20):
        record.judge({"quick": (0.0,), "slow": (np.log(1.27),)})

    policy = policy_by_name("evidence")
    [verdict] = policy.judge(record, elimination_threshold=1000.0, tolerance=0.02)

    assert verdict.candidate == "slow"
    assert verdict.reason.startswith("at least 25 % slower than the best (evidence ")
    assert verdict.evidence == record.evidence("slow", 0.02) >= 1000
