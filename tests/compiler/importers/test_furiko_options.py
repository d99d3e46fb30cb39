"""The values of Furiko's options: what they become, and which are refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from monopod.compiler.importers.furiko.moment_format import format_time
from monopod.compiler.importers.furiko.options import MissingValueError, text_of, value_in
from monopod.schemas.foreign.furiko import FurikoOption

VALUES = ["mysql", "redis"]


def option(kind: str, required: bool = False, **settings: Any) -> FurikoOption:
    fields = {"type": kind, "name": "o", "required": required, **({kind.lower(): settings} if settings else {})}
    return FurikoOption.model_validate(fields)


@pytest.mark.parametrize(
    ("declared", "value", "text"),
    [
        (option("Bool"), None, "false"),
        (option("Bool", default=True), None, "true"),
        (option("Bool", format="OneZero"), True, "1"),
        (option("Bool", format="YesNo"), False, "no"),
        (option("Bool", format="Custom", trueVal="--verbose"), True, "--verbose"),
        (option("Bool", format="Custom", trueVal="--verbose"), False, ""),
        (option("String"), None, ""),
        (option("String", default=" a "), None, " a "),
        (option("String", trimSpaces=True), " a ", "a"),
        (option("Select", values=VALUES, default="redis"), None, "redis"),
        (option("Select", values=VALUES), "mysql", "mysql"),
        (option("Select", values=VALUES), "", ""),
        (option("Select", values=VALUES, allowCustom=True), "s3", "s3"),
        (option("Multi", values=VALUES, default=VALUES, delimiter=","), None, "mysql,redis"),
        (option("Multi", values=VALUES, default=VALUES, delimiter=","), [], "mysql,redis"),
        (option("Multi", values=VALUES), ["redis", "mysql"], "redismysql"),
        (option("Multi", values=VALUES, allowCustom=True), ["s3"], "s3"),
        (option("Date"), None, ""),
        (option("Date"), "2022-01-01T00:02:30Z", "2022-01-01T00:02:30+00:00"),
        (option("Date", format="HH:mm:ss"), "2022-03-14T02:30:00+05:30", "02:30:00"),
    ],
)
def test_a_value_becomes_a_text(declared: FurikoOption, value: Any, text: str):
    assert text_of(declared, value) == text


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        (option("Bool"), "yes", "expected a boolean, got 'yes'"),
        (option("String"), 5, "expected a string, got a number: 5; write it in quotes"),
        (option("Select", values=VALUES), "mysq", "'mysq' is not among the values (did you mean 'mysql'?)"),
        (option("Multi", values=VALUES), "mysql", "expected a list of strings"),
        (option("Multi", values=VALUES), ["s3"], "'s3' is not among the values; use mysql, redis"),
        (option("Multi", values=VALUES, allowCustom=True), [""], "strings that are not empty"),
        (option("Date"), "2022-01-01", "'2022-01-01' is not a time of RFC 3339"),
        (option("Date"), "2022-01-01T00:00:00", "is not a time of RFC 3339 with its zone"),
        (option("Date"), 1644374400, "expected a time in quotes"),
    ],
)
def test_another_value_is_refused(declared: FurikoOption, value: Any, message: str):
    with pytest.raises(ValueError, match=r"\w") as raised:
        text_of(declared, value)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "declared",
    [option("String", True), option("Select", True, values=VALUES), option("Multi", True, values=VALUES)],
)
def test_a_required_option_needs_a_value(declared: FurikoOption):
    with pytest.raises(MissingValueError, match="the option 'o' is required"):
        text_of(declared, None)


def test_the_command_line_has_values_of_each_type():
    assert value_in(option("Bool"), "true") is True
    assert value_in(option("Multi", values=VALUES), "mysql,redis") == VALUES
    assert value_in(option("String"), "true") == "true"
    with pytest.raises(ValueError, match="expected true or false, got 'maybe'"):
        value_in(option("Bool"), "maybe")


TIME = datetime.fromisoformat("2010-02-14T15:25:50.125-06:00")


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("", "2010-02-14T15:25:50-06:00"),
        ("dddd, MMMM Do YYYY, h:mm:ss a", "Sunday, February 14th 2010, 3:25:50 pm"),
        ("ddd, hA", "Sun, 3PM"),
        ("M Mo MM MMMM MMM", "2 2nd 02 February Feb"),
        ("YYYYYY YYYYY YYYY YY Y", "+002010 02010 2010 10 2010"),
        ("D Do DD", "14 14th 14"),
        ("d do dddd ddd dd", "0 0th Sunday Sun Su"),
        ("DDD DDDo DDDD", "45 45th 045"),
        ("e E", "0 7"),
        ("w wo ww W Wo WW", "8 8th 08 6 6th 06"),
        ("gg gggg GG GGGG", "10 2010 10 2010"),
        ("Q Qo", "1 1st"),
        ("h hh H HH k kk", "3 03 15 15 16 16"),
        ("m mm s ss a A", "25 25 50 50 pm PM"),
        ("Z ZZ X x", "-06:00 -0600 1266182750 1266182750125"),
        ("[the] DDDo [day of the year]", "the 45th day of the year"),
        ("LT LTS L", "3:25 PM 3:25:50 PM 02/14/2010"),
        ("LL | LLL | LLLL", "February 14, 2010 | February 14, 2010 3:25 PM | Sunday, February 14, 2010 3:25 PM"),
        ("l | ll | llll", "2/14/2010 | Feb 14, 2010 | Sun, Feb 14, 2010 3:25 PM"),
        ("YYYY/MM/DD_HHmm", "2010/02/14_1525"),
    ],
)
def test_times_are_written_as_moment_js_writes_them(layout: str, text: str):
    assert format_time(TIME, layout) == text


@pytest.mark.parametrize(
    ("date", "week"),
    [("2005-01-02", "2004-53"), ("2007-12-31", "2008-01"), ("2009-12-31", "2009-53"), ("2010-01-03", "2009-53")],
)
def test_weeks_of_iso(date: str, week: str):
    assert format_time(datetime.fromisoformat(f"{date}T00:00:00+00:00"), "GGGG-WW") == week
