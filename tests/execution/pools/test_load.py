"""The load of others: ours is taken off."""

import os
import subprocess
import sys

import psutil

from parbench_lab.execution.pools.load import OthersLoad

SPINS = """
import sys, time
while time.process_time() < 0.25:
    pass
print("spun", flush=True)
sys.stdin.readline()
"""


def test_what_our_processes_spend_is_not_what_others_spend():
    with subprocess.Popen(
        [sys.executable, "-c", SPINS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        without = OthersLoad(lambda: [os.getpid()])
        with_child = OthersLoad(lambda: [os.getpid(), child.pid])
        before_s = without._asked_s

        child.stdout.readline()
        others, fewer = without.cores(), with_child.cores()
        passed_s = without._asked_s - before_s
        child.stdin.close()

    # both see the same machine; only the second knows that the child is ours
    assert others * passed_s >= 0.15
    assert (others - fewer) * passed_s >= min(0.15, others * passed_s)


def test_a_process_of_ours_that_ended_spends_nothing():
    gone = subprocess.run([sys.executable, "-c", "pass"], check=True)
    load = OthersLoad(lambda: [os.getpid(), 2**22 + 1])

    assert gone.returncode == 0
    assert not psutil.pid_exists(2**22 + 1)
    assert load.cores() is not None
