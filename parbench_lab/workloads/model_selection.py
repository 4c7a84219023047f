"""Model selection: which classifier reads handwritten digits best, and which learns fastest.

The data are the 1797 images of 8 x 8 pixels that scikit-learn ships (optical recognition of
handwritten digits, UCI), so nothing is downloaded. A race over score and time ends with a Pareto
front. Needs scikit-learn; without it the workload has no candidates.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.candidate import Candidate
from parbench_lab.core.metric import Metric
from parbench_lab.workloads.agreement import as_vector, read_only
from parbench_lab.workloads.members import members

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

VALIDATION_SCORE = Metric(name="validation_score", unit="1", better="higher", scale="interval")

VALIDATION_ROWS = 360
_JUDGED_FROM_ROWS = 100
_LOWEST_SCORE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Digits:
    """Images to learn from and images to read, drawn anew for every case.

    Parameters
    ----------
    pixels
        Shape ``(size, 64)``, read-only, ink from 0 to 1.
    labels
        Shape ``(size,)``, read-only, the digits 0 to 9.
    validation_pixels
        Shape ``(360, 64)``; none of these images is among those to learn from.
    validation_labels
        Shape ``(360,)``; for the check.
    """

    pixels: Floats
    labels: Labels
    validation_pixels: Floats
    validation_labels: Labels


class ModelSelection:
    """Learn from `size` images and name the digits on 360 others.

    A result is the array of the 360 digits. `check` returns the metric ``validation_score``, the
    share that is right (0 to 1, higher is better, compared by differences).

    Examples
    --------
    >>> job = ModelSelection()
    >>> case = job.make_case(200, np.random.default_rng(0))
    >>> job.check(case, naive_bayes(case))["validation_score"] > 0.7
    True
    """

    name = "model_selection"
    default_batch_size = 300
    metrics = (VALIDATION_SCORE,)
    objectives = ("validation_score", "wall_time_s")

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The built-in models, none where scikit-learn is not installed."""
        models = (
            naive_bayes,
            k_nearest,
            decision_tree,
            random_forest,
            logistic_regression,
            support_vectors,
        )
        return members(*models, needs=dict.fromkeys(models, "sklearn"))

    def make_case(self, size: int, rng: np.random.Generator) -> Digits:
        """Split the images anew: 360 to read, `size` of the other 1437 to learn from.

        Above 1437 the images to learn from are drawn with replacement. The first two always show
        different digits, so that there is something to tell apart (from size 2 on).
        """
        pixels, labels = _digits()
        order = rng.permutation(len(labels))
        held_out, pool = order[:VALIDATION_ROWS], order[VALIDATION_ROWS:]
        chosen = pool[:size] if size <= len(pool) else rng.choice(pool, size)
        if size >= 2 and labels[chosen[0]] == labels[chosen[1]]:
            chosen[1] = pool[labels[pool] != labels[chosen[0]]][0]
        return Digits(
            pixels=read_only(pixels[chosen]),
            labels=read_only(labels[chosen]),
            validation_pixels=read_only(pixels[held_out]),
            validation_labels=read_only(labels[held_out]),
        )

    def check(self, case: Digits, result: Any) -> dict[str, float]:
        """Return the share of digits that are right as ``validation_score``.

        A weak model is not a wrong one: any digits are accepted where fewer than 100 images were
        given to learn from. From 100 on a score below 0.25 is a mistake (digits in another order,
        pixels mixed up): guessing scores 0.1 with a deviation of 0.016, real models above 0.5.

        Raises
        ------
        ValueError
            If the result is not 360 digits from 0 to 9, or no better than guessing.
        """
        found = as_vector(result, len(case.validation_labels), "iu")
        if found.min() < 0 or found.max() > 9:
            raise ValueError(f"expected digits from 0 to 9 but got {found.min()} to {found.max()}")
        score = float(np.mean(found == case.validation_labels))
        if len(case.labels) >= _JUDGED_FROM_ROWS and not score >= _LOWEST_SCORE:
            raise ValueError(
                f"a score of {score:.3f} is no better than guessing (below {_LOWEST_SCORE:g}): "
                "are the digits in the order of the images?"
            )
        return {"validation_score": score}


def naive_bayes(case: Digits) -> Labels:
    """Gaussian naive Bayes."""
    from sklearn.naive_bayes import GaussianNB  # noqa: PLC0415 - optional; the first call pays

    return _learn_and_read(GaussianNB(var_smoothing=1e-2), case)


def k_nearest(case: Digits) -> Labels:
    """Let the three nearest images vote."""
    from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415 - optional

    return _learn_and_read(KNeighborsClassifier(min(3, len(case.labels))), case)


def decision_tree(case: Digits) -> Labels:
    """Grow one decision tree."""
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415 - optional

    return _learn_and_read(DecisionTreeClassifier(random_state=0), case)


def random_forest(case: Digits) -> Labels:
    """Grow 50 trees and let them vote."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - optional

    return _learn_and_read(RandomForestClassifier(50, random_state=0, n_jobs=1), case)


def logistic_regression(case: Digits) -> Labels:
    """Fit a multinomial logistic regression."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - optional

    return _learn_and_read(LogisticRegression(C=1.0, max_iter=1000), case)


def support_vectors(case: Digits) -> Labels:
    """Fit a support vector machine with a Gaussian kernel."""
    from sklearn.svm import SVC  # noqa: PLC0415 - optional; the first call pays

    return _learn_and_read(SVC(C=10.0, gamma="scale"), case)


def _learn_and_read(model: Any, case: Digits) -> Labels:
    model.fit(case.pixels, case.labels)
    digits: Labels = model.predict(case.validation_pixels)
    return digits


@functools.cache
def _digits() -> tuple[Floats, Labels]:
    """Return all images and their labels; read once per process."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - optional; the first case pays

    pixels, labels = load_digits(return_X_y=True)
    return read_only(pixels / 16.0), read_only(labels.astype(np.int64))
