"""``--gpus``: what the race is given, and what is refused."""

import pytest


def test_gpus_reach_the_race_as_a_number_or_a_word(shell, visitors):
    for typed, given in (("2", 2), ("auto", "auto"), ("0", 0)):
        shell("race", "--gpus", typed)

        assert visitors.new[-1][1]["gpus"] == given


def test_gpus_of_a_file_reach_the_race(shell, visitors, tmp_path):
    (tmp_path / "race.toml").write_text("gpus = 1\n")

    shell("race", "--config", "race.toml")

    assert visitors.new[-1][1]["gpus"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("--gpus", "two"), "'two' is neither 'auto' nor a whole number", id="word"),
        pytest.param(("--gpus", "1.5"), "'1.5' is neither 'auto' nor a whole number", id="1.5"),
    ],
)
def test_other_values_are_wrong_use(shell, words, said):
    done = shell("race", *words)

    assert done.exit_code == 2
    assert said in done.output
