"""Parameters are read from a notebook without running it, and given as values."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from papermill.translators import PythonTranslator

from parbench_lab.errors import UnknownNameError, UsageError
from parbench_lab.reports.parameters import parameters_of
from parbench_lab.reports.values import checked, from_texts, split_given

CELL = '''
"""What is asked."""
size: int = 1000  # items in a case
seconds = 20.0
names: list[str] = []
counts = [1, 2]
store = None  # where
label: str | None = None
deep = {"a": 1}
quick = True
later = 2 * size
'''


@pytest.fixture
def known():
    return parameters_of(CELL)


def test_kinds_come_from_the_annotation_or_the_default_and_help_from_the_comment(known):
    told = {one.name: one.type_words for one in known}

    assert told == {
        "size": "int",
        "seconds": "float",
        "names": "list[str]",
        "counts": "list[int]",
        "store": "any",
        "label": "str | None",
        "deep": "dict",
        "quick": "bool",
        "later": "any",
    }
    assert [one.help for one in known if one.help] == ["items in a case", "where"]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("n = 10**6", "int"),
        ("n = 60 * 60", "int"),
        ("n = -2 * 1.5", "float"),
        ("n = 1 / 4", "float"),
        ("n = 10**-3", "float"),
        ("n = 2 ** (1 - 2)", "float"),
        ("n = 2 * m", "any"),
        ("n = True + 1", "any"),
        ("n: int | float = 1", "float"),
        ("n: float | int | None = 1", "float | None"),
        ("n: Optional[int] = None", "int | None"),
    ],
)
def test_arithmetic_and_either_number_have_a_kind(declared, words):
    (found,) = parameters_of(declared)

    assert found.type_words == words


def test_lines_of_ipython_in_the_cell_are_passed_over():
    cell = "%matplotlib inline\nsize = 10  # items\n!ls"

    with pytest.raises(UsageError, match="not Python"):
        parameters_of("size = = 1")
    assert [str(one) for one in parameters_of(cell)] == ["size: int = 10  # items"]
    assert [one.name for one in parameters_of("rest = (10\n    % 3)")] == ["rest"]


def test_reading_a_cell_runs_nothing_in_it(tmp_path):
    trace = tmp_path / "ran"

    parameters_of(f"open({str(trace)!r}, 'w').write('x')\nsize = len(open.__doc__)")

    assert not trace.exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("size=1e3", 1000),
        ("seconds=2", 2.0),
        ("names=a, b", ["a", "b"]),
        ('names=["a,b", "c"]', ["a,b", "c"]),
        ("names=", []),
        ("counts=3", [3]),
        ("store=runs.db", "runs.db"),
        ("store=none", None),
        ("store=[1, 2]", [1, 2]),
        ("store=NaN", "NaN"),
        ("label=null", None),
        ("label=7", "7"),
        ('deep={"b": [1, null]}', {"b": [1, None]}),
        ("quick=no", False),
    ],
)
def test_a_text_becomes_the_value_its_parameter_wants(known, text, value):
    pair = split_given(text)

    found = from_texts(known, [pair], notebook="mine")

    assert found == {pair[0]: value}
    assert type(found[pair[0]]) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "size=many",
        "size=1.5",
        "size=inf",
        "seconds=nan",
        "seconds=1e999",
        "counts=1,x",
        "counts=[1.5]",
        "counts={}",
        "names=[1]",
        "deep=[]",
        'deep={"a": NaN}',
        "quick=2",
    ],
)
def test_an_ill_typed_value_is_refused_with_the_known_parameters(known, text):
    with pytest.raises(UsageError, match=r"'size' \(int\), 'seconds' \(float\)"):
        from_texts(known, [split_given(text)], notebook="mine")


def test_an_unknown_parameter_is_refused_with_what_was_meant_and_all_there_are(known):
    with pytest.raises(UnknownNameError, match=r"mine has no parameter 'sise'; did you mean"):
        from_texts(known, [("sise", "1")], notebook="mine")


def test_a_parameter_given_twice_is_refused(known):
    with pytest.raises(UsageError, match="twice"):
        from_texts(known, [("size", "1"), ("size", "2")], notebook="mine")


@pytest.mark.parametrize("value", [object(), {1: 2}, float("inf"), b"x", [[1], {2}]])
def test_what_has_no_literal_is_refused(known, value):
    with pytest.raises(UsageError, match=r"parameter 'store': .* but got .*; known are 'size'"):
        checked(known, {"store": value}, notebook="mine")


def test_a_list_too_deep_is_refused_instead_of_exhausting_the_stack(known):
    deep = []
    for _ in range(5000):
        deep = [deep]

    with pytest.raises(UsageError, match="16 deep"):
        checked(known, {"store": deep}, notebook="mine")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON)
def test_whatever_is_let_pass_is_written_as_a_literal_and_nothing_else(value):
    known = parameters_of("given = None")
    try:
        values = checked(known, {"given": value}, notebook="mine")
    except UsageError:
        return

    tree = ast.parse(PythonTranslator.codify(values))

    assert len(tree.body) == 1
    assert isinstance(tree.body[0], ast.Assign)
    assert ast.literal_eval(tree.body[0].value) == value


@given(st.text())
def test_a_text_stays_the_text_that_it_is(text):
    known = parameters_of('who: str = "me"')

    values = from_texts(known, [("who", text)], notebook="mine")

    (assignment,) = ast.parse(PythonTranslator.codify(values)).body
    assert ast.literal_eval(assignment.value) == text


@given(st.text())
def test_any_text_for_a_parameter_of_any_kind_gives_a_value_or_one_line(text):
    for parameter in parameters_of(CELL):
        try:
            found = from_texts([parameter], [(parameter.name, text)], notebook="mine")
        except UsageError as refusal:
            found = str(refusal)

        assert parameter.name in found
