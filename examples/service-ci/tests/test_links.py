"""Tests of links and their names."""

# ruff: noqa: PT009, PT027

from __future__ import annotations

import unittest

from shortener.links import Links


class LinksTest(unittest.TestCase):
    """Links in memory."""

    def test_a_link_is_found_by_its_name(self) -> None:
        """A name leads to its link."""
        links = Links()
        self.assertEqual(links.find(links.add("https://tekton.dev")), "https://tekton.dev")

    def test_the_same_link_has_the_same_name(self) -> None:
        """Adding a link twice changes nothing."""
        links = Links()
        self.assertEqual(links.add("https://tekton.dev"), links.add("https://tekton.dev"))

    def test_other_text_is_refused(self) -> None:
        """Only links of the web are accepted."""
        with self.assertRaises(ValueError):
            Links().add("javascript:alert(1)")

    def test_an_unknown_name_has_no_link(self) -> None:
        """A name that nobody added is not an error."""
        self.assertIsNone(Links().find("abc"))
