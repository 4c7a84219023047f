"""What a caller may give as a model, and how it is called.

An object with the methods of scikit-learn's estimators (no scikit-learn is needed for that), or
a plain function.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parbench_lab.errors import UsageError
from parbench_lab.workloads.ml.chunks import require_count

_METHODS = ("predict", "predict_proba", "decision_function", "transform")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """A fitted model with the method to call; a function is called itself.

    Parameters
    ----------
    model
        An object with the method, or a function ``fn(rows) -> predictions``.
    method
        Name of the method; empty for a function.
    """

    model: Any
    method: str = ""

    def __call__(self, rows: Any) -> Any:
        """Return the model's answers for some rows."""
        return getattr(self.model, self.method)(rows) if self.method else self.model(rows)

    @property
    def label(self) -> str:
        """How errors name it: ``SVC.predict``."""
        return f"{name_of(self.model)}.{self.method}" if self.method else name_of(self.model)

    @property
    def names_classes(self) -> bool:
        """Whether its answers are labels of classes rather than quantities."""
        return self.method == "predict" and hasattr(self.model, "classes_")


def predictor(
    model: Any, method: str | None = None, *, prefer: tuple[str, ...] = ("predict",)
) -> Predictor:
    """Return how a model is asked.

    Parameters
    ----------
    model
        An object with methods, or a function ``fn(rows) -> predictions``.
    method
        The method to call; None for the first of `prefer` that it has.
    prefer
        In order.

    Raises
    ------
    UsageError
        If the model has not the method, or none, and cannot be called either.

    Examples
    --------
    >>> predictor(abs).label, predictor(abs)(-1.0)
    ('abs', 1.0)
    """
    if method is not None:
        if not callable(getattr(model, method, None)):
            has = [name for name in _METHODS if hasattr(model, name)]
            raise UsageError(
                f"model {name_of(model)}: has no method {method!r}; "
                f"it has {', '.join(has) or 'none of ' + ', '.join(_METHODS)}"
            )
        return Predictor(model=model, method=method)
    for name in prefer:
        if callable(getattr(model, name, None)) and not isinstance(model, type):
            return Predictor(model=model, method=name)
    if callable(model) and not isinstance(model, type):
        return Predictor(model=model)
    raise UsageError(
        f"model {name_of(model)}: has no {' or '.join(prefer)} and cannot be called; "
        "give one that is fitted, or a function of the rows"
    )


def fresh_model(model: Any, parameters: Mapping[str, Any], seed: int) -> Any:
    """Return an unfitted model of one's own, its randomness seeded.

    Parameters
    ----------
    model
        An estimator, which is copied unfitted (its ``random_state`` is set where it is None), or a
        function or class that makes one from the parameters.
    parameters
        What to set; may be empty.
    seed
        For a ``random_state`` that is None, 0 to 2**32 - 1: without it no two fits are alike.

    Raises
    ------
    UsageError
        If it is neither, or parameters are given and cannot be set.
    """
    if isinstance(model, type) or not hasattr(model, "fit"):
        if not callable(model):
            raise UsageError(
                f"model {name_of(model)}: has no fit; give an estimator, or a function that "
                "makes one from the parameters"
            )
        made = model(**parameters)
    else:
        made = _unfitted(model)
        if parameters:
            _require_settable(made)
            made.set_params(**parameters)
    _seed(made, seed)
    return made


def name_of(model: Any) -> str:
    """Return a model's name for titles and errors.

    Examples
    --------
    >>> name_of(name_of), name_of(3.5)
    ('name_of', 'float')
    """
    return str(getattr(model, "__name__", None) or type(model).__name__)


def seed_sequence(seed: int, *key: int) -> np.random.SeedSequence:
    """Return the seeds of one part: the same as ``SeedSequence(seed).spawn`` gives its child.

    Raises
    ------
    UsageError
        If the seed is no whole number from 0 on.

    Examples
    --------
    >>> child = np.random.SeedSequence(7).spawn(3)[2]
    >>> (seed_sequence(7, 2).generate_state(2) == child.generate_state(2)).all()
    np.True_
    """
    require_count(seed, name="seed", least=0)
    return np.random.SeedSequence(int(seed), spawn_key=key)


def _unfitted(model: Any) -> Any:
    if hasattr(model, "get_params"):
        try:
            from sklearn.base import clone  # noqa: PLC0415 - optional; only its users have it
        except ImportError:
            pass
        else:
            return clone(model)
    return copy.deepcopy(model)


def _require_settable(model: Any) -> None:
    if not hasattr(model, "set_params"):
        raise UsageError(
            f"model {name_of(model)}: has no set_params; give a function that makes one from "
            "the parameters"
        )


def _seed(model: Any, seed: int) -> None:
    if not (hasattr(model, "get_params") and hasattr(model, "set_params")):
        return
    open_states = {
        name: seed
        for name, value in sorted(model.get_params(deep=True).items())
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }
    if open_states:
        model.set_params(**open_states)


Scoring = str | Callable[[Any, Any, Any], float] | None
"""How a fitted model is scored: its own ``score``, a scorer of scikit-learn by name, or
``fn(model, rows, targets) -> float``; higher is better."""


def score_of(model: Any, rows: Any, targets: Any, scoring: Scoring) -> float:
    """Return one finite score.

    Raises
    ------
    UsageError
        If the model has no score of its own, the name is not known, or the score is no finite
        number.
    """
    value = scorer_of(model, scoring)(model, rows, targets)
    try:
        score = float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"scoring must return a number but returned {value!r}") from error
    if not np.isfinite(score):
        raise UsageError(f"scoring must return a finite number but returned {score}")
    return score


def scorer_of(model: Any, scoring: Scoring) -> Callable[[Any, Any, Any], Any]:
    """Return the function that scores a fitted model.

    Raises
    ------
    UsageError
        If there is none.
    """
    if scoring is None:
        if not hasattr(model, "score"):
            raise UsageError(
                f"model {name_of(model)}: has no score; give scoring=fn(model, rows, targets)"
            )
        return _own_score
    if callable(scoring):
        return scoring
    try:
        from sklearn.metrics import get_scorer  # noqa: PLC0415 - optional; only its users have it

        found: Callable[[Any, Any, Any], Any] = get_scorer(scoring)
    except ImportError as error:
        raise UsageError(
            f"scoring {scoring!r}: the names are scikit-learn's, which is not installed; "
            "give fn(model, rows, targets)"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"scoring {scoring!r}: not found; give a name of sklearn.metrics.get_scorer_names() "
            "or fn(model, rows, targets)"
        ) from error
    return found


def _own_score(model: Any, rows: Any, targets: Any) -> Any:
    return model.score(rows, targets)
