"""Layer shapes of the models that are quantised: synthetic ones, as large as their names say.

All but ``7B``: that is the name under which 200 layers of (2048, 8192) were first reported, which
hold 3.36 billion parameters, so its name never stands without that figure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from parbench_lab.errors import UnknownNameError, UsageError

BYTES_PER_WEIGHT = 4
"""Of the float32 that synthetic weights are kept in."""

MOST_LAYERS = 100_000
"""Of a model by its form: each becomes an entry in memory before anything is measured."""

_FORM = re.compile(r"(?P<layers>\d{1,18})x(?P<rows>\d{1,18})x(?P<columns>\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """Shapes of the weight matrices of a model, in order.

    Parameters
    ----------
    name
        As it is asked for.
    matrices
        (rows, columns) of each layer; rows are output channels.
    about
        What the name hides, in words; "" for nothing.

    Raises
    ------
    UsageError
        If there is no layer, or one has no weights.
    """

    name: str
    matrices: tuple[tuple[int, int], ...]
    about: str = ""

    def __post_init__(self) -> None:
        if not self.matrices or any(min(shape) < 1 for shape in self.matrices):
            raise UsageError(f"model {self.name!r}: needs layers of at least 1 x 1")

    @property
    def n_weights(self) -> int:
        """How many parameters there are."""
        return sum(rows * columns for rows, columns in self.matrices)

    @property
    def n_bytes(self) -> int:
        """Bytes of all weights in float32."""
        return BYTES_PER_WEIGHT * self.n_weights

    @property
    def title(self) -> str:
        """The name with the number of parameters, and what it hides.

        Examples
        --------
        >>> SYNTHETIC["7B"].title
        '7B (3.36 B parameters, not 7 B)'
        """
        return titled(self.name, self.n_weights, self.about)


def titled(name: str, n_weights: int, about: str = "") -> str:
    """Return a model's name with its number of parameters.

    Examples
    --------
    >>> titled("600M", 629_145_600), titled("tiny", 500)
    ('600M (629 M parameters)', 'tiny (500 parameters)')
    """
    return f"{name} ({parameters_in_words(n_weights)} parameters{about and ', ' + about})"


def parameters_in_words(n_weights: int) -> str:
    """Return a number of parameters as it is commonly said.

    Examples
    --------
    >>> [parameters_in_words(n) for n in (104_857_600, 629_145_600, 3_355_443_200, 16_384)]
    ['104.9 M', '629 M', '3.36 B', '16.4 k']
    """
    if n_weights >= 1_000_000_000:
        return f"{n_weights / 1e9:.2f} B"
    if n_weights >= 1_000_000:
        return f"{n_weights / 1e6:.4g} M" if n_weights < 2e8 else f"{n_weights / 1e6:.0f} M"
    return f"{n_weights / 1e3:.1f} k" if n_weights >= 1000 else str(n_weights)


def _uniform(name: str, layers: int, rows: int, columns: int, about: str = "") -> ModelShape:
    return ModelShape(name=name, matrices=((rows, columns),) * layers, about=about)


def _true_7b() -> ModelShape:
    """Return the matrices of a language model of this size, LLaMA 7B's.

    H. Touvron et al., "LLaMA: Open and Efficient Foundation Language Models", 2023, table 2:
    dimension 4096, 32 layers; its feed-forward matrices are 11008 wide, its vocabulary is 32000.
    """
    block = ((4096, 4096),) * 4 + ((11008, 4096), (11008, 4096), (4096, 11008))
    return ModelShape(name="7B-true", matrices=((32000, 4096), *block * 32, (32000, 4096)))


SYNTHETIC = {
    shape.name: shape
    for shape in (
        _uniform("100M", 50, 512, 4096),
        _uniform("600M", 100, 1024, 6144),
        _uniform("7B", 200, 2048, 8192, about="not 7 B"),
        _true_7b(),
    )
}
COMPARISON = _uniform("100x1024x4096", 100, 1024, 4096)
"""What batch and streaming are compared on."""


def model_shape(name: str) -> ModelShape:
    """Return the synthetic model of that name.

    Parameters
    ----------
    name
        One of `SYNTHETIC`, or ``LAYERSxROWSxCOLUMNS`` with at most `MOST_LAYERS` layers.

    Raises
    ------
    UnknownNameError
        If there is none.
    UsageError
        If it has no weights, or too many layers.

    Examples
    --------
    >>> model_shape("100M").title, model_shape("2x64x256").n_weights
    ('100M (104.9 M parameters)', 32768)
    """
    known = isinstance(name, str)  # a number, as 600, has no form to look for
    if known and name in SYNTHETIC:
        return SYNTHETIC[name]
    found = _FORM.fullmatch(name) if known else None
    if found is None:
        raise UnknownNameError(
            f"model size {name!r}: not found; there are "
            f"{', '.join(shape.title for shape in SYNTHETIC.values())}, "
            "or LAYERSxROWSxCOLUMNS such as 50x512x4096"
        )
    layers, rows, columns = map(int, found.groups())
    if layers > MOST_LAYERS:
        raise UsageError(f"model size {name!r}: has more than {MOST_LAYERS:,} layers")
    return _uniform(name, layers, rows, columns)
