"""Combinations of a matrix, compared to the tables of Tekton's docs/matrix.md and to a plain product."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.schemas.matrix import TooManyCombinationsError, combinations, combinations_and_idle_entries


def test_first_param_varies_fastest():
    assert combinations({"platform": ["linux", "mac"], "browser": ["safari", "chrome"]}) == (
        {"platform": "linux", "browser": "safari"},
        {"platform": "mac", "browser": "safari"},
        {"platform": "linux", "browser": "chrome"},
        {"platform": "mac", "browser": "chrome"},
    )


def test_include_extends_matching_combinations_or_adds_one():
    made = combinations(
        {"arch": ["amd64", "s390x"], "version": ["1.17", "1.18"]},
        [
            ("common", {"package": "p"}),
            ("race", {"arch": "s390x", "flags": "-v"}),
            ("context", {"version": "1.17", "context": "c"}),
            ("other", {"arch": "none"}),
        ],
    )
    assert made == (
        {"arch": "amd64", "version": "1.17", "package": "p", "context": "c"},
        {"arch": "s390x", "version": "1.17", "package": "p", "flags": "-v", "context": "c"},
        {"arch": "amd64", "version": "1.18", "package": "p"},
        {"arch": "s390x", "version": "1.18", "package": "p", "flags": "-v"},
        {"arch": "none"},
    )


def test_combinations_of_includes_only():
    assert combinations({}, [("a", {"x": "1"}), ("b", {"x": "1"}), ("c", {})]) == ({"x": "1"}, {"x": "1"}, {})


def test_names_are_in_sorted_order():
    assert [list(each) for each in combinations({"b": ["1"], "a": ["2"]}, [("", {"0": "3"})])] == [["0", "a", "b"]]


def test_empty_array_gives_no_combinations():
    assert combinations({"a": ["1"], "b": []}, [("x", {"a": "2"})]) == ()


NAMES = st.sampled_from("abc")
ARRAYS = st.dictionaries(NAMES, st.lists(st.sampled_from("123"), max_size=3), min_size=1)


@given(ARRAYS)
def test_params_are_multiplied(params):
    expected = [
        dict(zip(reversed(list(params)), values, strict=True)) for values in product(*reversed(list(params.values())))
    ]
    assert list(combinations(params)) == expected


@given(ARRAYS, st.lists(st.dictionaries(NAMES, st.sampled_from("1239"), min_size=1), max_size=4))
def test_include_never_changes_a_value(params, entries):
    plain = combinations(params)
    made = combinations(params, [("", entry) for entry in entries])
    assert [{name: each[name] for name in params} for each in made[: len(plain)]] == list(plain)
    if plain:
        extended_with_params = [entry for entry in entries if set(entry) <= set(params)]
        for entry in extended_with_params:
            contradicted = not any(entry.items() <= each.items() for each in made)
            assert not contradicted or any(entry.items() & each.items() for each in made)


@given(ARRAYS, st.lists(st.dictionaries(NAMES, st.sampled_from("1239")), max_size=4))
def test_idle_includes_have_no_effect(params, entries):
    include = [("", entry) for entry in entries]
    _, idle = combinations_and_idle_entries(params, include)
    left = [each for number, each in enumerate(include) if number not in idle]
    assert combinations(params, left) == combinations(params, include)
    assert combinations_and_idle_entries(params, left)[1] == ()


def test_number_of_combinations_is_limited():
    """Their number is reported, but they are not made, since no machine has room for them."""
    with pytest.raises(TooManyCombinationsError, match=f"a matrix has {1000**20} combinations, more than the 256"):
        combinations({f"p{number}": [""] * 1000 for number in range(20)})
    assert len(combinations({"a": "x" * 16, "b": "y" * 16})) == 256
    with pytest.raises(TooManyCombinationsError, match="has 257 combinations"):
        combinations({"a": "x" * 256}, [("", {"a": "z"})])
    with pytest.raises(TooManyCombinationsError, match="has 300 combinations"):
        combinations({}, [("", {"a": "z"})] * 300)
    with pytest.raises(TooManyCombinationsError, match=r"matrix.include has 5000 entries, more than 4096"):
        combinations({"a": "x"}, [("", {"a": "x"})] * 5000)
    assert combinations({"a": ["x"] * 1000, "b": []}) == ()
