from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.schemas.formats import duration


# By the rules of Go's time.ParseDuration and Duration.String.
@pytest.mark.parametrize(
    ("text", "seconds", "again"),
    [
        ("0", 0, "0s"),
        ("-0", 0, "0s"),
        ("1h30m", 5400, "1h30m0s"),
        ("90s", 90, "1m30s"),
        ("1.5h", 5400, "1h30m0s"),
        (".5m", 30, "30s"),
        ("1.s", 1, "1s"),
        ("+2h", 7200, "2h0m0s"),
        ("100ms", 0.1, "100ms"),
        ("1500ms", 1.5, "1.5s"),
        ("1.5ms", 0.0015, "1.5ms"),
        ("20us", 0.00002, "20µs"),
        ("20µs", 0.00002, "20µs"),
        ("7ns", 7e-9, "7ns"),
        ("1h1h", 7200, "2h0m0s"),
    ],
)
def test_examples(text, seconds, again):
    assert duration.parse(text) == pytest.approx(seconds, abs=0, rel=1e-12)
    assert duration.to_text(duration.parse(text)) == again


@given(st.integers(0, 10**15))
def test_written_duration_is_read_back(nanos):
    seconds = nanos / 10**9
    assert duration.parse(duration.to_text(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "1", "1.5", "h", "1x", "1h 30m", "1 h", "1h30", "+", "1H", "१s", "1s\n"])
def test_invalid_duration_is_refused(text):
    with pytest.raises(ValueError, match='is not a duration; write it like "1h30m", "90s" or "0"'):
        duration.parse(text)


def test_negative_duration_is_refused():
    with pytest.raises(ValueError, match="a duration must not be negative, got '-1h'"):
        duration.parse("-1h")


def test_duration_too_long_for_go_is_refused():
    with pytest.raises(ValueError, match="is too long"):
        duration.parse("9999999h")
