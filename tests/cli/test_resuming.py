"""`parbench race --resume`: a race of one's own file is taken up from that file, or refused."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from parbench_lab.cli.resuming import (
    refuse_other_kinds_and_ended,
    source_document,
    source_to_resume,
)
from parbench_lab.core.ports import RunHeader, RunSummary
from parbench_lab.errors import UsageError


@dataclass(frozen=True)
class Source:
    given: str
    sha256: str


def folder(**files):
    """Return what looks files up: a digest of each by its name."""
    return lambda name: Source(name, files[name]) if name in files else None


def header(workload=None, **configuration):
    return RunHeader(
        id="20260102-abcd",
        kind="race",
        name="slow:Slow",
        started_utc="2026-01-02T03:04:05+00:00",
        document={"workload": workload, "configuration": configuration},
    )


OF_A_FILE = {"source": {"given": "slow.py", "sha256": "aa"}}


def test_a_race_of_a_file_is_taken_up_from_the_file_it_began_with():
    look = folder(**{"slow.py": "aa"})

    kept = source_document("slow.py", look)

    assert kept == OF_A_FILE
    assert source_to_resume(header(**kept), look) == "slow.py"


def test_a_race_of_a_built_in_workload_needs_no_file():
    assert source_document("sorting", folder()) == {}
    assert source_to_resume(header(workload="sorting"), folder()) is None


def test_a_run_of_an_earlier_version_is_found_by_the_word_that_was_given():
    old = header(values={"workload": "slow.py"})

    assert source_to_resume(old, folder(**{"slow.py": "bb"})) == "slow.py"


@pytest.mark.parametrize(
    ("run", "files", "words"),
    [
        pytest.param(
            header(**OF_A_FILE),
            {},
            r"slow.py is not there .* parbench race FILE.py --resume 20260102-abcd$",
            id="the file is gone",
        ),
        pytest.param(
            header(**OF_A_FILE),
            {"slow.py": "bb"},
            r"has changed .*: parbench race slow.py; .* parbench race slow.py --resume 2026\S+$",
            id="the file has changed",
        ),
        pytest.param(
            header(), {}, r"was of no file; .* FILE.py --resume 20260102-abcd$", id="no file"
        ),
    ],
)
def test_what_cannot_be_taken_up_says_why_and_what_to_type(run, files, words):
    with pytest.raises(UsageError, match=words):
        source_to_resume(run, folder(**files))


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("study", "running", "parbench scale --resume 20260102-abcd$"),
        ("watch", "finished", "is no race but a watch"),
        ("race", "failed", r"has ended \(failed\)"),
        ("race", "decided", r"has ended \(decided\); parbench show 20260102-abcd$"),
    ],
)
def test_what_is_no_race_or_has_ended_is_refused(kind, status, words):
    run = RunSummary(
        id="20260102-abcd",
        kind=kind,
        name="slow:Slow",
        started_utc="2026-01-02T03:04:05+00:00",
        status=status,
    )

    with pytest.raises(UsageError, match=words):
        refuse_other_kinds_and_ended(run)
