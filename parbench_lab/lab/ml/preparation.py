"""Data made ready in parallel: preprocessing, augmentation, features."""

from __future__ import annotations

from typing import Any

from parbench_lab.lab.ml.pools import carried_out, chunk_size_of
from parbench_lab.workloads.ml.config import ParallelConfig
from parbench_lab.workloads.ml.preparation import (
    Augment,
    Augmented,
    data_augmentation,
    feature_extraction,
    preprocess,
)


def parallel_preprocess(
    data: Any, transform: Any = None, *, config: ParallelConfig | None = None
) -> Any:
    """Return the rows transformed, in their order.

    Parameters
    ----------
    data
        Rows: an array, a sparse matrix, a pandas object or a list.
    transform
        A fitted transformer, a function ``fn(rows) -> rows``, or a list of them, done one after
        the other. None: every column is brought to mean 0 and standard deviation 1 (a constant
        one to 0).
    config
        Workers, chunk size and backend; None: as many threads as cores.

    Raises
    ------
    UsageError
        If there are no rows, a step cannot be called or changes the number of rows, or columns to
        be standardised are no finite numbers.

    Examples
    --------
    >>> parallel_preprocess([[1.0, 5.0], [3.0, 5.0]]).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    return carried_out(
        preprocess, data, transform, chunk_size=chunk_size_of(config), config=config
    )


def parallel_feature_extraction(
    data: Any, extract: Any = None, *, config: ParallelConfig | None = None
) -> Any:
    """Return the features of all rows, in their order.

    Parameters
    ----------
    data
        Rows: an array, a sparse matrix, a pandas object or a list (of texts, say).
    extract
        A fitted transformer, a function ``fn(rows) -> features`` (one row each), or a list of
        them, whose features are put side by side. None: `image_features`, for images of shape
        ``(n, height, width)``.
    config
        Workers, chunk size and backend; None: as many threads as cores.

    Raises
    ------
    UsageError
        If there are no rows, or an extractor cannot be called or returns another number of rows.

    Examples
    --------
    >>> import numpy as np
    >>> parallel_feature_extraction(np.zeros((3, 8, 8))).shape
    (3, 128)
    """
    return carried_out(
        feature_extraction, data, extract, chunk_size=chunk_size_of(config), config=config
    )


def parallel_data_augmentation(
    data: Any,
    targets: Any = None,
    *,
    augment: Augment | None = None,
    copies: int = 1,
    keep_originals: bool = True,
    seed: int = 0,
    config: ParallelConfig | None = None,
) -> Augmented:
    """Return the data with varied copies of every row.

    Parameters
    ----------
    data
        Items along the first axis, e.g. images of shape ``(n, height, width)``.
    targets
        One per item, repeated with it; may be left out.
    augment
        ``fn(item, rng) -> item`` of the same shape. None: `jitter_image`, for images.
    copies
        Of every item, at least 1.
    keep_originals
        Whether they come first in the result.
    seed
        Every copy of every item draws from its own child of it, so the result depends on nothing
        else: not on workers, nor on chunks.
    config
        Workers, chunk size and backend; None: as many threads as cores.

    Raises
    ------
    UsageError
        If there are no items, not one target per item, no positive number of copies, or the
        copies are not of the items' shape.

    Examples
    --------
    >>> import numpy as np
    >>> found = parallel_data_augmentation(np.zeros((5, 8, 8)), np.arange(5), copies=2)
    >>> found.data.shape, found.targets.shape
    ((15, 8, 8), (15,))
    """
    return carried_out(
        data_augmentation,
        data,
        targets,
        augment=augment,
        copies=copies,
        keep_originals=keep_originals,
        seed=seed,
        chunk_size=chunk_size_of(config),
        config=config,
    )
