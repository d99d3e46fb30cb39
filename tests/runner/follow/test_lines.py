"""The lines of a container's output, compared to a much simpler splitter that has all bytes at once."""

import re
import tracemalloc
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.follow.lines import LineSplitter, prefixed, prefixed_bytes
from monopod.runner.masking.masks import Masks

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


@given(st.lists(st.text("aé│\ud800 "), min_size=1), st.text("[a│\ud800"))
def test_each_line_gets_the_prefix(lines, prefix):
    text = prefixed("\n".join(lines), prefix)
    assert text.split("\n") == [prefix + line for line in lines]
    assert prefixed_bytes("\n".join(lines), prefix).decode() == text.replace("\ud800", "?")
