"""Races whose name was lost: who still runs can be asked, a second one is told of the first."""

from __future__ import annotations

import parbench_lab as pb
from tests.chaos.candidates import Summing, good, slower
from tests.panel.races import scripted_race


def local_race():
    return pb.ParallelBenchmarking(
        [good, slower], Summing(), store=":memory:", n_workers=1, policy="never"
    )


def test_a_race_is_among_the_running_ones_from_its_start_to_its_end():
    bench = scripted_race(policy="never")
    before = pb.running_races()

    bench.start()
    meanwhile = pb.running_races()
    bench.close()

    assert bench not in before
    assert bench in meanwhile
    assert bench not in pb.running_races()


def test_a_second_local_race_names_the_first_which_can_be_ended_without_its_name():
    first = local_race()
    first.start()
    with local_race() as second:
        second.start()
        first_id = first.run_id
        for race in pb.running_races()[:-1]:
            race.close()

        assert second.wait("first_rows", timeout_s=120)
        assert second.running

    assert not first.running
    (told,) = [line for line in second.log if "of this kernel still running" in line]
    assert first_id in told
    assert not any("still running" in line for line in first.log)


def test_a_race_beside_one_that_is_not_on_this_machine_is_told_nothing():
    with scripted_race(policy="never") as elsewhere, scripted_race() as second:
        elsewhere.start()

        second.run_continuous_optimization(max_seconds=1)

    assert not any("still running" in line for line in second.log)


def test_a_race_says_what_it_is_in_one_line():
    bench = scripted_race()
    before = repr(bench)

    with bench:
        result = bench.run_continuous_optimization(max_seconds=5)

    assert before == ("ParallelBenchmarking: chaos_summing (not started), candidates best, slow")
    assert f"(ended, run {result.run_id})" in repr(bench)
    assert repr(bench.history()).startswith("RaceHistory of 2 candidates over ")
    assert "\n" not in repr(bench.history())
