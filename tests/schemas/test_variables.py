"""References in texts: their syntax, their meaning, and that values are never scanned for references again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.schemas.variables import (
    EvaluationError,
    Reference,
    Scope,
    evaluate,
    only_reference,
    parse_path,
    references,
    substitute,
    substitute_all,
)

SCOPE = Scope(
    {
        ("params", "word"): "inner",
        ("params", "a.b"): "dotted",
        ("params", "list"): ("x", "y z", "$(params.word)"),
        ("params", "object"): {"key": "value", "other": "$(params.word)"},
    },
    Scope({("params", "word"): "outer", ("tasks", "t", "results", "r"): "result", ("params", "far"): "away"}),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(params.word)", Reference("$(params.word)", ("params", "word"))),
        ("$(params['a.b'])", Reference("$(params['a.b'])", ("params", "a.b"))),
        ('$(params["a.b"][*])', Reference('$(params["a.b"][*])', ("params", "a.b"), "*")),
        ("$(tasks.t.results.r[12])", Reference("$(tasks.t.results.r[12])", ("tasks", "t", "results", "r"), 12)),
        ("$(results['a.b'].path)", Reference("$(results['a.b'].path)", ("results", "a.b", "path"))),
        ("$(inputs.params.word)", Reference("$(inputs.params.word)", ("params", "word"))),
    ],
)
def test_references_are_recognized(text: str, expected: Reference):
    assert only_reference(text) == expected
    assert list(references(f"a {text} b")) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "$(date)",
        "$(params)",
        "$(parameters.x)",
        "$(params.x",
        "$params.x",
        "$(params.x y)",
        "$( params.x)",
        "$(cat params.x)",
    ],
)
def test_shell_syntax_is_not_a_reference(text: str):
    assert list(references(text)) == []
    assert substitute(text, SCOPE) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<$(params.word)>", "<inner>"),
        ("$(params.far)", "away"),
        ("$(params['a.b'])$(params.list[1])", "dottedy z"),
        ("$(params.object.key)", "value"),
        ("$(params.object.other)", "$(params.word)"),
        ("$(params.unknown) $(tasks.t.results.r)", "$(params.unknown) result"),
        ("$$(params.word)", "$inner"),
    ],
)
def test_substitute(text: str, expected: str):
    assert substitute(text, SCOPE) == expected


@pytest.mark.parametrize(
    "text", ["a $(params.list[*])", "$(params.list)", "$(params.object[*])", "$(params.list[3])", "$(params.word[0])"]
)
def test_values_that_cannot_be_inserted(text: str):
    with pytest.raises(EvaluationError):
        substitute(text, SCOPE)


def test_lists_and_values():
    assert substitute_all(("a", "$(params.list[*])", "$(params.word)"), SCOPE) == (
        "a",
        "x",
        "y z",
        "$(params.word)",
        "inner",
    )
    assert substitute_all(("$(params.list[*])",), SCOPE, str.upper) == ("X", "Y Z", "$(PARAMS.WORD)")
    assert evaluate("$(params.list[*])", SCOPE) == ("x", "y z", "$(params.word)")
    assert evaluate("$(params.object[*])", SCOPE) == {"key": "value", "other": "$(params.word)"}
    assert evaluate({"k": "$(params.word)"}, SCOPE) == {"k": "inner"}


def test_quoted_path():
    assert parse_path("workspaces['a.b'].path") == ("workspaces", "a.b", "path")
    with pytest.raises(ValueError, match="not the name of a variable"):
        parse_path("no such thing")


NAMES = st.text("abcxyz-_09", min_size=1, max_size=5)


@given(values=st.dictionaries(NAMES, st.text()), pieces=st.lists(st.tuples(st.text("ab $()"), NAMES), max_size=6))
def test_substitution_of_random_texts(values: dict[str, str], pieces: list[tuple[str, str]]):
    """Any value replaces its reference, and nothing else changes."""
    text = "".join(f"{before}$(params.{name})" for before, name in pieces)
    expected = "".join(before + values.get(name, f"$(params.{name})") for before, name in pieces)
    assert substitute(text, Scope({("params", name): value for name, value in values.items()})) == expected
