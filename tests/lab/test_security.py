"""What a race opens, keeps and writes, and what becomes of hostile names and texts."""

from __future__ import annotations

import contextlib
import importlib
import io
import ipaddress
import json
import os
import pickle
import pickletools
import sqlite3
import subprocess
import sys

import psutil
import pytest

import parbench_lab as pb
from parbench_lab.core.runs import RunHeader, RunRecord
from parbench_lab.errors import UsageError
from parbench_lab.racing.settings import Settings
from parbench_lab.scaling import journal
from parbench_lab.scaling.plan import Plan
from parbench_lab.store import open_store
from parbench_lab.store.exchange import chunks
from tests.chaos.candidates import Summing, good, slower
from tests.lab.courses import BUDGET_S, course

HOSTILE = ("<img src=x onerror=alert(1)>", "[red]x[/red]", "[link=http://x]y[/link]")
HOSTILE_TEXT = "<script>alert(1)</script> [bold]loud[/bold] \x1b]0;owned\x07\x1b[31m{0} %s"
WRITES_ON_IMPORT = """
from pathlib import Path

Path(__file__).with_name("was_run").touch()
"""


def raises_hostile(case):
    raise RuntimeError(HOSTILE_TEXT)


def listening():
    """Return the addresses at which this process and its children listen."""
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            connections = process.net_connections(kind="inet")
            found |= {c.laddr for c in connections if c.status == psutil.CONN_LISTEN}
    return found


def test_everything_that_listens_during_a_race_does_so_on_loopback():
    before = listening()

    with course(good, slower, policy="never") as bench:
        bench.start()
        assert bench.wait("first_rows", timeout_s=BUDGET_S)
        during = listening() - before

    # the scheduler, its dashboard, and at least a port for each of the two workers
    assert len(during) >= 4
    assert all(ipaddress.ip_address(address.ip).is_loopback for address in during), during
    assert listening() == before


# ---------------------------------------------------------------- the store


@pytest.fixture(scope="module")
def hostile_store(tmp_path_factory):
    """Return the path of a store with a race of hostile names, and the run's id."""
    path = tmp_path_factory.mktemp("hostile") / "runs.db"
    candidates = [pb.Candidate(name=name, function=slower) for name in HOSTILE[1:]]
    bad = pb.Candidate(name=HOSTILE[0], function=raises_hostile)
    with course(good, *candidates, bad, store=path) as bench:
        result = bench.run_continuous_optimization(max_seconds=BUDGET_S)
    assert result.status == "decided", result.reason
    return path, result.run_id


def stored_values(path):
    """Yield every value of every table."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = connection.execute("select name from sqlite_master where type = 'table'")
        for (name,) in names.fetchall():
            for row in connection.execute(f'select * from "{name}"'):
                yield from row


def is_pickle(data):
    """Return whether bytes are a whole pickle."""
    try:
        operations = list(pickletools.genops(io.BytesIO(data)))
    except Exception:  # noqa: BLE001 - whatever it is, it is no pickle
        return False
    return operations[-1][0].name == "STOP"


def test_a_pickle_is_known_when_one_is_seen():
    assert is_pickle(pickle.dumps({"a": 1}))
    assert not is_pickle(b'{"a": 1}')


def test_the_store_holds_text_and_numbers_and_no_pickle(hostile_store):
    values = list(stored_values(hostile_store[0]))

    assert {type(value) for value in values} <= {str, int, float, type(None)}
    texts = [value for value in values if isinstance(value, str)]
    assert texts
    assert not any(is_pickle(text.encode()) for text in texts if len(text) > 2)
    # how a pickle of protocol 4 or 5 begins in base64
    assert not any(text.startswith(("gASV", "gAWV")) for text in texts)


def shell(*arguments, path, cwd, env=None):
    """Return what a `parbench` command printed."""
    done = command(*arguments, path=path, cwd=cwd, env=env)
    done.check_returncode()
    return done.stdout


def command(*arguments, path, cwd, env=None):
    """Run a `parbench` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "parbench_lab", *arguments, "--store", str(path)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "250", **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_hostile_names_and_texts_stay_text_in_the_shell(hostile_store, tmp_path):
    path, run_id = hostile_store

    shown = shell("show", run_id, path=path, cwd=tmp_path)

    for name in HOSTILE:
        assert name in shown
    assert "<script>alert(1)</script>" in shown
    assert "[bold]loud[/bold]" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_hostile_names_and_texts_are_plain_strings_in_json(hostile_store, tmp_path):
    path, run_id = hostile_store

    printed = shell("show", run_id, "--json", path=path, cwd=tmp_path)
    document = json.loads(printed)

    assert "\x1b" not in printed
    standings = document["result"]["scoreboard"]["standings"]
    assert set(HOSTILE) < {standing["candidate"] for standing in standings}


def test_reading_a_run_runs_none_of_its_code(tmp_path, monkeypatch):
    module = tmp_path / "users_sums.py"
    module.write_text("def quick(case):\n    return case.sum()\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("users_sums")
    path = tmp_path / "runs.db"
    with course("users_sums:quick", slower, workload=Summing(), store=path) as bench:
        run_id = bench.run_continuous_optimization(max_seconds=BUDGET_S).run_id
    module.write_text(WRITES_ON_IMPORT)

    env = {"PYTHONPATH": str(tmp_path)}
    shell("show", run_id, "--json", path=path, cwd=tmp_path, env=env)
    shell("show", run_id, path=path, cwd=tmp_path, env=env)
    shell("runs", path=path, cwd=tmp_path, env=env)
    store = open_store(path)
    assert list(store.events(run_id))
    store.close()

    assert not (tmp_path / "was_run").exists()


def unfinished(kind, **document):
    """Return a run that was cut off and names a module which writes when it is imported."""
    return RunRecord(
        header=RunHeader(
            id="evil",
            kind=kind,
            name="was_left",
            started_utc="2026-01-01T00:00:00+00:00",
            document=document,
        ),
        status="running",
        result=None,
    )


RACE = unfinished(
    "race",
    workload="was_left",
    candidates=[
        {"name": "run", "import_string": "was_left:run", "parameters": {}, "resources": {}}
    ],
    settings=Settings().as_json(),
    seed=1,
    configuration={"values": {"workload": "was_left.py"}},
)
STUDY = unfinished(
    "study",
    job="was_left:run",
    unit="items",
    batch_unit="items",
    tolerance=0.0,
    options={},
    cores=2,
    seed=1,
    make_case="was_left:run",
    plan=journal.planned(
        Plan(mode="strong", sizes=(10,), workers=(1, 2), backends=("threads",), repeats=2, seed=1)
    ),
)


@pytest.mark.parametrize("record", [RACE, STUDY], ids=["race", "study"])
def test_a_run_that_came_from_a_file_is_not_gone_on_with_and_its_code_is_not_run(
    record, tmp_path, monkeypatch
):
    (tmp_path / "was_left.py").write_text(WRITES_ON_IMPORT)
    (tmp_path / "runs.json").write_text("".join(chunks([record])))
    path = tmp_path / "runs.db"
    monkeypatch.chdir(tmp_path)
    word = "race" if record is RACE else "scale"
    goes_on = pb.ParallelBenchmarking if record is RACE else pb.ScalingStudy
    words = f"came from a file .*nothing in it is run; begin a new {record.header.kind}"

    shell("import", "runs.json", path=path, cwd=tmp_path)
    refused = [
        command(word, "--resume", "evil", *more, path=path, cwd=tmp_path)
        for more in ([], ["--dry-run"])
    ]
    shown = shell("show", "evil", path=path, cwd=tmp_path)
    with contextlib.closing(open_store(path)) as store, pytest.raises(UsageError, match=words):
        goes_on.resume_run("evil", store=store)

    assert [done.returncode for done in refused] == [2, 2]
    assert all("nothing in it is run" in done.stderr for done in refused)
    assert "--resume" not in shown
    assert not (tmp_path / "was_run").exists()


# ---------------------------------------------------------------- files


def contents(folder):
    """Return the names of everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_race_writes_nowhere_but_its_store_and_temporary_folder(tmp_path):
    folders = {name: tmp_path / name for name in ("cwd", "home", "temporary")}
    for folder in folders.values():
        folder.mkdir()
    kept = {k: v for k, v in os.environ.items() if k not in ("PARBENCH_STORE", "XDG_CONFIG_HOME")}

    done = subprocess.run(
        [sys.executable, "-m", "parbench_lab", "race", "moving_average", "--seconds", "3"],
        cwd=folders["cwd"],
        env={**kept, "HOME": str(folders["home"]), "TMPDIR": str(folders["temporary"])},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert contents(folders["cwd"])[:3] == [
        ".parbench",
        ".parbench/.gitignore",
        ".parbench/runs.db",
    ]
    assert all(name.startswith(".parbench") for name in contents(folders["cwd"]))
    assert contents(folders["home"]) == []
    assert contents(folders["temporary"]) == []


def test_the_recorders_of_the_workers_are_removed_with_the_race():
    with course(good, slower, n_workers=1) as bench:
        bench.run_continuous_optimization(max_seconds=BUDGET_S)
        folder = bench._executor._folder

    assert folder is not None
    assert not folder.exists()
