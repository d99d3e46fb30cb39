"""Tests of amounts."""

# ruff: noqa: PT009, PT027

from __future__ import annotations

import unittest

from units.units import grams


class UnitsTest(unittest.TestCase):
    """Amounts with a unit."""

    def test_amounts_are_converted(self) -> None:
        """Known units have a factor."""
        self.assertEqual(grams("3 kg"), 3000)

    def test_an_unknown_unit_is_refused(self) -> None:
        """Other units are an error."""
        with self.assertRaises(ValueError):
            grams("3 lb")
