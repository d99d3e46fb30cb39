"""Finding and replacing the texts in plain data."""

from __future__ import annotations

from monopod.compiler.documents.plain_texts import replace_texts, texts_in

DATA = {"a": ["x", {"b": "y"}], "c": 1}


def test_texts_have_paths():
    assert list(texts_in(DATA, ("s",))) == [(("s", "a", 0), "x"), (("s", "a", 1, "b"), "y")]


def test_only_texts_are_replaced():
    replaced = replace_texts(DATA, ("s",), lambda text, path: f"{text} at {path}")
    assert replaced == {"a": ["x at ('s', 'a', 0)", {"b": "y at ('s', 'a', 1, 'b')"}], "c": 1}
