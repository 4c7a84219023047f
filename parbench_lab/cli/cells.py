"""Text in a terminal, measured in its cells."""

from __future__ import annotations


def cells(text: str) -> int:
    """Return how many cells of a terminal a printable text takes; wide letters take two.

    Examples
    --------
    >>> cells("abc"), cells("測試")
    (3, 4)
    """
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - rarely needed

    return cell_len(text)


def fitted(text: str, n_cells: int, *, right: bool = False) -> str:
    """Return a text of exactly `n_cells` cells: filled with blanks, or cut with an ellipsis.

    Examples
    --------
    >>> fitted("ab", 4), fitted("ab", 4, right=True), fitted("abcdef", 4)
    ('ab  ', '  ab', 'abc…')
    """
    excess = cells(text) - n_cells
    if excess <= 0:
        blanks = " " * -excess
        return blanks + text if right else text + blanks
    if text.isascii():
        return text[: n_cells - 1] + "…"
    from rich.cells import set_cell_size  # noqa: PLC0415 - rarely needed

    return set_cell_size(text, n_cells - 1) + "…"
