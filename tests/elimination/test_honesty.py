"""The policies beside each other at exact ties: each loses the best as often as it admits.

Rough figures of 60 races each: the point is the difference between 5 % and a half. The exact
bound of the default policy is tested on thousands of races in ``tests/analysis/test_safety.py``.
"""

import numpy as np
import pytest

from parbench_lab.analysis.record import EpochRecord
from parbench_lab.core.metric import WALL_TIME_S
from parbench_lab.elimination import policy_by_name

pytestmark = pytest.mark.statistics


def lost_share(policy, *, n, races, blocks, threshold=20.0):
    """Return in which share of races candidate 0, as good as all others, is eliminated."""
    rng = np.random.default_rng(11)
    judge = policy_by_name(policy).judge
    names = [f"c{k}" for k in range(n)]
    lost = 0
    for _ in range(races):
        record = EpochRecord((WALL_TIME_S,), names)
        for costs in rng.normal(0, 0.05, (blocks, n, 1)).tolist():
            record.judge(dict(zip(names, map(tuple, costs), strict=True)))
            for verdict in judge(record, elimination_threshold=threshold, tolerance=0.0):
                record.remove(verdict.candidate)
            if "c0" not in record.survivors:
                lost += 1
                break
    return lost / races


@pytest.mark.parametrize(
    ("policy", "n", "low", "high"),
    [
        pytest.param("evidence", 5, 0.0, 0.12, id="evidence: 5 % at most"),
        pytest.param("sign_bonferroni", 5, 0.0, 0.12, id="sign_bonferroni: 5 % at most"),
        pytest.param("welch", 5, 0.25, 0.7, id="welch: about half"),
        pytest.param("f_race", 5, 0.1, 0.5, id="f_race: about a quarter"),
        pytest.param("successive_halving", 20, 0.88, 1.0, id="successive_halving: 19 of 20"),
    ],
)
def test_a_policy_loses_the_best_among_equals_as_often_as_it_admits(policy, n, low, high):
    share = lost_share(policy, n=n, races=60, blocks=80)

    assert low <= share <= high
