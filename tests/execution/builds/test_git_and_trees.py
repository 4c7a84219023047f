from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from parbench_lab.errors import UsageError
from parbench_lab.execution.builds import environments, git, trees
from parbench_lab.execution.builds.build import Build
from tests.execution.builds.repos import Repo, spinning


@pytest.fixture
def repo(tmp_path):
    made = Repo(tmp_path / "repo")
    made.commit("one", a__txt="1")
    return made


def a_dead_pid():
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        check=True,
        text=True,
    )
    return int(done.stdout)


# ---------------------------------------------------------------- the default baseline


def test_a_branch_is_compared_with_where_it_left_the_default_branch(repo):
    begun = repo.git("rev-parse", "HEAD")
    repo.git("checkout", "-q", "-b", "feature")
    repo.commit("two", a__txt="2")

    commit, why = git.default_baseline(repo.folder)

    assert commit == begun
    assert why == "where this branch left main"


def test_changes_on_the_default_branch_are_compared_with_its_last_commit(repo):
    repo.write(a__txt="changed")

    commit, why = git.default_baseline(repo.folder)

    assert commit == repo.git("rev-parse", "HEAD")
    assert "before your changes" in why


def test_a_clean_default_branch_has_nothing_to_compare(repo):
    with pytest.raises(UsageError, match="--baseline HEAD~1"):
        git.default_baseline(repo.folder)


def test_the_remote_says_which_branch_is_the_default_one(repo, tmp_path):
    repo.git("checkout", "-q", "-b", "trunk")
    repo.commit("on trunk", a__txt="2")
    clone = Repo(tmp_path / "clone")
    clone.git("remote", "add", "origin", str(repo.folder))
    clone.git("fetch", "-q", "origin")
    clone.git("checkout", "-q", "-b", "feature", "origin/trunk")
    clone.git("remote", "set-head", "origin", "trunk")
    clone.commit("mine", b__txt="1")

    commit, why = git.default_baseline(clone.folder)

    assert commit == repo.git("rev-parse", "trunk")
    assert why.endswith("origin/trunk")


def test_a_folder_without_repository_has_none(tmp_path):
    assert git.repository(tmp_path) is None


@pytest.mark.parametrize("ref", ["v9", "--version", "", "HEAD~7"])
def test_an_unknown_ref_is_refused_with_what_could_be_given(repo, ref):
    with pytest.raises(UsageError, match="PACKAGE==VERSION"):
        git.commit_of(repo.folder, ref)


def test_commits_between_are_listed_oldest_first(repo):
    first = repo.git("rev-parse", "HEAD")
    second, third = repo.commit("two", a__txt="2"), repo.commit("three", a__txt="3")

    assert git.commits_between(repo.folder, first, third) == (second, third)
    assert git.subject_of(repo.folder, third) == "three"


def test_good_must_be_an_ancestor_of_bad(repo):
    first = repo.git("rev-parse", "HEAD")
    second = repo.commit("two", a__txt="2")

    with pytest.raises(UsageError, match="ancestor"):
        git.commits_between(repo.folder, second, first)


# ---------------------------------------------------------------- worktrees


def test_a_worktree_has_the_commits_files_and_leaves_nothing(repo):
    first = repo.git("rev-parse", "HEAD")
    repo.commit("two", a__txt="2")

    with trees.worktree(repo.folder, first) as tree:
        found = (tree / "a.txt").read_text()

    assert found == "1"
    assert not tree.parent.exists()
    assert len(repo.git("worktree", "list").splitlines()) == 1


def test_hooks_of_the_repository_are_not_run(repo, tmp_path):
    hook = repo.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    hook.chmod(0o755)

    with trees.worktree(repo.folder, repo.git("rev-parse", "HEAD")):
        pass

    assert not (tmp_path / "ran").exists()


def test_what_a_killed_process_left_is_removed_by_the_next(repo, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    commit = repo.git("rev-parse", "HEAD")
    with trees.owned_folder() as mine:
        prefix = mine.name.partition(f"{os.getpid()}-")[0]
        left = tmp_path / f"{prefix}{a_dead_pid()}-abc"
        foreign = tmp_path / f"parbench-otherhost-{a_dead_pid()}-abc"
        for folder in (left, foreign, mine):
            repo.git("worktree", "add", "-q", "--detach", str(folder / "tree"), commit)

        with trees.worktree(repo.folder, commit):
            kept = [folder.exists() for folder in (left, foreign, mine)]

    assert kept == [False, True, True]
    assert str(left) not in repo.git("worktree", "list")


def test_a_hook_that_calls_us_does_not_lead_git_astray(repo, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))

    assert git.repository(repo.folder) == repo.folder.resolve()


# ---------------------------------------------------------------- where a build imports from


def test_an_entry_inside_the_repository_moves_into_the_tree_unless_it_is_not_there(tmp_path):
    root, tree = tmp_path / "root", tmp_path / "tree"
    for folder in (root / "src", root / ".venv", tree / "src"):
        folder.mkdir(parents=True)

    moved = [
        trees.moved_entry(entry, root=root, tree=tree)
        for entry in (root / "src", root / ".venv", tmp_path / "other")
    ]

    assert moved == [str(tree / "src"), str(root / ".venv"), str(tmp_path / "other")]


def test_a_file_is_the_builds_own_where_it_has_one(tmp_path):
    own, here = tmp_path / "own", tmp_path / "here"
    for folder in (own, here):
        folder.mkdir()
    (own / "old.py").touch()
    build = Build(label="b", interpreter="python", folder=own)

    assert build.located("old.py", here) == str(own / "old.py")
    assert build.located("new.py", here) == str(here / "new.py")
    assert build.located("sorting", here) == "sorting"


@pytest.mark.parametrize(
    ("files", "installable"),
    [
        pytest.param({}, False, id="no files"),
        pytest.param({"pyproject.toml": "[tool.ruff]\n"}, False, id="only tools"),
        pytest.param({"pyproject.toml": "[project]\nname = 'a'\n"}, True, id="a project"),
        pytest.param({"pyproject.toml": "not toml ["}, False, id="damaged"),
        pytest.param({"setup.py": ""}, True, id="setup.py"),
    ],
)
def test_what_pip_can_install_is_told_from_a_mere_tree(tmp_path, files, installable):
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert trees.is_installable(tmp_path) is installable


@pytest.mark.parametrize("text", ["a==1", "my-package[x]>=1.2", "a ~= 1.0"])
def test_a_version_is_told_from_a_ref(text):
    assert environments.is_requirement(text)


@pytest.mark.parametrize("text", ["HEAD~1", "v1.2", "feature/a=b", "origin/main", "module:name"])
def test_a_ref_is_told_from_a_version(text):
    assert not environments.is_requirement(text)


def test_a_scratch_repository_has_a_source_tree_whose_files_come_first(tmp_path):
    repo = spinning(tmp_path / "repo")
    commit = repo.git("rev-parse", "HEAD")

    with trees.worktree(repo.folder, commit) as tree:
        build = trees.source_tree("old", commit, tree=tree, root=repo.folder, folder=repo.folder)

    assert Path(build.before[0]) == tree
    assert build.folder == tree


PROJECT = "[project]\nname = 'My.Own'\nversion = '1'\n"


def several_projects(folder):
    """Return a repository with a project in a folder of it."""
    repo = Repo(folder)
    (folder / "part" / "src" / "own").mkdir(parents=True)
    (folder / "part" / "bench").mkdir()
    (folder / "part" / "src" / "own" / "__init__.py").write_text("")
    (folder / "part" / "bench" / "b.py").write_text("")
    (folder / "part" / "pyproject.toml").write_text(PROJECT)
    repo.commit("begin")
    return repo


@pytest.mark.parametrize("where", ["part", "part/bench"])
def test_of_several_projects_in_a_repository_the_one_around_the_user_is_run(tmp_path, where):
    repo = several_projects(tmp_path / "repo")
    commit = repo.git("rev-parse", "HEAD")
    place = {"root": repo.folder, "folder": repo.folder / where}

    with trees.worktree(repo.folder, commit) as tree:
        project = trees.project_in(tree, **place)
        build = trees.source_tree("old", commit, tree=tree, **place)

    assert project == tree / "part"
    assert build.before[:2] == (str(tree / "part" / "src"), str(tree / "part"))
    assert str(tree) in build.before


def test_where_nothing_can_be_installed_the_project_is_the_trees_top(tmp_path):
    (tmp_path / "sub").mkdir()

    assert trees.project_in(tmp_path, root=tmp_path, folder=tmp_path / "sub") == tmp_path


@pytest.mark.parametrize(
    ("site", "copies"),
    [("site-packages", ("own",)), ("repo/.venv/site-packages", ("own",)), ("repo/part/src", ())],
)
def test_an_installed_copy_of_the_project_is_told_from_its_tree(
    tmp_path, monkeypatch, site, copies
):
    repo = several_projects(tmp_path / "repo")
    place = tmp_path / site
    (place / "my_own-1.dist-info").mkdir(parents=True)
    (place / "my_own-1.dist-info" / "METADATA").write_text("Name: my-own\nVersion: 1\n")
    (place / "my_own-1.dist-info" / "top_level.txt").write_text("own\n")
    (place / "own").mkdir(exist_ok=True)
    (place / "own" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(place))

    assert trees.installed_copies(repo.folder / "part", root=repo.folder) == copies


def installed_from(folder, site, *, editable, files):
    """Write what pip leaves of an installation from a folder: its metadata, not its files."""
    info = site / "my_own-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: my-own\nVersion: 1\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    record = {"url": folder.as_uri(), "dir_info": {"editable": True} if editable else {}}
    (info / "direct_url.json").write_text(json.dumps(record))
    for file in files:
        (site / file).parent.mkdir(exist_ok=True)
        (site / file).write_text("")


def test_the_hook_of_an_editable_installation_is_no_copy_of_the_project(tmp_path, monkeypatch):
    repo, site = several_projects(tmp_path / "repo"), tmp_path / "site-packages"
    part = repo.folder / "part"
    installed_from(part, site, editable=True, files=["_own_editable_loader.py"])
    monkeypatch.syspath_prepend(str(site))

    assert trees.installed_copies(part, root=repo.folder) == ()


def test_a_copy_is_told_by_where_it_was_installed_from_where_no_name_is_declared(
    tmp_path, monkeypatch
):
    repo, site = several_projects(tmp_path / "repo"), tmp_path / "site-packages"
    part = repo.folder / "part"
    (part / "pyproject.toml").rename(part / "setup.py")
    installed_from(part, site, editable=False, files=["own_copy/__init__.py"])
    monkeypatch.syspath_prepend(str(site))

    assert trees.installed_copies(part, root=repo.folder) == ("own_copy",)


def test_what_was_installed_from_elsewhere_is_no_copy_of_the_project(tmp_path, monkeypatch):
    repo, site = several_projects(tmp_path / "repo"), tmp_path / "site-packages"
    part = repo.folder / "part"
    (part / "pyproject.toml").unlink()
    installed_from(tmp_path / "other", site, editable=False, files=["own_copy/__init__.py"])
    monkeypatch.syspath_prepend(str(site))

    assert trees.installed_copies(part, root=repo.folder) == ()


def test_a_source_tree_has_every_project_that_is_installed_to_be_edited(tmp_path, monkeypatch):
    repo, site = several_projects(tmp_path / "repo"), tmp_path / "site-packages"
    commit = repo.git("rev-parse", "HEAD")
    installed_from(repo.folder / "part", site, editable=True, files=["_own_editable_loader.py"])
    monkeypatch.syspath_prepend(str(site))

    with trees.worktree(repo.folder, commit) as tree:
        build = trees.source_tree("old", commit, tree=tree, root=repo.folder, folder=repo.folder)

    assert {str(tree / "part" / "src"), str(tree / "part")} <= set(build.before)


@pytest.mark.parametrize("finder", ["importlib.metadata", "importlib_metadata"])
def test_what_a_broken_installation_left_is_passed_over(tmp_path, monkeypatch, finder):
    # the other one, which dask brings along, raises where it is not told
    pytest.importorskip(finder)
    repo, site = several_projects(tmp_path / "repo"), tmp_path / "site-packages"
    for name, record in (("left", "{"), ("other", "[]")):
        (site / f"{name}-1.dist-info").mkdir(parents=True)
        (site / f"{name}-1.dist-info" / "direct_url.json").write_text(record)
    (site / "other-1.dist-info" / "METADATA").write_text("Name: other\nVersion: 1\n")
    (site / "left-1.dist-info" / "RECORD").write_text("left/__init__.py,,\n")
    monkeypatch.syspath_prepend(str(site))

    assert trees.installed_copies(repo.folder / "part", root=repo.folder) == ()
    installed_from(repo.folder / "part", site, editable=False, files=["own_copy/__init__.py"])
    assert trees.installed_copies(repo.folder / "part", root=repo.folder) == ("own_copy",)
