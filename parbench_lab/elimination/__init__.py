"""Competitive elimination: a policy a file, each naming its guarantee or the lack of one."""

from __future__ import annotations

from parbench_lab.elimination.policy import EliminationPolicy
from parbench_lab.elimination.registry import POLICIES, policy_by_name

__all__ = ["POLICIES", "EliminationPolicy", "policy_by_name"]
