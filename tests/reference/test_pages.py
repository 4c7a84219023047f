"""One command writes the reference, without a warning, and what it writes opens anywhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pdoc.doc
import pytest
from numpy.typing import ArrayLike

import parbench_lab as pb
from tests.reference.annotations import readable
from tests.reference.checks import check_docstrings, unknown_parameters
from tests.reference.pages import public_modules

ROOT = Path(__file__).parents[2]
FETCHING = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


class Fetched(HTMLParser):
    """Collects what a page would fetch, and the anchors it has."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors.add(given.get("id", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if given.get(FETCHING.get(tag, ""), ""):
            self.addresses.append(given[FETCHING[tag]])


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    if shutil.which("dot") is None:
        pytest.skip("Graphviz's dot is missing")
    out = tmp_path_factory.mktemp("reference")
    command = [sys.executable, "-W", "error", "-m", "tests.reference", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return out


@pytest.fixture(scope="module")
def pages(reference):
    read = {}
    for page in reference.rglob("*.html"):
        read[page.resolve()] = Fetched()
        read[page.resolve()].feed(page.read_text())
    return read


def test_the_first_page_has_both_diagrams_and_leads_to_every_module(reference):
    first = (reference / "index.html").read_text()

    assert first.count("<figure><svg") == 2
    for module in public_modules():
        page = f"{module.__name__.replace('.', '/')}.html"
        assert f'href="{page}"' in first
        assert (reference / page).is_file()


def test_every_public_name_has_its_place(pages, reference):
    facade = pages[(reference / "parbench_lab.html").resolve()]

    modules = {name for name in pb.__all__ if isinstance(getattr(pb, name), ModuleType)}
    assert facade.anchors >= set(pb.__all__) - modules
    offered = {f"{getattr(pb, name).__name__.replace('.', '/')}.html" for name in modules}
    assert offered <= set(facade.links)


def test_no_page_fetches_anything_from_a_network(pages, reference):
    fetched = {address for page in pages.values() for address in page.addresses}
    styles = [
        address
        for page in pages
        for style in re.findall(r"<style.*?</style>", page.read_text(), flags=re.DOTALL)
        for address in re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')\s]+)", style)
    ]

    outside = [one for one in (*fetched, *styles) if re.match(r"(\w+:)?//", one)]
    assert outside == []
    assert (reference / "search.js").is_file()


def test_links_between_the_pages_lead_somewhere(pages):
    broken = []
    for page, read in pages.items():
        for link in read.links:
            target, _, anchor = link.partition("#")
            if "//" not in target:
                place = (page.parent / target).resolve() if target else page
                if place not in pages or (anchor and anchor not in pages[place].anchors):
                    broken.append((page.name, link))

    assert broken == []


def test_a_parameter_that_is_described_and_not_taken_is_found():
    text = "Add.\n\nParameters\n----------\na, b\n    Numbers.\n*rest\n    More.\n"

    assert unknown_parameters(text, lambda a, *rest: a) == ["b"]
    assert unknown_parameters("Add.", lambda: 0) == []


def test_a_public_function_without_a_docstring_is_warned_of():
    module = pdoc.doc.Module(sys.modules[bare.__module__])
    own = pdoc.doc.Function("parbench_lab", "bare", bare, ("parbench_lab", "bare"))
    module.own_members = [own]

    with pytest.warns(UserWarning, match=r"parbench_lab\.bare has no docstring"):
        check_docstrings(module)


def test_annotations_of_numpy_read_as_they_are_written():
    signature = pdoc.doc.Function("m", "typed", typed, ("m", "typed")).signature

    assert str(signature) != str(readable(signature, typed.__annotations__))
    assert str(readable(signature, typed.__annotations__)) == "(values: ArrayLike) -> int"


def bare(): ...


def typed(values: ArrayLike) -> int: ...
