"""A small neural network in numpy: something real to take gradients of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Network = dict[str, Floats]


def initial_network(
    n_inputs: int, n_hidden: int, n_outputs: int, rng: np.random.Generator
) -> Network:
    """Return the weights of a network with one hidden layer, scaled as He et al. (2015) do.

    Parameters
    ----------
    n_inputs, n_hidden, n_outputs
        Columns of the data, hidden units, classes.
    rng
        Where the weights are drawn from.

    Examples
    --------
    >>> network = initial_network(64, 32, 10, np.random.default_rng(0))
    >>> {name: weights.shape for name, weights in network.items()}
    {'hidden': (64, 32), 'hidden_bias': (32,), 'output': (32, 10), 'output_bias': (10,)}
    """
    return {
        "hidden": rng.standard_normal((n_inputs, n_hidden)) * np.sqrt(2 / n_inputs),
        "hidden_bias": np.zeros(n_hidden),
        "output": rng.standard_normal((n_hidden, n_outputs)) * np.sqrt(2 / n_hidden),
        "output_bias": np.zeros(n_outputs),
    }


def network_gradient(network: Network, rows: Floats, targets: Labels) -> Network:
    """Return the gradient of the mean cross-entropy over some rows, by back-propagation.

    Parameters
    ----------
    network
        As `initial_network` makes it; rectified hidden units, softmax output.
    rows
        Shape ``(n, n_inputs)``.
    targets
        Shape ``(n,)``, classes from 0.

    References
    ----------
    .. [1] Rumelhart, Hinton, Williams (1986), Learning representations by back-propagating
       errors, Nature 323.
    """
    hidden, probabilities = _forward(network, rows)
    error = probabilities
    error[np.arange(len(targets)), targets] -= 1.0
    error /= len(targets)
    back = (error @ network["output"].T) * (hidden > 0)
    return {
        "hidden": rows.T @ back,
        "hidden_bias": back.sum(axis=0),
        "output": hidden.T @ error,
        "output_bias": error.sum(axis=0),
    }


def network_loss(network: Network, rows: Floats, targets: Labels) -> float:
    """Return the mean cross-entropy in nats over some rows; arguments as `network_gradient`."""
    _, probabilities = _forward(network, rows)
    return float(-np.mean(np.log(probabilities[np.arange(len(targets)), targets])))


def _forward(network: Network, rows: Floats) -> tuple[Floats, Floats]:
    """Return the hidden units and the probability of each class."""
    hidden = np.maximum(rows @ network["hidden"] + network["hidden_bias"], 0.0)
    scores = hidden @ network["output"] + network["output_bias"]
    scores -= scores.max(axis=1, keepdims=True)  # exp cannot overflow
    odds = np.exp(scores)
    return hidden, odds / odds.sum(axis=1, keepdims=True)
