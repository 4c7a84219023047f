"""The built-in policies by name; each is imported when it is first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from parbench_lab.elimination.policy import EliminationPolicy
from parbench_lab.errors import UnknownNameError

POLICIES: Mapping[str, str] = MappingProxyType(
    {
        "evidence": "parbench_lab.elimination.evidence:Evidence",
        "sign_bonferroni": "parbench_lab.elimination.sign_bonferroni:SignBonferroni",
        "f_race": "parbench_lab.elimination.f_race:FRace",
        "welch": "parbench_lab.elimination.welch:Welch",
        "successive_halving": "parbench_lab.elimination.successive_halving:SuccessiveHalving",
        "never": "parbench_lab.elimination.never:Never",
    }
)
"""Name to ``module:class``; some need scipy, which is slow to load."""


def policy_by_name(name: str) -> EliminationPolicy:
    """Return a built-in policy.

    Raises
    ------
    UnknownNameError
        If there is none of that name; the message lists them.

    Examples
    --------
    >>> policy_by_name("never").name
    'never'
    """
    try:
        module, _, attribute = POLICIES[name].partition(":")
    except KeyError:
        close = get_close_matches(name, POLICIES, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        known = ", ".join(POLICIES)
        raise UnknownNameError(
            f"elimination policy {name!r}: not found; {hint}known ones are {known}"
        ) from None
    policy: EliminationPolicy = getattr(importlib.import_module(module), attribute)()
    return policy
