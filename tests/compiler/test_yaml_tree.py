from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.documents import yaml_tree


def parse_one(text: str):
    trees, problems = yaml_tree.parse(text, "f")
    assert problems == []
    (tree,) = trees
    return tree


def lines(text: str) -> list[str]:
    return [str(problem) for problem in yaml_tree.parse(text, "f")[1]]


# By the rules of go-yaml v2, as sigs.k8s.io/yaml uses it.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("y", True),
        ("N", False),
        ("Yes", True),
        ("on", True),
        ("OFF", False),
        ("True", True),
        ("tRue", "tRue"),
        ("~", None),
        ("null", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("0", 0),
        ("-0", 0),
        ("12", 12),
        ("+12", 12),
        ("0644", 420),
        ("0o644", 420),
        ("0x1F", 31),
        ("-0x1f", -31),
        ("0b101", 5),
        ("-0b101", -5),
        ("1_000", 1000),
        ("08", 8),
        ("0_8", 8),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 18446744073709551616),
        ("1e3", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1),
        ("1.0", 1),
        ("-1.5e-3", -0.0015),
        ("1e400", "1e400"),
        ("1.2.3", "1.2.3"),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("2001-01-01T10:00:00Z", "2001-01-01T10:00:00Z"),
        ("._5", "._5"),
        ("_1", "_1"),
        ("-", "-"),
        ("+", "+"),
        (".", "."),
        ("1x", "1x"),
        ("v1", "v1"),
        ("a b", "a b"),
        ("::", "::"),
    ],
)
def test_plain_scalars(text, value):
    found = yaml_tree.plain_scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.Inf", "+.INF", ".nan"])
def test_number_that_json_cannot_represent_is_refused(text):
    assert lines(f"a: {text}") == [
        f"f:1:4: {text} is not a number that JSON can hold; write it in quotes if a string is meant"
    ]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: 'y'", {"a": "y"}),
        ('a: "5"', {"a": "5"}),
        ("a: |\n  5\n", {"a": "5\n"}),
        ("a: >-\n  x\n  y\n", {"a": "x y"}),
        ("a: !!str 5", {"a": "5"}),
        ("a: ! 5", {"a": "5"}),
        ("a: !!int '5'", {"a": 5}),
        ("a: !!float 5", {"a": 5}),
        ("a: !!bool 'yes'", {"a": True}),
        ("a: !!null ''", {"a": None}),
        ("a: !!binary aGk=", {"a": "hi"}),
        ("a: !!map {b: !!seq [1]}", {"a": {"b": [1]}}),
        ("a:", {"a": None}),
        ("1: a\n1.5: b\nyes: c\n", {"1": "a", "1.5": "b", "true": "c"}),
        ("? a\n: b", {"a": "b"}),
        ("[1, [2], {a: 3}]", [1, [2], {"a": 3}]),
        ("a: &x [1]\nb: *x\n", {"a": [1], "b": [1]}),
        ("&k a: 1\nb: *k\n", {"a": 1, "b": "a"}),
        ("a: &x b\n*x : 1\n", {"a": "b", "b": 1}),
        ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", {"a": {"p": 1, "q": 2}, "b": {"q": 3, "p": 1}}),
        ("b: {q: 3, <<: {p: 1, q: 2}}", {"b": {"q": 3, "p": 1}}),
        ("a: {'<<': 1}", {"a": {"<<": 1}}),
        ("b: {<<: [{p: 1}, {p: 2, q: 2}]}", {"b": {"p": 1, "q": 2}}),
        ('{"a": "\\ud83d\\ude00 \\\\ud83d\\/"}', {"a": "\U0001f600 \\ud83d/"}),
        ('{\n\t"a":\t[1,\n\t2]\n}', {"a": [1, 2]}),
        ("\ufeffa: 1".removeprefix("\ufeff"), {"a": 1}),
        ("# only\na: 1 # c", {"a": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
    ],
)
def test_documents(text, data):
    assert parse_one(text).data == data


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "---\n---\n", "~\n", "---\n# a\n---\n# b\n"])
def test_empty_documents_are_left_out(text):
    assert yaml_tree.parse(text, "f") == ([], [])


def test_several_documents():
    trees, problems = yaml_tree.parse("a: 1\n---\n---\nb: 2\n...\n---\nc: 3\n", "f")
    assert [tree.data for tree in trees] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert problems == []


DOCUMENT = """\
spec:
  tasks:
    - name: build
      runAfter: [lint,
                 test]
    - name: ü ship
      env: {A: "1", B: two}
"""


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ((), (0, 0), (0, 0)),
        (("spec",), (1, 2), (0, 0)),
        (("spec", "tasks"), (2, 4), (1, 2)),
        (("spec", "tasks", 0), (2, 6), (2, 6)),
        (("spec", "tasks", 0, "name"), (2, 12), (2, 6)),
        (("spec", "tasks", 0, "runAfter", 1), (4, 17), (4, 17)),
        (("spec", "tasks", 1, "env", "B"), (6, 23), (6, 20)),
        (("spec", "tasks", 1, "ENV", "b"), (6, 23), (6, 20)),
        (("spec", "tasks", 1, "nothing", "here"), (5, 6), (5, 6)),
        (("spec", "tasks", 7), (2, 4), (1, 2)),
    ],
)
def test_places(path, value, key):
    marks = parse_one(DOCUMENT).marks
    assert yaml_tree.find(marks, path) == value
    assert yaml_tree.find(marks, path, key=True) == key


def test_aliased_and_merged_values_have_their_original_position():
    marks = parse_one("a: &x {p: 1}\nb: *x\nc:\n  <<: *x\n  q: 2\n").marks
    assert yaml_tree.find(marks, ("b", "p")) == (0, 10)
    assert yaml_tree.find(marks, ("c", "p"), key=True) == (0, 7)
    assert yaml_tree.find(marks, ("c", "q")) == (4, 5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: the key 'a' is already there on line 1"),
        ("1: a\n'1': b\n", "f:2:1: the key '1' is already there on line 1"),
        ("a:\n\tb: 1\n", "f:2:1: a tab is used for indentation; YAML takes spaces only"),
        ("a: |\n\tb\n", "f:2:1: a tab is used for indentation; YAML takes spaces only"),
        (
            "a: b: c",
            "f:1:5: this is not valid YAML: a ':' is not expected here; is the indentation wrong, "
            "or is a text with ': ' not in quotes?",
        ),
        ("a: @x", "f:1:4: this is not valid YAML: a value cannot start with '@'; write it in quotes"),
        ("a: `x`", "f:1:4: this is not valid YAML: a value cannot start with '`'; write it in quotes"),
        (
            "x: 1\na: [1,\nb: 2",
            "f:3:5: this is not valid YAML: did not find expected ',' or ']' while parsing a list in [ ] "
            "that begins on line 2",
        ),
        (
            "a: {",
            "f:1:5: this is not valid YAML: did not find expected node content while parsing a value in [ ] or { }",
        ),
        (
            'a: "x\n',
            "f:1:6: this is not valid YAML: found unexpected end of stream while scanning a text in quotes",
        ),
        (
            "a: {{ .Values.x }}",
            "f:1:5: a key must be a text, not a list or mapping; if this is a template with {{ }}, render it first",
        ),
        ("a: &x [1]\n*x : 1", "f:2:1: a key must be a text, not a list or mapping"),
        ("~: 1", "f:1:1: a key must not be empty or null"),
        ("a: *x", "f:1:4: the alias *x has no anchor before it"),
        ("a: &x 1\n---\nb: *x", "f:3:4: the alias *x has no anchor before it"),
        ("a: &x [*x]", "f:1:8: the alias *x refers to a value that contains it"),
        ("a: {<<: 1}", "f:1:9: a merge key << takes a mapping or a list of mappings"),
        ("a: !foo 1", "f:1:4: unsupported tag !foo"),
        ("a: !foo {b: 1}", "f:1:4: unsupported tag !foo"),
        ("a: !!set {b}", "f:1:4: unsupported tag !!set"),
        ("a: !!int x", "f:1:4: 'x' does not fit its tag !!int"),
        ("[" * 200 + "]" * 200, "f:1:101: this is nested deeper than 100 levels"),
        ("".join(" " * depth + "a:\n" for depth in range(10_000)), "f:101:101: this is nested deeper than 100 levels"),
    ],
)
def test_problems_are_one_line(text, expected):
    assert lines(text) == [expected]


def test_documents_before_a_syntax_error_are_kept():
    trees, problems = yaml_tree.parse("a: 1\na: 2\n---\nb: @", "f")
    assert [tree.data for tree in trees] == [{"a": 2}]
    assert len(problems) == 2


def test_billion_laughs_are_refused():
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert lines(text) == ["f:7:10: the file unfolds to more than 1,000,000 values"]


def test_nested_aliases_count_as_depth():
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200))
    assert lines(text) == ["f:100:12: this is nested deeper than 100 levels"]


def test_nested_merges():
    text = "a0: &a0 {k0: 1}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}, k{n}: 1}}\n" for n in range(1, 90))
    assert len(parse_one(text).data["a89"]) == 90


plain_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(max_size=8)
    | st.sampled_from(["y", "1e3", "<<"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text(min_size=1, max_size=5), plain_data, min_size=1, max_size=3))
def test_json_is_read_as_json(data):
    for text in (json.dumps(data), json.dumps(data, indent=1)):
        assert parse_one(text).data == data


@given(plain_data)
def test_positions_of_all_nodes(data):
    text = json.dumps({"root": data}, indent=1, ensure_ascii=False)
    if any(ord(character) > 126 for character in text):  # libyaml counts some of them as ends of lines
        return
    lines_of_text = text.split("\n")
    tree = parse_one(text)

    def is_at(place, value):
        line, column = place
        beginning = json.dumps(value, ensure_ascii=False)[:1] if isinstance(value, dict | list) else json.dumps(value)
        assert lines_of_text[line][column:].startswith(beginning)

    def check(value, path):
        is_at(yaml_tree.find(tree.marks, path), value)
        for key, item in value.items() if isinstance(value, dict) else ():
            is_at(yaml_tree.find(tree.marks, (*path, key), key=True), key)
            check(item, (*path, key))
        for index, item in enumerate(value) if isinstance(value, list) else ():
            check(item, (*path, index))

    check({"root": data}, ())


@given(st.text(alphabet="a:- \n[]{}&*!|>'\"#?,%@`\t<0y~", max_size=40))
def test_any_text_gives_documents_or_problems(text):
    trees, problems = yaml_tree.parse(text, "f")
    for problem in problems:
        assert problem.position is not None
        assert 1 <= problem.position.line <= text.count("\n") + 2
        assert "\n" not in problem.message
    for tree in trees:
        json.dumps(tree.data)
