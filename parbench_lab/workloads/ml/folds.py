"""Which rows are learnt from and which are judged: k folds, or what the caller gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.given import is_list, is_whole
from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.models import seed_sequence

Rows = NDArray[np.int64]
Split = tuple[Rows, Rows]


def shuffled_folds(targets: Any, n_folds: int, *, seed: int = 0) -> list[Split]:
    """Return train and test rows of each fold; every row is in exactly one test set.

    Targets that are labels (whole numbers, texts, truth values) are dealt class by class, so that
    every fold has about the same share of each; quantities are dealt as they come.

    Parameters
    ----------
    targets
        One per row.
    n_folds
        From 2 to the number of rows.
    seed
        Of the shuffling.

    Raises
    ------
    UsageError
        If there are too few folds, or more than rows.

    Examples
    --------
    >>> folds = shuffled_folds(["yes"] * 4 + ["no"] * 2, 2)
    >>> [len(test) for train, test in folds]
    [3, 3]
    """
    n_items = len(targets)
    whole = isinstance(n_folds, (int, np.integer)) and not isinstance(n_folds, bool)
    if not (whole and 2 <= n_folds <= n_items):
        raise UsageError(
            f"n_folds must be a whole number from 2 to the {n_items} rows but got {n_folds!r}"
        )
    order = np.random.default_rng(seed_sequence(seed)).permutation(n_items)
    labels = np.asarray(targets)
    if labels.ndim == 1 and labels.dtype.kind in "iubOSU":
        _, classes = np.unique(labels, return_inverse=True)
        order = order[np.argsort(classes[order], kind="stable")]
    fold_of = np.empty(n_items, dtype=np.int64)
    fold_of[order] = np.arange(n_items) % n_folds
    return [
        (np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))
        for fold in range(n_folds)
    ]


def given_folds(splits: Any, data: Any, targets: Any) -> list[Split]:
    """Return the caller's own splits as arrays of row numbers.

    Parameters
    ----------
    splits
        Pairs ``(train, test)`` of row numbers from 0 (no masks of truth values), or an object
        with scikit-learn's ``split(data, targets)``.
    data, targets
        What is split.

    Raises
    ------
    UsageError
        If there are none, or one has no rows to learn from, none to judge, or unknown ones, or
        what is no whole number.

    Examples
    --------
    >>> given_folds([([0, 1], [2])], np.zeros((3, 1)), np.zeros(3))
    [(array([0, 1]), array([2]))]
    """
    pairs = splits.split(data, targets) if hasattr(splits, "split") else splits
    if not is_list(pairs):
        raise UsageError(f"splits must be pairs (train, test) of row numbers but got {splits!r}")
    found = [_checked(pair, len(targets)) for pair in pairs]
    if not found:
        raise UsageError("splits is empty: give at least one pair (train, test) of row numbers")
    return found


def _checked(pair: Sequence[Any], n_items: int) -> Split:
    try:
        train, test = (np.asarray(rows) for rows in pair)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"splits must be pairs (train, test) of row numbers but got {pair!r}"
        ) from error
    for rows, purpose in ((train, "learn from"), (test, "judge")):
        if not rows.size:
            raise UsageError(f"splits: one has no rows to {purpose}")
        _refuse_other_than_whole(rows)
        if rows.min() < 0 or rows.max() >= n_items:
            raise UsageError(f"splits: rows must be from 0 to {n_items - 1}")
    return train.astype(np.int64), test.astype(np.int64)


def _refuse_other_than_whole(rows: NDArray[Any]) -> None:
    if rows.dtype.kind == "b":
        raise UsageError(
            "splits: rows must be given by their numbers but one is a mask of truth values: give "
            "np.flatnonzero of it"
        )
    if rows.dtype.kind in "iu" or (rows.dtype.kind == "O" and all(map(is_whole, rows.ravel()))):
        return
    raise UsageError(f"splits: rows must be given by whole numbers but one has {rows.dtype}")
