"""What of a repository is installed in this environment: as a copy, or to be edited.

Both are told by what pip writes down of an installation from a folder (PEP 610).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

_SCHEME = "file:"


def copies(root: Path, *, name: str = "") -> tuple[str, ...]:
    """Return modules of a repository's projects that are imported from an installed copy.

    Parameters
    ----------
    root
        The repository's top.
    name
        Of a distribution that counts as the repository's wherever it was installed from, however
        it is spelt; ``""`` for none.
    """
    root = root.resolve()
    modules = {
        module
        for plain, found in _distributions().items()
        # one to be edited has modules in site-packages, too: the hook that finds it
        if not _is_editable(found) and (plain == _plain(name) or _is_inside(_folder(found), root))
        for module in _modules(found)
    }
    return tuple(sorted(module for module in modules if _is_copy(module, root)))


def editable_folders(root: Path) -> tuple[Path, ...]:
    """Return the folders of a repository whose projects are installed to be edited, in order."""
    root = root.resolve()
    edited = (_folder(found) for found in _distributions().values() if _is_editable(found))
    return tuple(sorted({place for place in edited if place and place.is_relative_to(root)}))


def _distributions() -> dict[str, importlib.metadata.Distribution]:
    """Return what is installed by its plain name: of two of one name, the one that is found."""
    found: dict[str, importlib.metadata.Distribution] = {}
    for each in importlib.metadata.distributions():
        if name := _name(each):
            found.setdefault(_plain(name), each)
    return found


def _name(found: importlib.metadata.Distribution) -> str:
    """Return a distribution's name, "" for what a broken installation left."""
    try:
        about = found.metadata
    except (OSError, KeyError):  # of finders of newer versions, which other packages bring along
        return ""
    return about["Name"] if about is not None and "Name" in about else ""  # None: of some of them


def _modules(found: importlib.metadata.Distribution) -> set[str]:
    """Return the modules of a distribution that are imported by one name, as it tells itself."""
    told = (found.read_text("top_level.txt") or "").split()
    files = [] if told else found.files or []
    tops = {file.parts[0] if len(file.parts) > 1 else file.stem for file in files}
    return {name for name in (*told, *tops) if name.isidentifier()}


def _plain(name: str) -> str:
    """Return a distribution's name as all of its spellings are written."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _record(found: importlib.metadata.Distribution) -> dict[str, Any]:
    try:
        record = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _is_editable(found: importlib.metadata.Distribution) -> bool:
    about = _record(found).get("dir_info")
    return isinstance(about, dict) and about.get("editable") is True


def _folder(found: importlib.metadata.Distribution) -> Path | None:
    """Return the folder that a distribution was installed from, None where it was from none."""
    record = _record(found)
    url = record.get("url")
    if "dir_info" not in record or not isinstance(url, str) or not url.startswith(_SCHEME):
        return None
    return Path(url2pathname(urlsplit(url).path)).resolve()


def _is_inside(folder: Path | None, root: Path) -> bool:
    return folder is not None and folder.is_relative_to(root)


def _is_copy(module: str, root: Path) -> bool:
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # a module that is loaded and has no spec
        return False
    if found is None or found.origin is None:
        return False
    origin = Path(found.origin).resolve()
    # a virtual environment may lie in the repository
    return not origin.is_relative_to(root) or "site-packages" in origin.parts
