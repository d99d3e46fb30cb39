"""Tests of counting."""

# ruff: noqa: PT009

from __future__ import annotations

import unittest

from wordcount.count import count


class CountTest(unittest.TestCase):
    """Counting words."""

    def test_case_does_not_matter(self) -> None:
        """The and the are one word."""
        self.assertEqual(count("The cat, the dog"), {"the": 2, "cat": 1, "dog": 1})
