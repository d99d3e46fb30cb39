"""Taking apart a document that is built from values and their origins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.documents.documents import Document
from monopod.compiler.documents.yaml_tree import existing, parse
from monopod.compiler.importers.imported import Sourced, unfold, without_nothing
from monopod.schemas.tekton.v1beta1 import origin


def test_values_have_origins():
    tree = {"a": Sourced([{"b": 1}, Sourced(2, ("y",))], ("x",)), "c": 3}
    made = unfold(tree)
    assert made.data == {"a": [{"b": 1}, 2], "c": 3}
    assert origin(("a", 0, "b"), made.origins) == ("x", 0, "b")
    assert origin(("a", 1), made.origins) == ("y",)
    assert origin(("c",), made.origins) == ("c",)


def test_a_whole_document_may_have_an_origin():
    made = unfold(Sourced({"a": 1}, ("items", 0)))
    assert origin(("a",), made.origins) == ("items", 0, "a")


def test_empty_values_are_left_out():
    fields = {"a": None, "b": "", "c": [], "d": {}, "e": 0, "f": False, "g": Sourced([], ()), "h": Sourced(1, ())}
    assert without_nothing(fields).keys() == {"e", "f", "h"}


PLAIN = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


@given(PLAIN)
def test_plain_data_stays_as_it_is(value):
    assert unfold({"v": value}).data == {"v": value}


def test_the_part_of_a_path_that_exists():
    ((tree,), ()) = parse("a: [{Bc: 1}]", "f")
    assert existing(tree.marks, ("a", 0, "bC")) == ("a", 0, "bC")
    assert existing(tree.marks, ("a", 0, "bC", "d")) == ("a", 0, "bC")
    assert existing(tree.marks, ("a", 1, "x")) == ("a",)
    assert existing(tree.marks, ("b",)) == ()


def test_a_problem_beside_the_original_has_no_path():
    document = Document("f", "v1", "Task", "", {}, None, (3, 4), is_imported=True)
    assert str(document.problem(("metadata", "name"), "too long", "workload")) == "f:4:5: too long"
