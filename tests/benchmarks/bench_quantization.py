"""How quickly weights are quantised: beside a plain copy, a peer library, and a second thread.

Everything is measured in turns in one run; ratios are taken within a turn, and shown as the
median over the turns with their range. All on one core, but for the second thread. On a machine
that does other work, too, ``chrt -f 1`` before the command keeps it away (it needs root).
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

import numpy as np

from parbench_lab.workloads.members import is_installed
from parbench_lab.workloads.quantization import Quantized, Scheme, empty, error_sums, quantize
from parbench_lab.workloads.quantization.blocked import quantize_blocks
from parbench_lab.workloads.quantization.definition import quantize_layer
from parbench_lab.workloads.quantization.peers import quantize_with_operators, quantize_with_tool
from parbench_lab.workloads.quantization.quantizer import dequantize, is_compiled, quantize_rows

SHAPE = (2048, 8192)  # 67 MB, beyond any level-3 cache of today but the largest
TURNS = 15
FEW = 5
MANY = 20  # of some ten ms each
PASSES = 6
PAUSE_S = 0.03  # what takes all cores with priority is stopped now and then without pauses
SCHEMES = (
    Scheme(group_size=128), Scheme(group_size=32), Scheme(bits=4), Scheme(bits=4, group_size=128),
    Scheme(bits=4, group_size=32), Scheme(bits=2), Scheme(bits=2, group_size=128),
)  # fmt: skip


def in_turns(calls, turns, *, pause_s=0.0):
    """Return seconds of shape ``(turns, calls)``, in random order within each turn."""
    rng = np.random.default_rng(0)
    seconds = np.empty((turns, len(calls)))
    for call in calls:
        call()
    for turn in range(turns):
        for place in rng.permutation(len(calls)):
            time.sleep(pause_s)
            start = time.perf_counter()
            calls[place]()
            seconds[turn, place] = time.perf_counter() - start
    return seconds


def spread(ratios):
    return f"{np.median(ratios):6.2f} ({ratios.min():.2f} to {ratios.max():.2f})"


def into_blocks(weights, made):
    quantize_blocks(weights, made.scheme, made.codes, made.scales)


def beside_a_copy(weights) -> None:
    """Print what a share of a copy's throughput each reaches, and how much slower than ours."""
    made = empty(weights.shape, Scheme())
    copied = np.empty_like(weights)
    calls = {
        "np.copyto": partial(np.copyto, copied, weights),
        "quantize": partial(quantize_rows, weights, made.scheme, made.codes, made.scales),
        "numpy_blocked": partial(into_blocks, weights, made),
        "numpy_layer": partial(quantize_layer, weights, made.scheme),
    }
    if is_installed("onnx") and is_installed("onnxruntime"):
        calls["onnxruntime tool"] = partial(quantize_with_tool, weights)
        calls["onnxruntime operators"] = partial(quantize_with_operators, weights)
    seconds = in_turns(list(calls.values()), TURNS)
    print(f"{'int8 per channel':>24} {'GB/s in':>8}   of a copy (target 0.35)   times our seconds")
    for place, name in enumerate(calls):
        own = seconds[:, place]
        print(
            f"{name:>24} {weights.nbytes / np.median(own) / 1e9:8.2f}   "
            f"{spread(seconds[:, 0] / own):<24}  {spread(own / seconds[:, 1])}"
        )
    print("  (peer target: at least 2.00 times our seconds; all give the same codes and scales)")


def other_schemes(weights) -> None:
    copied = np.empty_like(weights)
    buffers = [empty(weights.shape, scheme) for scheme in SCHEMES]
    calls = [partial(np.copyto, copied, weights)]
    calls += [partial(quantize_rows, weights, b.scheme, b.codes, b.scales) for b in buffers]
    seconds = in_turns(calls, FEW)
    for place, scheme in enumerate(SCHEMES, start=1):
        print(f"{scheme.name:>24}   of a copy {spread(seconds[:, 0] / seconds[:, place])}")


def other_types(weights) -> None:
    """Print the throughput of types that are converted block by block, over that of float32."""
    bits = (weights.view(np.uint32) >> 16).astype(np.uint16)
    given = {"float32": weights, "float16": weights.astype(np.float16), "bfloat16": bits}
    made = empty(weights.shape, Scheme())
    calls = [partial(quantize, thing, made.scheme, out=made) for thing in given.values()]
    seconds = in_turns(calls, FEW)
    for place, name in enumerate(given):
        print(f"{name:>24}   times float32's seconds {spread(seconds[:, place] / seconds[:, 0])}")


def way_back(weights) -> None:
    for scheme in (Scheme(), Scheme(bits=4, group_size=128)):
        made: Quantized = quantize(weights, scheme)
        restored = np.empty_like(weights)
        calls = [partial(dequantize, made, out=restored), partial(error_sums, weights, made)]
        took = np.median(in_turns(calls, FEW), axis=0)
        restoring, comparing = weights.nbytes / took / 1e9
        print(f"{scheme.name:>24}   dequantize {restoring:.2f} GB/s, errors {comparing:.2f} GB/s")


def beside_gguf(weights) -> None:
    """Print how gguf's Q8_0 compares: per 32, half rounds away from 0, float16 scales inside."""
    if not is_installed("gguf"):
        print("gguf is not installed: not compared")
        return
    from gguf.quants import Q8_0

    made = empty(weights.shape, Scheme(group_size=32))
    calls = [partial(quantize, weights, made.scheme, out=made), lambda: Q8_0.quantize(weights)]
    seconds = in_turns(calls, FEW)
    times = spread(seconds[:, 1] / seconds[:, 0])
    print(f"{'gguf Q8_0':>24}   times our seconds (int8 per 32) {times}")


def second_thread(weights) -> None:
    """Print what a second thread brings: to quantising, to copying, and to reading alone.

    The last two say what the machine's memory allows: where a plain copy gains no more, more
    cannot be had by whatever comes from memory and goes back to it. Each thread has its own half
    of the rows and goes over it `PASSES` times, as over the layers of a model: to wake a thread
    takes some tenths of a millisecond, and would be a tenth of one pass.

    By the clock there is no gain where the two cores are not free. By the processor's time, summed
    over both threads, what is seen anyway is whether they slow each other down.
    """
    copied = np.empty_like(weights)
    works = {"a plain copy": lambda part: np.copyto(copied[part], weights[part])}
    works["reading alone"] = lambda part: weights[part].max()
    for scheme in (Scheme(), Scheme(bits=4, group_size=128)):
        works[scheme.name] = partial(fill, weights, empty(weights.shape, scheme))
    for passes in (PASSES, 1):
        print(f"two threads over one, {passes} pass{'es' if passes > 1 else ''} over the weights:")
        for name, (gains, fastest, by_processor) in gained(works, len(weights), passes).items():
            print(
                f"{name:>24}   {spread(gains)}, fastest over fastest {fastest:.2f}, by processor "
                f"time {by_processor:.2f}"
            )
    print("  (target for int8: 1.70)")


def fill(weights, made, part) -> None:
    quantize_rows(weights[part], made.scheme, made.codes[part], made.scales[part])


def gained(works, rows, passes):
    """Return name to gains turn by turn, fastest over fastest, and gain by processor time."""
    halves = (slice(rows // 2), slice(rows // 2, None))
    with ThreadPoolExecutor(2) as pool:
        calls = []
        for work in works.values():
            calls += [
                partial(go_over, work, halves, passes),
                partial(go_over_together, pool, work, halves, passes),
            ]
        worked = np.empty((MANY, len(calls)))
        noted = [timed_too(call, worked[:, place]) for place, call in enumerate(calls)]
        seconds = in_turns(noted, MANY, pause_s=PAUSE_S)
    found = {}
    for place, name in enumerate(works):
        one, two = seconds[:, 2 * place], seconds[:, 2 * place + 1]
        alone, together = np.median(worked[:, 2 * place : 2 * place + 2], axis=0)
        found[name] = (one / two, one.min() / two.min(), 2 * alone / together)
    return found


def timed_too(call, worked):
    """Return the call that also notes its processor time, turn by turn; the first is practice."""
    turns = itertools.count(-1)

    def noted():
        turn, start = next(turns), time.process_time()
        call()
        if turn >= 0:
            worked[turn] = time.process_time() - start

    return noted


def go_over(work, parts, passes) -> None:
    for _ in range(passes):
        for part in parts:
            work(part)


def go_over_together(pool, work, halves, passes) -> None:
    wait([pool.submit(go_over, work, (half,), passes) for half in halves])


def main() -> None:
    weights = np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)
    print(f"{SHAPE[0]} x {SHAPE[1]} float32, {'numba' if is_compiled() else 'numpy, no numba'}")
    beside_a_copy(weights)
    other_schemes(weights)
    other_types(weights)
    way_back(weights)
    beside_gguf(weights)
    second_thread(weights)
