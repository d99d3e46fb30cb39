from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.schemas.formats import quantity

FACTORS = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}
numbers = st.integers(0, 10**6).map(str) | st.decimals(0, 1000, places=4).map(str)
texts = st.tuples(st.sampled_from(["", "-", "+"]), numbers, st.sampled_from(sorted(FACTORS)))


@given(texts)
def test_value_of_a_quantity(parts):
    sign, number, unit = parts
    exact = Fraction(number) * FACTORS[unit]
    nanos = math.ceil(exact * 10**9)
    assert quantity.parse(sign + number + unit) == Fraction(nanos, 10**9) * (-1 if sign == "-" else 1)


@given(texts)
def test_canonical_text_has_the_same_value(parts):
    text = "".join(parts)
    value, family = quantity.parse(text), quantity.family(text)
    canonical = quantity.canonical(value, family)
    assert quantity.parse(canonical) == value
    assert quantity.canonical(value, quantity.family(canonical)) == canonical


@given(texts)
def test_canonical_text_is_a_whole_number_with_the_largest_unit(parts):
    canonical = quantity.canonical(quantity.parse("".join(parts)))
    digits = canonical.lstrip("-").rstrip("numkMGTPE")
    assert digits.isdigit()
    unit = canonical.lstrip("-").removeprefix(digits)
    assert unit == "E" or int(digits) % 1000 != 0 or int(digits) == 0


# By the rules that Kubernetes gives for the canonical form (API conventions, resource.Quantity).
@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("0Gi", "0"),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("1000Ki", "1000Ki"),
        ("512", "512"),
        ("0.5Ki", "512"),
        ("1.0001Ki", "1024102400u"),
        ("1024", "1024"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1500e0", "1500"),
        ("12000E", "12000E"),
        ("1E", "1E"),
        ("0.0000000001", "1n"),
        ("-0.0000000001", "-1n"),
        (".5", "500m"),
        ("5.", "5"),
        ("+1k", "1k"),
    ],
)
def test_examples(text, canonical):
    assert quantity.canonical(quantity.parse(text), quantity.family(text)) == canonical


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1gi", "1KB", "1,5", "--1", "1e", "1eG", "0x10", "१", "1\n", "."])
def test_invalid_quantity_is_refused(text):
    with pytest.raises(ValueError, match="is not a quantity; write a number"):
        quantity.parse(text)


def test_thousandths_are_rounded_up():
    assert quantity.millis("1.0001") == 1001
    assert quantity.millis("250m") == 250
