"""Timestamps in the format of RFC 3339."""

from hypothesis import given
from hypothesis import strategies as st

from monopod.schemas.formats.timestamps import from_rfc3339, to_rfc3339, to_rfc3339_milliseconds

SECONDS = st.floats(0, 4e9)


@given(SECONDS)
def test_written_timestamp_is_read_back(seconds):
    assert from_rfc3339(to_rfc3339(seconds)) == int(seconds)
    assert abs(from_rfc3339(to_rfc3339_milliseconds(seconds)) - seconds) < 0.0015


def test_format_of_kubernetes():
    assert to_rfc3339(1_700_000_000.999) == "2023-11-14T22:13:20Z"
    assert to_rfc3339_milliseconds(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"
    assert from_rfc3339("2023-11-14T22:13:20.123456Z") == 1_700_000_000.123456
    assert from_rfc3339("2023-11-14T23:13:20+01:00") == 1_700_000_000
