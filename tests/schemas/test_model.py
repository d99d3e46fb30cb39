"""Models of foreign documents: how plain data becomes a model, what does not fit, and what comes out again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import pytest

from monopod.schemas.field_types.checks import check_of
from monopod.schemas.field_types.declarations import Checked, Converted, ListOf, NotEmpty, Range, field
from monopod.schemas.field_types.mismatches import ValidationError
from monopod.schemas.formats.paths import Path, format_path
from monopod.schemas.model import Findings, Model, fields_of


def reversed_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a text to reverse")
    return value[::-1]


class Leaf(Model):
    """A leaf."""

    name: Annotated[str, NotEmpty()]
    size: Annotated[int, Range(1, 5)] = 1
    is_green: bool = True

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A rule about two fields."""
        if self.size > 3 and self.is_green:
            yield ("isGreen",), "a large leaf is not green"


class Tree(Model):
    """A tree."""

    null_means_empty: ClassVar[frozenset[str]] = frozenset({"note"})

    kind: Literal["oak", "elm"]
    note: Any = "none"
    host_ip: str | None = field(default=None, key="hostIP")
    leaves: ListOf[Leaf] = ()
    by_name: dict[str, Leaf] = field(default_factory=dict)
    words: ListOf[str] = ()
    mirrored: Annotated[str, Converted(reversed_text, {}, reversed_text)] | None = None
    even: Annotated[int, Checked(lambda value: "it is odd" if value % 2 else None, {})] = 0
    below: Tree | None = None


class Pine(Tree):
    """A tree with another default, and a field more."""

    even: Annotated[int, Range(0)] = 2
    cones: int = 0


WHOLE = {
    "kind": "oak",
    "hostIP": "::1",
    "leaves": [{"name": "a"}, {"name": "b", "size": 2}],
    "byName": {"c": {"name": "c", "isGreen": False}},
    "words": ["x"],
    "mirrored": "abc",
    "below": {"kind": "elm", "below": {"kind": "oak"}},
}


def mismatches(document: Any) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        Tree.read(document, Findings())
    return [(format_path(each.path), each.kind) for each in caught.value.mismatches]


def test_what_goes_in_comes_out():
    tree = Tree.read(WHOLE)
    assert tree.to_kubernetes() == WHOLE
    assert tree.mirrored == "cba"
    assert tree.leaves[1].size == 2
    assert tree.by_name["c"].is_green is False


def test_fields_that_were_not_given_have_their_defaults_and_do_not_come_out():
    tree = Tree.read({"kind": "elm"})
    assert (tree.note, tree.host_ip, tree.leaves, tree.by_name, tree.even) == ("none", None, (), {}, 0)
    assert tree.given == {"kind": "elm"}
    assert tree.to_kubernetes() == {"kind": "elm"}


def test_the_order_is_that_of_the_fields():
    document = {"words": [], "leaves": [], "kind": "oak"}
    assert list(Tree.read(document).to_kubernetes()) == ["kind", "leaves", "words"]


def test_a_subclass_has_the_fields_of_its_base_first():
    assert list(fields_of(Pine)) == [*fields_of(Tree), "cones"]
    assert Pine.read({"kind": "oak"}).even == 2
    assert Pine.read({"kind": "oak", "even": 3}).even == 3
    assert [name for name, each in fields_of(Pine).items() if each.is_required] == ["kind"]


def test_null_is_missing_unless_it_is_a_value():
    assert Tree.read({"kind": "oak", "leaves": None, "note": None}).given == {"kind": "oak", "note": None}
    assert mismatches({"kind": None}) == [("kind", "missing")]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], [("", "type")]),
        ({}, [("kind", "missing")]),
        ({"kind": "ash"}, [("kind", "choice")]),
        ({"kind": ["oak"]}, [("kind", "choice")]),
        ({"kind": "oak", "leaves": {}}, [("leaves", "invalid")]),
        ({"kind": "oak", "leaves": [{"name": "a"}, {}, 5]}, [("leaves[1].name", "missing"), ("leaves[2]", "type")]),
        ({"kind": "oak", "byName": {"x": {"name": ""}, "y": []}}, [("byName.x.name", "empty"), ("byName.y", "type")]),
        (
            {"leaves": [{"size": 0}]},
            [("kind", "missing"), ("leaves[0].name", "missing"), ("leaves[0].size", "too small")],
        ),
        ({"kind": "oak", "leaves": [{"name": "a", "size": 6}]}, [("leaves[0].size", "too large")]),
        ({"kind": "oak", "leaves": [{"name": "a", "size": True}]}, [("leaves[0].size", "type")]),
        ({"kind": "oak", "leaves": [{"name": "a", "isGreen": 1}]}, [("leaves[0].isGreen", "type")]),
        ({"kind": "oak", "words": "x"}, [("words", "invalid")]),
        ({"kind": "oak", "words": ["x", None]}, [("words[1]", "type")]),
        ({"kind": "oak", "mirrored": 5}, [("mirrored", "invalid")]),
        ({"kind": "oak", "even": 3}, [("even", "invalid")]),
        ({"kind": "oak", "below": {"below": {}}}, [("below.kind", "missing"), ("below.below.kind", "missing")]),
    ],
)
def test_everything_that_does_not_fit_is_reported_where_it_is(document, expected):
    assert mismatches(document) == expected


def test_problems_and_unknown_fields_are_collected_in_the_mapping_where_they_are():
    findings = Findings()
    large = {"name": "a", "size": 4}
    document = {"kind": "oak", "leaves": [large], "below": {"kind": "elm", "colour": "red"}}
    tree = Tree.read(document, findings)
    assert tree.below is not None
    found = [(finding.mapping, finding.path, finding.message) for finding in findings.items]
    assert found == [
        (large, ("isGreen",), "a large leaf is not green"),
        (document["below"], ("colour",), "unknown field"),
    ]


def test_without_findings_they_are_errors():
    with pytest.raises(ValidationError, match=r"leaves\[0\]\.isGreen: a large leaf is not green"):
        Tree.read({"kind": "oak", "leaves": [{"name": "a", "size": 4}]})
    with pytest.raises(ValidationError, match=r"below\.colour: unknown field"):
        Tree.read({"kind": "oak", "below": {"kind": "oak", "colour": 1}})


def test_a_model_that_does_not_fit_reports_no_problems():
    findings = Findings()
    with pytest.raises(ValidationError):
        Leaf.read({"name": "", "size": 4}, findings)
    assert findings.items == []


def test_keys_may_differ_in_upper_and_lower_case_but_the_exact_one_wins():
    assert Tree.read({"KIND": "oak", "hostip": "::1"}).host_ip == "::1"
    findings = Findings()
    assert Tree.read({"Kind": "ash", "kind": "oak"}, findings).kind == "oak"
    assert [finding.path for finding in findings.items] == [("Kind",)]


def test_a_model_is_immutable_and_replaced_makes_another():
    leaf = Leaf(name="a")
    with pytest.raises(AttributeError, match="immutable"):
        leaf.name = "b"
    assert leaf.replaced(size=2).given == {"name": "a", "size": 2}
    assert leaf.given == {"name": "a"}


def test_a_type_that_is_not_supported_is_an_error_of_the_model():
    with pytest.raises(KeyError):
        check_of(set[str])
