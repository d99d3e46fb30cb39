"""Reading JSON that others wrote."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.documents.option_values import parse_param
from monopod.coordinator.capacity.own_pod import _object
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.schemas.run_events import from_line
from monopod.system import foreign_json

DEEP = "[" * 100_000
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@given(VALUES)
def test_what_was_written_is_read(value):
    assert foreign_json.loads(json.dumps(value)) == value
    assert foreign_json.loads(json.dumps(value).encode()) == value


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
