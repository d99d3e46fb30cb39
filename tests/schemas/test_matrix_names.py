"""The names of matrix combinations."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.schemas.formats.visible_text import HIDDEN
from monopod.schemas.matrix_names import LONGEST_NAME, InstanceNames, combination_names
from monopod.schemas.run_events import MatrixExpanded


@pytest.mark.parametrize(
    ("combinations", "names"),
    [
        ([{"go": "1.21"}, {"go": "1.22"}], ["go=1.21", "go=1.22"]),
        ([{"arch": "amd64", "os": "linux/x"}], ["arch=amd64,os=linux/x"]),
        ([{"k": "a,b"}, {"k": "a]"}, {"k": ""}, {"k": "a=b"}], ['k="a,b"', 'k="a]"', 'k=""', 'k="a=b"']),
        ([{"k": "a"}, {"k": "b"}, {"k": "a"}], ["0:k=a", "k=b", "2:k=a"]),
        ([{"k": '["x"]'}, {"k": "\n"}, {"k": "\u202eb"}], ['k="[\\"x\\"]"', 'k="\\n"', "k=\\u202eb"]),
        ([{"k": "v" * 100}], ["0:k=" + "v" * 54 + "…"]),
        ([{}, {"k": "1"}], ["0", "k=1"]),
    ],
)
def test_names(combinations, names):
    assert combination_names(combinations) == names


@given(st.lists(st.dictionaries(st.text(max_size=40), st.text(max_size=80), max_size=5), max_size=12))
def test_names_are_unique_and_short(combinations):
    names = combination_names(combinations)
    assert len(set(names)) == len(combinations)
    for index, name in enumerate(names):
        assert len(name) <= LONGEST_NAME
        assert ":" not in name or "=" in name or name == str(index)


@given(st.lists(st.fixed_dictionaries({"some-param": st.text()}), min_size=1, max_size=12))
def test_names_have_no_hidden_characters(combinations):
    for name in combination_names(combinations):
        assert len(name) <= LONGEST_NAME
        assert not re.search(HIDDEN, name)


def test_instances_are_named_by_reported_combinations():
    names = InstanceNames()
    assert names.label("m", 1) == "m[1]"
    names.note(MatrixExpanded(0, "m", ["go=1.21", "go=1.22"]))
    assert [names.label("m", None), names.label("m", 1), names.label("m", 2)] == ["m", "m[go=1.22]", "m[2]"]
