from __future__ import annotations

import shutil
import subprocess

import pytest

from parbench_lab.hardware.provenance import GitState, git_state, parse_git_status

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git command")


def git(folder, *words):
    options = ["-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *options, "-C", str(folder), *words], capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "a.py").write_text("a = 1\n")
    git(folder, "add", "a.py")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@needs_git
def test_a_clean_repository_has_its_commit(repository):
    state = git_state(repository)

    assert state == GitState(commit=git(repository, "rev-parse", "HEAD"), dirty=False)


@needs_git
def test_a_changed_file_is_dirty_and_an_untracked_one_is_not(repository):
    (repository / "notes.txt").write_text("untracked\n")
    assert not git_state(repository).dirty

    (repository / "a.py").write_text("a = 2\n")

    assert git_state(repository).dirty


@needs_git
def test_a_folder_within_the_repository_will_do(repository):
    (repository / "deep").mkdir()

    assert git_state(repository / "deep") == git_state(repository)


@needs_git
def test_no_commit_is_no_state(tmp_path):
    git(tmp_path, "init", "-q")

    assert git_state(tmp_path) is None


def test_no_repository_is_no_state(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    assert git_state(tmp_path) is None
    assert git_state(tmp_path / "missing") is None


def test_no_git_is_no_state(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert git_state(tmp_path) is None


@needs_git
def test_a_hook_named_in_the_repository_is_not_run(repository):
    git(repository, "config", "core.fsmonitor", f"touch {repository}/ran; true")

    git_state(repository)

    assert not (repository / "ran").exists()


def test_a_renamed_file_is_dirty():
    text = "# branch.oid abc\n# branch.head (detached)\n2 R. N... a b\n"

    assert parse_git_status(text) == GitState(commit="abc", dirty=True)
