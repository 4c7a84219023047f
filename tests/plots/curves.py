"""Scaling curves that follow a law exactly, or with noise of a fixed seed."""

from __future__ import annotations

import numpy as np

from parbench_lab.analysis.curve import ScalingCurve
from parbench_lab.analysis.laws import gustafson_speedup, usl_speedup
from parbench_lab.analysis.trial import Trial

LEVELS = (1, 2, 4, 8, 16)


def strong(*, alpha=0.1, beta=0.0, levels=LEVELS, cores=16, noise=0.0, repeats=2, seed=0, **more):
    """Return a curve of the USL; Amdahl's law with beta 0."""
    rng = np.random.default_rng(seed)
    trials = [
        trial(n, repetition, usl_time(n, alpha, beta), noise=noise, rng=rng)
        for repetition in range(repeats)
        for n in levels
    ]
    return made(trials, cores=cores, **more)


def weak(*, serial=0.2, levels=LEVELS, cores=16):
    """Return a curve of Gustafson's law: the work grows with the workers."""
    rng = np.random.default_rng(0)
    trials = [trial(n, 0, gustafson_time(n, serial), rng=rng, size=100 * n) for n in levels]
    return made(trials, cores=cores, mode="weak")


def usl_time(workers, alpha, beta):
    return 1.0 / usl_speedup(alpha=alpha, beta=beta, workers=workers)


def gustafson_time(workers, serial):
    return workers / gustafson_speedup(serial_fraction=serial, workers=workers)


def trial(workers, repetition, time_s, *, rng, noise=0.0, size=100):
    return Trial(
        repetition=repetition,
        workers=workers,
        size=size,
        outcome="ok",
        time_s=float(time_s * np.exp(rng.normal(0, noise))),
        peak_memory_bytes=2**20,
        digest="same",
    )


def made(trials, **about):
    given = {"name": "job", "backend": "threads", "unit": "items", **about}
    return ScalingCurve(trials=tuple(trials), **given)
