"""Secrets in text, compared to a masker that replaces one value after another."""

import base64
import json
import re
import subprocess
import sys
import urllib.parse
from html import escape
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.display.printable import printable, printable_lines
from monopod.runner.follow.lines import LineSplitter
from monopod.runner.masking.forms import LONGEST
from monopod.runner.masking.masks import MASK, MOST_REQUESTED, Masks

LETTERS = st.characters(codec="utf-8", exclude_characters="\n\r*…", exclude_categories=("Cs", "Zs", "Zl", "Zp", "Cc"))
SECRETS = st.lists(st.text(LETTERS, min_size=4, max_size=30), min_size=1, max_size=4, unique=True)
WORDS = st.text("abcdef \t", max_size=12)


def masks_for(*values):
    masks = Masks()
    for value in values:
        assert masks.add(value)
    return masks


def lines_of(chunks, masks, longest=1000):
    splitter = LineSplitter(longest, masks)
    texts = [text for chunk in chunks if (text := splitter.feed_text(chunk)) is not None]
    return [masks.mask_output(text) for text in (*texts, *splitter.finish())]


def chunked(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(SECRETS, st.data(), st.lists(st.integers(0, 2000)))
def test_no_line_has_a_secret_however_its_bytes_are_divided(secrets, data, cuts):
    words = st.one_of(WORDS, st.sampled_from(secrets), st.just("\n"))
    output = "".join(data.draw(st.lists(words, max_size=30))).encode()
    lines = lines_of(chunked(output, cuts), masks_for(*secrets))
    assert not [(line, secret) for line in lines for secret in secrets if secret in line]
    assert "\n".join(lines).split("\n") == "\n".join(lines_of([output], masks_for(*secrets))).split("\n")


@given(st.text("0123456789", min_size=8, max_size=20), st.lists(WORDS, max_size=9), st.lists(st.integers(0, 2000)))
def test_everything_else_is_unchanged(secret, words, cuts):
    output = f" {secret} ".join(words) + "\n"
    assert "\n".join(lines_of(chunked(output.encode(), cuts), masks_for(secret))) == output[:-1].replace(secret, MASK)


@given(
    st.text("0123456789", min_size=4, max_size=20),
    st.lists(st.one_of(st.just(None), st.text("abc", min_size=1, max_size=40)), max_size=30),
    st.lists(st.integers(0, 2000)),
)
def test_long_line_is_not_cut_inside_a_secret(secret, words, cuts):
    output = "".join(f"{secret}." if word is None else word for word in words)
    pieces = lines_of(chunked(output.encode(), cuts), masks_for(secret), longest=25)
    assert "".join(pieces).replace("\n", "") == output.replace(secret, MASK)


@given(st.lists(st.text("01234567", min_size=16, max_size=40), min_size=30, max_size=40, unique=True), st.data())
def test_many_secrets_are_found_at_any_position(secrets, data):
    masks = masks_for(*secrets)
    secret = data.draw(st.sampled_from(secrets))
    before, after = data.draw(st.text("abc", max_size=20)), data.draw(st.text("abc", max_size=20))
    assert masks.mask(f"{before}{secret}{after}") == f"{before}{MASK}{after}"
    assert masks.mask(before + after) == before + after


@given(st.text("abcxyz#?ü", min_size=8, max_size=60), st.text("012", max_size=9), st.text("012", max_size=9))
def test_base64_of_a_longer_text_does_not_give_a_secret_away(secret, before, after):
    encoded = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    masked = masks_for(secret).mask(encoded)
    assert MASK in masked
    left, _, right = masked.partition(MASK)
    assert len(left) <= -(-4 * len(before) // 3) + 1
    assert len(right) <= -(-4 * len(after) // 3) + 5


@pytest.mark.parametrize("secret", ["p@ss/w+rd: 100%", 'it\'s "quoted" & <odd>', "\tünïcode…", "back\\slash"])
@pytest.mark.parametrize(
    "written",
    [
        lambda text: text,
        urllib.parse.quote,
        lambda text: urllib.parse.quote(text, safe=""),
        urllib.parse.quote_plus,
        lambda text: re.sub("%..", lambda found: found[0].lower(), urllib.parse.quote(text, safe="")),
        json.dumps,
        lambda text: json.dumps(text, ensure_ascii=False),
        escape,
        lambda text: (
            subprocess.run(["sh", "-xc", "true token=$0", text], stderr=subprocess.PIPE, check=True, text=True).stderr
        ),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    ],
)
def test_forms_in_which_programs_write_a_secret_are_masked(secret, written):
    assert MASK in masks_for(secret).mask(f"say {written(secret)} now")


def test_lines_of_a_key_are_masked_and_the_frame_is_not():
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n{\nshort\n-----END OPENSSH PRIVATE KEY-----\n"
    assert masks_for(key).mask(key) == key.replace("b3BlbnNzaC1rZXktdjEA", MASK)


@pytest.mark.parametrize("width", [64, 76])
def test_wrapped_base64_of_a_long_value_is_masked(width):
    value = "".join(chr(33 + number % 90) for number in range(200))
    encoded = base64.b64encode(f"{value}\n".encode()).decode()
    lines = [encoded[start : start + width] for start in range(0, len(encoded), width)]
    masked = masks_for(value).mask("\n".join(lines)).split("\n")
    assert all(line.startswith(MASK) and len(line) <= len(MASK) + 4 for line in masked)


def test_value_longer_than_all_forms_is_masked():
    value = "".join(chr(33 + number * 7 % 9) for number in range(3 * LONGEST + 5))
    assert masks_for(value).mask(f"({value})") == f"({MASK})"


def test_bytes_that_are_not_text_are_masked_as_base64():
    masks = Masks()
    assert masks.add_value(bytes(range(250, 256)) * 9)
    assert masks.mask(base64.b64encode(bytes(range(250, 256)) * 9).decode()) == MASK


def test_overlapping_secrets_leave_nothing_over():
    assert masks_for("abcdefgh", "efghijkl").mask("1 abcdefghijkl 2") == f"1 {MASK} 2"


@pytest.mark.parametrize("sequence", ["\x1b[m", "\x1b[01;31m\x1b[K", "\x1b[2J", "\x1b]0;title\x07", "\x9b1m", "\x1b(B"])
@pytest.mark.parametrize("colours", [False, True])
def test_secret_with_colours_in_it_is_masked(sequence, colours):
    masks = masks_for("correct-horse")
    output = f"{sequence}red correct-horse\n{sequence}a correct-{sequence}horse b\n{sequence}blue"
    shown = printable_lines(masks.mask_output(output), colours=colours).split("\n")
    assert printable(shown[0], colours=False) == f"red {MASK}"
    assert shown[1] == f"a {MASK} b"
    assert shown[2] == printable(f"{sequence}blue", colours=colours)


def covered(text, secrets):
    """Return the positions of a text that any occurrence of a secret covers."""
    return {
        position
        for secret in secrets
        for start in range(len(text))
        if text.startswith(secret, start)
        for position in range(start, start + len(secret))
    }


@given(
    st.lists(st.text("ab", min_size=4, max_size=9), min_size=1, max_size=3),
    st.lists(st.tuples(st.text("abc", min_size=1, max_size=4), st.integers(1, 30)), max_size=6),
)
def test_secrets_that_overlap_themselves_are_masked_and_nothing_else(secrets, repetitions):
    text = "".join(unit * count for unit, count in repetitions)
    hidden = covered(text, secrets)
    shown = "".join("*" if position in hidden else letter for position, letter in enumerate(text))
    assert masks_for(*secrets).mask(text) == re.sub(r"\*+", lambda _: MASK, shown)


@pytest.mark.parametrize("unit", ["a", "ab", "abc" * 300])
@pytest.mark.parametrize("between", ["", "-", "a", "\n"])
def test_secret_that_repeats_itself_is_not_searched_at_each_position(unit, between):
    masks = masks_for(unit * (100_000 // len(unit)))
    text = (unit * (2_000 // len(unit)) + between) * 500
    calls = 0

    def count(*_):
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        lines_of([text.encode()], masks, 65536)
    finally:
        sys.setprofile(None)
    assert calls < len(text) / 2


def test_short_values_and_masks_are_not_masked():
    masks = Masks()
    assert not any(masks.add(value) for value in ("", "abc", " abc \n", "****", "{\n}\n"))
    assert masks.mask("abc **** {") == "abc **** {"


def test_beginning_of_a_secret_in_a_shortened_message_is_masked():
    masks = masks_for("correct-horse")
    assert masks.mask_message("token=correct-h… and correct…, cor…") == f"token={MASK}… and {MASK}…, cor…"


@given(st.lists(st.text("01", min_size=4, max_size=9), min_size=1, max_size=4), st.text("01", max_size=20))
def test_end_that_is_the_beginning_of_any_secret_is_masked(secrets, text):
    masks = masks_for(*secrets)
    kept = masks.mask(text)
    starts = (at for at in range(len(kept) - 3) if any(secret.startswith(kept[at:]) for secret in secrets))
    start = next(starts, None)
    assert masks.mask_message(f"{text}…") == (kept if start is None else kept[:start] + MASK) + "…"


def test_not_every_secret_is_searched_at_each_end_of_a_message():
    masks = masks_for(*(f"value-{number:03}" for number in range(300)))
    calls = 0

    def count(*_):
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        masks.mask_message("other…" * 1000)
    finally:
        sys.setprofile(None)
    assert calls < 50_000


def test_request_masks_from_its_line_on():
    masks = Masks()
    before = "a tr0ub4dor\n::add-mask::tr0ub4dor\nb tr0ub4dor"
    assert masks.mask_output(before) == f"a tr0ub4dor\n::add-mask::{MASK}\nb {MASK}"
    assert masks.mask_output("c tr0ub4dor") == f"c {MASK}"
    assert not masks.warnings


def test_request_can_have_several_lines_and_percent_signs():
    masks = Masks()
    masks.mask_output("  ::add-mask::first-part%0Asecond%25part")
    assert masks.mask("first-part second%part") == f"{MASK} {MASK}"


def test_request_for_a_short_value_is_reported_and_not_shown():
    masks = Masks()
    assert masks.mask_output("::add-mask::abc\nabc") == f"::add-mask::{MASK}\nabc"
    (warning,) = masks.warnings
    assert "fewer than 4 characters" in warning


def test_length_of_all_requests_is_limited(monkeypatch):
    monkeypatch.setattr("monopod.runner.masking.masks.MOST_REQUESTED_BYTES", 20)
    masks = Masks()
    masks.mask_output("\n".join(f"::add-mask::value-number-{number}" for number in range(4)))
    assert masks.mask("value-number-0") == MASK
    assert masks.mask("value-number-1 value-number-3") == "value-number-1 value-number-3"
    assert masks.warnings == ["Steps asked to mask values of more than 20 bytes together; no further ones are masked"]


def test_number_of_requests_is_limited():
    masks = Masks()
    masks.mask_output("\n".join(f"::add-mask::value-{number}-" for number in range(MOST_REQUESTED + 5)))
    assert masks.mask(f"value-{MOST_REQUESTED - 1}-; value-{MOST_REQUESTED}-") == f"{MASK}; value-{MOST_REQUESTED}-"
    assert len(masks.warnings) == 1
