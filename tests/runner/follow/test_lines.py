"""The lines of a container's output, compared to a much simpler splitter that has all bytes at once."""

import re
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.follow.lines import LineSplitter, prefixed, prefixed_bytes
from monopod.runner.masking.masks import LONGEST_REQUEST, MASK, Masks

PARTS = [b"a", b"bc", b"\n", b"\r", b"\r\n", "é".encode(), "🙂".encode(), b"\xff", b"\xe2"]
OUTPUT = st.lists(st.sampled_from(PARTS)).map(b"".join)


def split(chunks, longest=1000):
    splitter = LineSplitter(longest)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return lines + splitter.finish()


def chunked(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def simple_lines(data):
    lines = data.split(b"\n")
    if not re.sub(rb"\r", b"", lines[-1]):
        lines.pop()
    return [re.split(rb"\r+", line.rstrip(b"\r"))[-1].decode(errors="replace") for line in lines]


@given(OUTPUT, st.lists(st.integers(0, 200)))
def test_lines_do_not_depend_on_the_chunks(data, cuts):
    assert split(chunked(data, cuts)) == simple_lines(data)


@given(OUTPUT, st.lists(st.integers(0, 200)), st.integers(1, 9))
def test_pieces_of_long_lines_do_not_depend_on_the_chunks(data, cuts, longest):
    pieces = split(chunked(data, cuts), longest)
    assert pieces == split([data], longest)
    assert all(len(piece.encode()) <= longest * 3 for piece in pieces)  # U+FFFD is three bytes long


@given(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), min_size=1), st.integers(4, 9))
def test_cutting_a_long_line_keeps_all_characters(text, longest):
    pieces = split([text.encode()], longest)
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= longest for piece in pieces)


def masked(chunks, longest):
    masks = Masks()
    splitter = LineSplitter(longest, masks)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return [masks.mask_output(line) for line in [*lines, *splitter.finish()]], masks.warnings


@pytest.mark.parametrize("blanks", ["", "  ", "\u3000"])
@given(cuts=st.lists(st.integers(0, 200)))
def test_a_line_that_asks_to_mask_a_long_value_stays_whole(blanks, cuts):
    value = "correct-horse-battery-staple"
    data = f"{blanks}::add-mask::{value}\nx {value} y\n{'z' * 30}".encode()
    whole = [f"{blanks}::add-mask::{MASK}", f"x {MASK} y", "z" * 16, "z" * 14]
    lines, warnings = masked(chunked(data, cuts), 16)
    assert [*lines[:2], "".join(lines[2:])] == [*whole[:2], "".join(whole[2:])]
    assert warnings == []


@pytest.mark.parametrize("size", [1, 100, 1 << 16, 1 << 22])
def test_the_rest_of_a_request_that_is_too_long_is_left_out(size):
    data = (
        b"::add-mask::" + b"s3cr3t-" * (LONGEST_REQUEST // 7 + 3) + b"\nnext s3cr3t-s3cr3t-" + b"s3cr3t-" * 200 + b"\n"
    )
    lines, warnings = masked([data[at : at + size] for at in range(0, len(data), size)], 1 << 16)
    assert lines[0] == f"::add-mask::{MASK}"
    assert len(lines) == 2
    assert lines[1].startswith("next ")
    assert warnings == ["a line with ::add-mask:: is longer than 1 MiB; the rest of its value is not masked later"]


@given(cuts=st.lists(st.integers(0, 200)))
def test_a_request_that_is_overwritten_is_followed(cuts):
    data = b"::add-mask::tr0ub4dor\rdone\na tr0ub4dor\r\n::add-mask::second-value\r\nb second-value\n"
    lines, _ = masked(chunked(data, cuts), 1000)
    assert lines == ["done", f"a {MASK}", f"::add-mask::{MASK}", f"b {MASK}"]


def test_line_of_exactly_the_limit_is_one_line():
    assert split([b"abcd\nef\n"], longest=4) == ["abcd", "ef"]
    assert split([b"abcde\n\nf"], longest=4) == ["abcd", "e", "", "f"]


def test_progress_bar_is_shown_in_its_last_state():
    assert split([b"10%\r", b"50%\r100%", b"\r", b"\ndone\n"]) == ["100%", "done"]


def test_huge_line_is_not_buffered():
    splitter = LineSplitter()
    chunk = b"x" * 65536
    tracemalloc.start()
    length = sum(len(piece) for _ in range(1600) for piece in splitter.feed(chunk))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert length + len("".join(splitter.finish())) == 1600 * 65536
    assert peak < 2_000_000


@given(st.text("aé🙂", min_size=6, max_size=9), st.integers(0, 20), st.lists(st.integers(0, 200)), st.integers(8, 12))
def test_a_long_line_is_not_cut_inside_a_secret(secret, before, cuts, longest):
    """Even if the Step has just asked to mask it, and nothing was shown yet."""
    data = f"::add-mask::{secret}\n{'x' * before}{secret}{'x' * 40}\n".encode()
    masks = Masks()
    splitter = LineSplitter(longest + len("::add-mask::") + 4 * len(secret), masks)
    pieces = [piece for chunk in chunked(data, cuts) for piece in splitter.feed(chunk)] + splitter.finish()
    assert any(secret in piece for piece in pieces[1:])
    assert secret not in "".join(map(masks.mask_output, pieces))


@given(
    st.lists(st.sampled_from([*PARTS[5:], b"a", b"\xe2\x94", b"\xf0", b"\x80"]), min_size=6, max_size=9),
    st.integers(0, 40),
    st.lists(st.integers(0, 200)),
)
def test_a_long_line_is_not_cut_inside_a_secret_that_is_not_utf8(parts, before, cuts):
    secret = b"a%sa" % b"".join(parts)
    data = b"::add-mask::%s\n%s-%s-%s\n" % (secret, b"x" * before, secret, b"y" * 80)
    masks = Masks()
    splitter = LineSplitter(50, masks)
    pieces = [piece for chunk in chunked(data, cuts) for piece in splitter.feed(chunk)] + splitter.finish()
    assert "".join(pieces[1:]) == f"{'x' * before}-{secret.decode(errors='replace')}-{'y' * 80}"
    assert "".join(map(masks.mask_output, pieces[1:])) == f"{'x' * before}-{MASK}-{'y' * 80}"


@given(
    st.text("abé", min_size=1, max_size=5),
    st.integers(4, 9),
    st.integers(0, 60),
    st.integers(0, 300),
    st.lists(st.integers(0, 200)),
)
def test_no_piece_of_a_long_line_shows_a_part_of_a_secret_that_overlaps_itself(unit, count, before, after, cuts):
    secret = unit * count
    line = f"{'x' * before}{secret}{(unit * 300)[:after]}"
    masks = Masks()
    masks.add(secret)
    splitter = LineSplitter(50, masks)
    pieces = [piece for chunk in chunked(line.encode(), cuts) for piece in splitter.feed(chunk)] + splitter.finish()
    assert re.sub(r"\*+", lambda _: MASK, "".join(map(masks.mask_output, pieces))) == masks.mask(line)


@given(
    st.text("abé", min_size=1, max_size=2),
    st.integers(5, 20),
    st.integers(0, 200),
    st.text("abé", max_size=9),
    st.lists(st.integers(0, 200)),
)
def test_no_piece_of_a_long_line_shows_a_part_of_secrets_that_overlap_each_other(unit, count, more, after, cuts):
    """Also of a long one that begins in what copies of a short one cover, and ends after them."""
    masks = Masks()
    for secret in (unit * 4, f"{unit * count}c"):
        masks.add(secret)
    line = f"{unit * (count + more)}c{after}"
    splitter = LineSplitter(150, masks)
    pieces = [piece for chunk in chunked(line.encode(), cuts) for piece in splitter.feed(chunk)] + splitter.finish()
    assert re.sub(r"\*+", lambda _: MASK, "".join(map(masks.mask_output, pieces))) == masks.mask(line)


@given(st.lists(st.text("aé│\ud800 "), min_size=1), st.text("[a│\ud800"))
def test_each_line_gets_the_prefix(lines, prefix):
    text = prefixed("\n".join(lines), prefix)
    assert text.split("\n") == [prefix + line for line in lines]
    assert prefixed_bytes("\n".join(lines), prefix).decode() == text.replace("\ud800", "?")
