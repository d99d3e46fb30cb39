"""Reading links and headings out of Markdown text."""

# ruff: noqa: PT009

import unittest

from mdlinks.document import Link, anchors, links


class LinksTest(unittest.TestCase):
    """Which links a document has."""

    def targets(self, text):
        """Return only the targets."""
        return [link.target for link in links(text)]

    def test_an_inline_link_with_its_line(self):
        """Lines are counted from 1."""
        self.assertEqual(links("# Title\n\nSee [the guide](guide.md).\n"), [Link(3, "guide.md")])

    def test_every_form_of_a_target(self):
        """Titles, angle brackets, brackets within, images."""
        forms = {
            "[a](b.md)": "b.md",
            "![a](b.png)": "b.png",
            '[a](b.md "title")': "b.md",
            "[a](<b c.md>)": "b c.md",
            "[a](b_(c).md)": "b_(c).md",
            "[a](#here)": "#here",
            "[a]: b.md": "b.md",
            "[a]: <b c.md> 'title'": "b c.md",
        }
        for text, target in forms.items():
            with self.subTest(text):
                self.assertEqual(self.targets(text), [target])

    def test_several_links_on_one_line(self):
        """All of them, from left to right."""
        self.assertEqual(self.targets("[a](1.md), [b](2.md), [![c](3.png)](4.md)"), ["1.md", "2.md", "3.png", "4.md"])

    def test_code_is_not_looked_at(self):
        """Neither fences nor spans hold links."""
        self.assertEqual(self.targets("```\n[a](b.md)\n```\n`[a](c.md)` [a](d.md)\n"), ["d.md"])

    def test_a_longer_fence_holds_a_shorter_one(self):
        """A fence ends at a marker at least as long as its own."""
        self.assertEqual(self.targets("````\n```\n[a](b.md)\n```\n````\n[a](c.md)\n"), ["c.md"])

    def test_footnote_is_not_a_link(self):
        """``[^1]:`` starts a note."""
        self.assertEqual(self.targets("[^1]: not.a.link\n"), [])


class AnchorsTest(unittest.TestCase):
    """Which fragments lead into a document."""

    def test_headings_as_github_names_them(self):
        """Lower case, no punctuation, hyphens; link texts without their targets."""
        text = "# What's new?\n## `run` and *more*\n### See [the docs](x.md) ##\n"
        self.assertEqual(anchors(text), {"whats-new", "run-and-more", "see-the-docs"})

    def test_equal_headings_are_numbered(self):
        """The second gets -1."""
        self.assertEqual(anchors("# A\n# A\n# A\n"), {"a", "a-1", "a-2"})

    def test_html_anchors(self):
        """An explicit id counts."""
        self.assertEqual(anchors('<a id="Here"></a>\n'), {"Here"})

    def test_comment_in_code_is_not_a_heading(self):
        """A shell comment in a fence is not a heading."""
        self.assertEqual(anchors("```sh\n# not a heading\n```\n"), set())


if __name__ == "__main__":
    unittest.main()
