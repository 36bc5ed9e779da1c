import inspect
import json
import subprocess
import tarfile
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.instruct.signatures import parse_signature

KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.VAR_POSITIONAL: "var_positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_KEYWORD: "var_keyword",
}


@pytest.mark.parametrize(
    "function",
    [
        textwrap.TextWrapper,
        json.dumps,
        tarfile.TarFile.open,
        subprocess.Popen,
        inspect.signature,
        np.linalg.norm,
        sorted,
    ],
)
def test_parameters_are_those_that_inspect_finds(function):
    expected = inspect.signature(function)
    parsed = parse_signature(str(expected))
    assert parsed is not None
    signature, rest = parsed
    assert [(p.name, p.kind) for p in signature.parameters] == [
        (p.name, KINDS[p.kind]) for p in expected.parameters.values()
    ]
    for found, wanted in zip(signature.parameters, expected.parameters.values(), strict=True):
        has_default = wanted.default is not inspect.Parameter.empty
        assert (found.default is not None) == has_default
        if has_default and "<" not in repr(wanted.default):
            assert found.default == repr(wanted.default)
    assert rest.strip() == "" or rest.strip().startswith("->")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("(self, key, default=<object object at 0x7f0012>)", ["self", "key", "default"]),
        ("(a, b=<enum: <x>>, c=')')", ["a", "b", "c"]),
        ("($self, value, /)", ["self", "value"]),
        ("($module, /, path, *, follow=True)", ["path", "follow"]),
        ("(start='<', end='>')", ["start", "end"]),
        ("(\n    width=70,\n    *,\n    max_lines=None\n)", ["width", "max_lines"]),
        ("(x) and more words", ["x"]),
    ],
)
def test_what_is_not_quite_python_is_read_too(text, names):
    parsed = parse_signature(text)
    assert parsed is not None
    assert [p.name for p in parsed[0].parameters] == names
    assert "0x" not in parsed[0].text
    assert "\n" not in parsed[0].text


@pytest.mark.parametrize("text", ["(...)", "(stop[, step])", "", "no bracket", "(a", "(1, 2)"])
def test_what_is_no_signature_has_none(text):
    assert parse_signature(text) is None


def test_a_signature_over_several_lines_is_shown_on_one():
    parsed = parse_signature("(\n    width=70,\n    end='a  b'\n)")
    assert parsed is not None
    assert parsed[0].text == "(width=70, end='a  b')"


def test_self_catch_alls_and_marks_are_not_asked_about():
    parsed = parse_signature("(self, a, /, b=1, *rest, c, **others)")
    assert parsed is not None
    assert [p.name for p in parsed[0].named()] == ["a", "b", "c"]
    assert parsed[0].takes_any_name()


def test_self_that_is_not_first_is_an_argument():
    parsed = parse_signature("(other, self)")
    assert parsed is not None
    assert [p.name for p in parsed[0].named()] == ["other", "self"]


name_text = st.from_regex(r"[a-z]{1,8}", fullmatch=True).map(lambda name: f"p_{name}")
default_text = st.one_of(
    st.integers(),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8),
    st.none(),
    st.booleans(),
    st.lists(st.integers(), max_size=3),
).map(repr)


@given(
    required=st.lists(name_text, unique=True, max_size=4),
    optional=st.dictionaries(name_text, default_text, max_size=4),
)
def test_every_printed_default_comes_back_as_written(required, optional):
    optional = {name: text for name, text in optional.items() if name not in required}
    parts = [*required, *(f"{name}={text}" for name, text in optional.items())]
    parsed = parse_signature(f"({', '.join(parts)})")
    assert parsed is not None
    assert {p.name: p.default for p in parsed[0].parameters} == {
        **dict.fromkeys(required),
        **optional,
    }
