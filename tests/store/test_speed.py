from __future__ import annotations

import time

from parbench_lab.store import open_store
from tests.store.records import event, header


def test_twenty_thousand_measurements_a_second_are_within_one_core(tmp_path):
    store = open_store(tmp_path / "runs.db")
    store.create_run(header("a"))
    batches = [[event(seq, n_measurements=300)] for seq in range(40)]

    # processor time: what other processes do meanwhile is not the store's doing
    begin_ns = time.process_time_ns()
    for batch in batches:
        store.append("a", batch)
    spent_s = (time.process_time_ns() - begin_ns) * 1e-9
    store.close()

    assert 40 * 300 / spent_s >= 20_000
