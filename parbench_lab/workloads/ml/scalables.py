"""Every operation as a job whose time is measured over worker counts, on real data.

The data ship with scikit-learn: handwritten digits (1797 images of 8 x 8 pixels, here also
enlarged to 64 x 64) and the Wisconsin breast cancer measurements (569 rows of 30). Items beyond
these are drawn from them again. The models are fitted while a case is made, outside the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.core.scalable import Map, Scalable
from parbench_lab.errors import UsageError
from parbench_lab.workloads.members import is_installed
from parbench_lab.workloads.ml import datasets
from parbench_lab.workloads.ml.ensembles import EnsembleAggregation, ensemble_predict
from parbench_lab.workloads.ml.gradients import aggregate_gradients, gradient_computation
from parbench_lab.workloads.ml.inference import batch_inference, batch_inference_with_uncertainty
from parbench_lab.workloads.ml.network import Network, initial_network, network_gradient
from parbench_lab.workloads.ml.preparation import data_augmentation, feature_extraction, preprocess
from parbench_lab.workloads.ml.training import cross_validation, grid_search

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """What an operation is given.

    Parameters
    ----------
    model
        A fitted model, an unfitted one to validate, a list of them, or weights.
    data
        Its rows.
    targets
        What they should give, where the operation needs it.
    options
        What the operation calls by a name of its own: the grid, the splits.
    chunk_size
        Rows per part; None for the operations' own choice, which does not look at the workers.
    """

    model: Any
    data: Any
    targets: Any = None
    options: Any = None
    chunk_size: int | None = None


def ml_scalables(*, chunk_size: int | None = None) -> Mapping[str, Scalable]:
    """Return the operations as scalable jobs, by their names.

    Parameters
    ----------
    chunk_size
        Rows per part, for all that cut rows; None for their own choice.

    Raises
    ------
    UsageError
        If scikit-learn is not installed.

    Examples
    --------
    >>> list(ml_scalables())[:3]
    ['batch_inference', 'batch_inference_with_uncertainty', 'preprocess']
    """
    if not is_installed("sklearn"):
        raise UsageError(
            "the data of the machine-learning operations come with scikit-learn, which is not "
            "installed: pip install 'parbench_lab[workloads]'"
        )
    if chunk_size is None:
        return _SCALABLES
    return MappingProxyType(
        {name: with_chunk_size(job, chunk_size) for name, job in _SCALABLES.items()}
    )


def with_chunk_size(scalable: Scalable, chunk_size: int) -> Scalable:
    """Return one of these jobs with its rows cut otherwise."""
    recut: Scalable = replace(
        scalable, make_case=_Cut(make_case=scalable.make_case, chunk_size=chunk_size)
    )
    return recut


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """Makes the same cases, cut otherwise."""

    make_case: Any
    chunk_size: int

    def __call__(self, size: int, rng: np.random.Generator) -> Job:
        job: Job = self.make_case(size, rng)
        return replace(job, chunk_size=self.chunk_size)


def read_digits_job(size: int, rng: np.random.Generator) -> Job:
    """Return a fitted support vector machine and `size` digits it has not seen."""
    from sklearn.svm import SVC  # noqa: PLC0415 - optional; making the first case pays

    pixels, labels = datasets.digits_to_learn()
    return Job(model=SVC(C=10.0).fit(pixels, labels), data=datasets.digits_to_read(size, rng))


def run_batch_inference(job: Job, *, map: Map) -> Any:
    """Return the digit of every image."""
    return batch_inference(job.model, job.data, chunk_size=job.chunk_size, map=map)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DropoutNetwork:
    """A network with half of its hidden units left out at random in every prediction.

    References
    ----------
    .. [1] Gal, Ghahramani (2016), Dropout as a Bayesian approximation, ICML.
    """

    network: Network

    def __call__(self, rows: Floats, rng: np.random.Generator) -> Floats:
        """Return one draw of the scores of each class."""
        weights = self.network
        hidden = np.maximum(rows @ weights["hidden"] + weights["hidden_bias"], 0.0)
        hidden *= rng.random(hidden.shape, dtype=np.float32) < 0.5
        return np.asarray(2.0 * hidden @ weights["output"] + weights["output_bias"])


def uncertain_digits_job(size: int, rng: np.random.Generator) -> Job:
    """Return a network with dropout, trained by a few steps, and `size` digits."""
    network = initial_network(64, 128, 10, rng)
    pixels, labels = datasets.digits_to_learn()
    for _ in range(20):
        slope = network_gradient(network, pixels, labels)
        network = {name: weights - 0.5 * slope[name] for name, weights in network.items()}
    return Job(model=DropoutNetwork(network=network), data=datasets.digits_to_read(size, rng))


def run_uncertainty(job: Job, *, map: Map) -> Floats:
    """Return mean, deviation, low and high of the scores over 30 draws."""
    found = batch_inference_with_uncertainty(
        job.model, job.data, chunk_size=job.chunk_size, map=map
    )
    return np.stack([found.mean, found.std, found.low, found.high])


def preprocess_job(size: int, rng: np.random.Generator) -> Job:
    """Return fitted steps (standardising, 300 features of a kernel) and `size` rows."""
    from sklearn.kernel_approximation import Nystroem  # noqa: PLC0415 - optional
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - optional
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415 - optional

    rows, _ = datasets.cell_measurements()
    features = Nystroem(gamma=0.01, n_components=300, random_state=0, n_jobs=1)
    steps = make_pipeline(StandardScaler(), features).fit(rows)
    return Job(model=steps, data=rows[rng.integers(0, len(rows), size)])


def run_preprocess(job: Job, *, map: Map) -> Any:
    """Return the rows transformed."""
    return preprocess(job.data, job.model, chunk_size=job.chunk_size, map=map)


def gradient_job(size: int, rng: np.random.Generator) -> Job:
    """Return a network with 512 hidden units and `size` labelled digits."""
    pixels, labels = datasets.digits()
    drawn = rng.integers(0, len(labels), size)
    network = initial_network(64, 512, 10, rng)
    return Job(model=network, data=pixels[drawn], targets=labels[drawn])


def run_gradient(job: Job, *, map: Map) -> Network:
    """Return the gradient over all digits; its aggregation is the barrier of a training step."""
    parts = gradient_computation(
        network_gradient, job.model, job.data, job.targets, chunk_size=job.chunk_size, map=map
    )
    found: Network = aggregate_gradients(parts)
    return found


def cross_validation_job(size: int, rng: np.random.Generator) -> Job:
    """Return a forest to validate on the digits, over `size` folds of a repeated 5-fold split."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - optional

    pixels, labels = datasets.digits()
    return Job(
        model=RandomForestClassifier(10, random_state=0, n_jobs=1),
        data=pixels,
        targets=labels,
        options=datasets.repeated_folds(labels, size, rng),
    )


def run_cross_validation(job: Job, *, map: Map) -> Floats:
    """Return the score of each fold."""
    found = cross_validation(job.model, job.data, job.targets, splits=job.options, map=map)
    return np.array(found.scores)


def grid_search_job(size: int, rng: np.random.Generator) -> Job:
    """Return a support vector machine, `size` penalties to try, and 450 digits."""
    from sklearn.svm import SVC  # noqa: PLC0415 - optional

    pixels, labels = datasets.digits()
    drawn = rng.permutation(len(labels))[:450]
    penalties = np.logspace(-1, 2, size).tolist()
    return Job(
        model=SVC(),
        data=pixels[drawn],
        targets=labels[drawn],
        options={"C": penalties},
    )


def run_grid_search(job: Job, *, map: Map) -> Floats:
    """Return the scores of every configuration on 3 folds."""
    found = grid_search(job.model, job.options, job.data, job.targets, n_folds=3, map=map)
    return np.array([trial.scores for trial in found.trials])


def ensemble_job(size: int, rng: np.random.Generator) -> Job:
    """Return four fitted classifiers and `size` digits they have not seen."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - optional
    from sklearn.naive_bayes import GaussianNB  # noqa: PLC0415 - optional
    from sklearn.svm import SVC  # noqa: PLC0415 - optional

    kinds = (
        LogisticRegression(max_iter=1000),
        GaussianNB(var_smoothing=1e-2),
        SVC(C=10.0, kernel="poly"),
        SVC(C=10.0),
    )
    pixels, labels = datasets.digits_to_learn()
    models = [kind.fit(pixels, labels) for kind in kinds]
    return Job(model=models, data=datasets.digits_to_read(size, rng))


def run_ensemble(job: Job, *, map: Map) -> Any:
    """Return the digit that most models name."""
    return ensemble_predict(
        job.model,
        job.data,
        aggregation=EnsembleAggregation.VOTE,
        chunk_size=job.chunk_size,
        map=map,
    )


def images_job(size: int, rng: np.random.Generator) -> Job:
    """Return `size` digits enlarged to 64 x 64 pixels."""
    return Job(model=None, data=datasets.large_digits(size, rng))


def run_augmentation(job: Job, *, map: Map) -> Floats:
    """Return one varied copy of every image."""
    found = data_augmentation(job.data, keep_originals=False, chunk_size=job.chunk_size, map=map)
    return found.data


def run_features(job: Job, *, map: Map) -> Any:
    """Return histograms of edges of every image."""
    return feature_extraction(job.data, chunk_size=job.chunk_size, map=map)


_SCALABLES: Mapping[str, Scalable] = MappingProxyType(
    {
        job.name: replace(job, libraries=("sklearn",))
        for job in (
            Scalable(
                name="batch_inference",
                run=run_batch_inference,
                make_case=read_digits_job,
                default_size=10_000,
                unit="images",
                cut=with_chunk_size,
            ),
            Scalable(
                name="batch_inference_with_uncertainty",
                run=run_uncertainty,
                make_case=uncertain_digits_job,
                default_size=10_000,
                unit="images",
                cut=with_chunk_size,
            ),
            Scalable(
                name="preprocess",
                run=run_preprocess,
                make_case=preprocess_job,
                default_size=20_000,
                unit="rows",
                cut=with_chunk_size,
            ),
            Scalable(
                name="gradient_computation",
                run=run_gradient,
                make_case=gradient_job,
                default_size=20_000,
                unit="images",
                cut=with_chunk_size,
            ),
            Scalable(
                name="cross_validation",
                run=run_cross_validation,
                make_case=cross_validation_job,
                default_size=16,
                unit="folds",
            ),
            Scalable(
                name="grid_search",
                run=run_grid_search,
                make_case=grid_search_job,
                default_size=16,
                unit="configurations",
            ),
            Scalable(
                name="ensemble_predict",
                run=run_ensemble,
                make_case=ensemble_job,
                default_size=3_000,
                unit="images",
                cut=with_chunk_size,
            ),
            Scalable(
                name="data_augmentation",
                run=run_augmentation,
                make_case=images_job,
                default_size=2_000,
                unit="images",
                cut=with_chunk_size,
            ),
            Scalable(
                name="feature_extraction",
                run=run_features,
                make_case=images_job,
                default_size=2_000,
                unit="images",
                cut=with_chunk_size,
            ),
        )
    }
)
