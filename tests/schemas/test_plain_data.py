"""Whether plain data matches the fields of a dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from monopod.schemas.formats.plain_data import fits, made_from
from monopod.schemas.run_events import TaskStarted, from_line, to_line


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (str, ["", "a"], [1, None, []]),
        (int, [0, -1, 2**53], [True, 1.0, 2**54, "1"]),
        (float, [0, 1.5, 1_800_000_000.0], [True, float("nan"), float("inf"), 1e12, "1"]),
        (bool, [True], [1, "true"]),
        (int | None, [None, 3], ["", 1.5]),
        (Literal["a", "b"], ["a"], ["c", None, []]),
        (dict[str, str], [{}, {"a": "b"}], [{"a": 1}, [], None]),
        (tuple[str, ...], [(), ("a",)], [["a"], (1,)]),
        (Any, [None, [1]], []),
    ],
)
def test_matching_data(hint, good, bad):
    assert [fits(value, hint) for value in good] == [True] * len(good)
    assert [fits(value, hint) for value in bad] == [False] * len(bad)


def test_unsupported_type_hints():
    with pytest.raises(TypeError, match="unsupported type hint"):
        fits(b"", bytes)


def test_dataclass_is_made_from_matching_data():
    @dataclass(frozen=True)
    class Point:
        x: float
        y: float = 0

    assert made_from(Point, {"x": 1}) == Point(1)
    for fields in ({}, {"x": "1"}, {"x": 1, "z": 1}):
        with pytest.raises(TypeError):
            made_from(Point, fields)


def test_event_with_a_field_of_a_wrong_type_is_rejected():
    line = to_line(TaskStarted(1.0, "a", None, 0, "a", {}))
    assert from_line(line) == TaskStarted(1.0, "a", None, 0, "a", {})
    for old, new in (("1.0", "null"), ('"attempt":0', '"attempt":true'), ('"params":{}', '"params":{"a":1}')):
        assert old in line
        with pytest.raises(ValueError, match="not an event of a run"):
            from_line(line.replace(old, new))
