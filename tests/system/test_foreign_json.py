"""Reading JSON that others wrote."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.documents.option_values import parse_param
from monopod.coordinator.capacity.own_pod import _object
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.schemas.run_events import from_line
from monopod.system import foreign_json
from monopod.system.caches.registry_client import login_in

DEEP = "[" * 100_000
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)

HALVES = st.text(st.characters(categories=None), max_size=5)
VALUES_WITH_HALVES = st.lists(HALVES | st.integers() | st.dictionaries(HALVES, HALVES, max_size=3), max_size=4)


@given(VALUES)
def test_what_was_written_is_read(value):
    assert foreign_json.loads(json.dumps(value)) == value
    assert foreign_json.loads(json.dumps(value).encode()) == value


@given(VALUES_WITH_HALVES)
def test_texts_can_be_written_in_utf_8(value):
    whole = json.dumps(json.loads(json.dumps(value)), ensure_ascii=False)  # pairs are characters, halves are left
    expected = json.loads(re.sub("[\ud800-\udfff]", "\ufffd", whole))
    for text in (json.dumps(value), json.dumps(value).encode(), whole):
        assert foreign_json.loads(text) == expected
    assert foreign_json.loads('"\\uD800"') == "\ufffd"


@pytest.mark.parametrize(
    "text", [DEEP, DEEP.encode(), '{"a":' * 100_000, "", "nonsense", b"\xff", "[1", "9" * 5000, b"\x00" * 4]
)
def test_what_cannot_be_read_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"\w"):
        foreign_json.loads(text)


def test_its_readers_report_deep_json_as_malformed():
    assert _object(DEEP.encode()) == {}
    assert "[[[" in ApiError.of(502, "Bad Gateway", DEEP.encode()).describe()
    with pytest.raises(ValueError, match="not an event of a run"):
        from_line(DEEP)
    with pytest.raises(ValueError, match="this is not JSON: it is nested too deeply"):
        parse_param(DEEP, "array")


@pytest.mark.parametrize("login", [{"username": "\ud800", "password": "p"}, {"identitytoken": "\udfff"}])
def test_its_readers_can_send_what_it_has(login):
    login = login_in(json.dumps({"auths": {"h:5000": login}}), "h:5000/r")
    assert "\N{REPLACEMENT CHARACTER}" in "".join(login)
    assert parse_param(r'["\ud800"]', "array") == ("\N{REPLACEMENT CHARACTER}",)
