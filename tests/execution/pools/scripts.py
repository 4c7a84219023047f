"""Scripts that a user might write: no guard, functions of the script itself."""

PLAIN = """
import numpy as np
from parbench_lab.execution.pools import open_pool

print("imported", flush=True)
weights = np.ones(300_000)
offset = 3

def part(number):
    return float(weights.sum()) * number + offset

for n_workers in (1, 1):
    pool = open_pool({backend!r}, n_workers)
    print(list(pool.map(part, range(2))), list(pool.map(lambda n: n + offset, [1])), flush=True)
    pool.close()
"""

INTERRUPTED = """
import os, pathlib, sys
import psutil
from parbench_lab.execution.pools import open_pool

def endless(number):
    while number:
        pass

pool = open_pool({backend!r}, 2)
print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
results = pool.map(endless, [0, 1, 1, 1])
next(results)
{rest}
"""

LETS_IT_PASS = """
print("mapping", flush=True)
next(results)
"""
CLOSES = """
try:
    print("mapping", flush=True)  # in here: the interrupt comes as soon as this is read
    next(results)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    pool.close()
    print(psutil.Process().children(recursive=True), flush=True)
    input()
"""
WAITS = """
print("mapping", flush=True)
input()
"""
