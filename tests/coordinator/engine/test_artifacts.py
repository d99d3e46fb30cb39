"""The Artifacts of a Step, which may be anything."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.coordinator.engine.artifacts import Artifacts, merged, parse_artifacts

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
VALUES = st.fixed_dictionaries(
    {}, optional={"uri": PLAIN, "digest": PLAIN | st.dictionaries(st.text(max_size=3), st.text(max_size=3)), "x": PLAIN}
)
ENTRIES = st.fixed_dictionaries(
    {}, optional={"name": PLAIN, "values": PLAIN | st.lists(VALUES | PLAIN, max_size=3), "buildOutput": PLAIN}
)
FILES = PLAIN | st.fixed_dictionaries(
    {}, optional={each: PLAIN | st.lists(ENTRIES | PLAIN, max_size=3) for each in ("inputs", "outputs")}
)


def entry(name: str, *values: object, **fields: object) -> dict[str, object]:
    return {"name": name, "values": list(values), **fields}


def value(number: int) -> dict[str, object]:
    return {"uri": f"pkg:{number}", "digest": {"sha256": str(number)}}


def outputs(*entries: object) -> Artifacts:
    return parse_artifacts(json.dumps({"outputs": entries}), "provenance.json")


@given(FILES)
def test_artifacts_are_refused_or_have_the_documented_shape(content):
    try:
        artifacts = parse_artifacts(json.dumps(content), "provenance.json")
    except ValueError:
        return
    for each in (*artifacts.inputs, *artifacts.outputs):
        assert isinstance(each["name"], str)
        assert set(each) <= {"name", "values", "buildOutput"}
        for one in each["values"]:
            assert set(one) <= {"uri", "digest"}
            assert isinstance(one.get("uri", ""), str)
            assert all(isinstance(text, str) for text in one.get("digest", {}).values())
    assert merged([artifacts]) == merged([artifacts, artifacts])


@pytest.mark.parametrize("depth", range(sys.getrecursionlimit() - 200, sys.getrecursionlimit() + 200, 7))
def test_nested_values_are_dropped_or_refused(depth):
    """Otherwise a value could be read but not be written at a deeper level."""
    nested = "[" * depth + "]" * depth
    with pytest.raises(ValueError, match="is not a"):
        parse_artifacts('{"outputs": [{"name": "a", "values": [{"digest": {"sha256": ' + nested + "}}]}]}", "x")
    text = '{"outputs": [{"name": "a", "values": [{"uri": "b", "x": ' + nested + "}]}]}"
    try:
        artifacts = parse_artifacts(text, "x")
    except ValueError:
        return
    assert artifacts == outputs(entry("a", {"uri": "b"}))


def test_entries_with_one_name_are_merged_without_duplicates():
    first, second = (
        outputs(entry("a", value(1), value(2)), entry("b", value(1))),
        outputs(entry("a", value(2), value(3))),
    )
    assert merged([first, second]) == outputs(entry("a", value(1), value(2), value(3)), entry("b", value(1)))


def test_many_values_are_merged_quickly():
    """Otherwise a Step could make the coordinator compare all pairs, for minutes."""
    many = outputs(*(entry("a", *map(value, range(start, start + 5000))) for start in (0, 5000, 10_000)))
    (joined,) = merged([many, many]).outputs
    assert joined["values"] == [value(number) for number in range(15_000)]
