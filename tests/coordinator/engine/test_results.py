"""The Result of a Step, which may be anything: a value of the declared type, or an error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.coordinator.engine.results import parse_result
from monopod.schemas.plan import ResultDeclaration

TEXTS = st.text(st.characters(categories=None), max_size=5)  # with halves of surrogate pairs
PLAIN = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["array", "object"]), st.lists(TEXTS) | st.dictionaries(TEXTS, TEXTS) | PLAIN)
def test_value_has_the_declared_type(kind, content):
    try:
        value = parse_result(ResultDeclaration("r", kind), json.dumps(content))
    except ValueError:
        return
    texts = [*value, *value.values()] if isinstance(value, dict) else value
    assert isinstance(value, dict) == (kind == "object")
    for text in texts:
        assert text.encode().decode() == text
    assert len(value) <= len(content)


@pytest.mark.parametrize(
    "text", ["[" * 500_000, '{"a":' * 200_000, "[" * 900 + "]" * 900, "", "[1]", '{"a": 1}', "nan"]
)
def test_invalid_array_is_reported(text):
    with pytest.raises(ValueError, match='Result "r" is declared as an array, but is not a JSON array of strings'):
        parse_result(ResultDeclaration("r", "array"), text)


def test_lone_surrogates_are_replaced():
    assert parse_result(ResultDeclaration("r", "array"), r'["\ud83d\ude00", "a\ud83d", "\ude00b"]') == (
        "\N{GRINNING FACE}",
        "a\N{REPLACEMENT CHARACTER}",
        "\N{REPLACEMENT CHARACTER}b",
    )
