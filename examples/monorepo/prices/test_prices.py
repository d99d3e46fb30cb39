"""Tests of prices."""

# ruff: noqa: PT009

from __future__ import annotations

import unittest

from prices.prices import cents


class PricesTest(unittest.TestCase):
    """Prices by weight."""

    def test_a_price_is_proportional_to_the_weight(self) -> None:
        """Half a kilogram costs half."""
        self.assertEqual(cents("500 g", 199), 100)
