"""What is measured in a quantisation study, and what one run of it took. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from parbench_lab.core.given import MOST_WORKERS, checked_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One way to quantise one model.

    Parameters
    ----------
    model
        Its name.
    title
        The name with the true number of parameters: a name may promise more.
    n_weights
        How many weights are quantised.
    scheme
        In words, ``"int8 per channel"``.
    threads
        That work at the same time.
    streaming
        Whether a bounded number of pieces is in memory, rather than the whole model.

    Raises
    ------
    UsageError
        If the number of threads is no whole number, or out of range.
    """

    model: str
    title: str
    n_weights: int
    scheme: str
    threads: int
    streaming: bool = False

    def __post_init__(self) -> None:
        checked_threads(self.threads)

    @property
    def mode(self) -> str:
        """``"streaming"`` or ``"batch"``."""
        return "streaming" if self.streaming else "batch"

    @property
    def name(self) -> str:
        """All of it in words; the store keeps its figures under this name.

        Examples
        --------
        >>> Configuration(model="tiny", title="tiny (64 parameters)", n_weights=64,
        ...               scheme="int8 per channel", threads=2).name
        'tiny (64 parameters), int8 per channel, batch, 2 threads'
        """
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.title}, {self.scheme}, {self.mode}, {threads}"


def checked_threads(threads: int) -> int:
    """Return a number of threads.

    Raises
    ------
    UsageError
        If it is no whole number from 1 to `MOST_WORKERS`.
    """
    return checked_count(threads, "threads", most=MOST_WORKERS, hint=" (--cores, --threads)")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationRun:
    """One run of a configuration in a fresh process.

    Parameters
    ----------
    configuration, repetition
        Which; repetitions count from 0, and in each all configurations of a model are measured,
        in random order.
    outcome
        ``"ok"``, ``"failed"``, ``"killed"``, or ``"differs"`` (its file is not the first one's).
    time_s
        Wall time from the first byte read to the last one written; None unless it ended.
    read_s, compute_s, write_s
        Of it reading, quantising and writing; None where they happen at the same time.
    baseline_memory_bytes
        Resident memory of the process with interpreter and libraries loaded and the kernel
        compiled, before a weight is read: the same in both modes, so without the model.
    peak_memory_bytes
        Largest resident memory while it ran.
    digest
        Of the file it wrote.
    message
        Why it failed, in one line.
    """

    configuration: Configuration
    repetition: int
    outcome: str
    time_s: float | None = None
    read_s: float | None = None
    compute_s: float | None = None
    write_s: float | None = None
    baseline_memory_bytes: int | None = None
    peak_memory_bytes: int | None = None
    digest: str = ""
    message: str = ""

    @property
    def ok(self) -> bool:
        """Whether its figures count."""
        return self.outcome == "ok" and self.time_s is not None

    @property
    def quantization_memory_bytes(self) -> int | None:
        """The peak less the loaded baseline: weights, codes and buffers; at least 1.

        In batch mode that is the whole model and its result, in streaming mode what is in flight.
        """
        if self.peak_memory_bytes is None or self.baseline_memory_bytes is None:
            return None
        return max(1, self.peak_memory_bytes - self.baseline_memory_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelError:
    """What the weights of a model lost, over all tensors that were looked at.

    Parameters
    ----------
    title, scheme
        Which model, how quantised.
    cosine, relative_l2
        Between weights and restored weights.
    worst, worst_relative_l2
        The tensor that lost the most.
    n_looked_at, n_weights
        Weights that were compared, of how many: of large models some tensors, evenly spread.
    """

    title: str
    scheme: str
    cosine: float
    relative_l2: float
    worst: str
    worst_relative_l2: float
    n_looked_at: int
    n_weights: int
