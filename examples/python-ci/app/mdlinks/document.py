"""Reads a Markdown document: its links with their lines, and the anchors that its headings make.

Only what is certain counts: text in code fences and code spans is not looked at. Pure: no files are touched here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_HEADING = re.compile(r" {0,3}#{1,6}\s+(.*?)\s*#*\s*$")
_INLINE_LINK = re.compile(r"""\]\(\s*(?:<([^<>]*)>|([^\s()]*(?:\([^\s()]*\)[^\s()]*)*))(?:\s+["'(][^)]*)?\s*\)""")
_REFERENCE = re.compile(r" {0,3}\[[^\]^][^\]]*\]:\s*(?:<([^<>]*)>|(\S+))")
_LINK_TEXT = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_HTML_ANCHOR = re.compile(r"""<[a-zA-Z][^>]*\b(?:id|name)=["']([^"']+)["']""")


@dataclass(frozen=True)
class Link:
    """The line of a link (line numbers start at 1) and its target."""

    line: int
    target: str


def links(text: str) -> list[Link]:
    """Return every link of the document, inline links and reference definitions alike, in the order of the lines."""
    found = []
    for number, line in _prose(text):
        reference = _REFERENCE.match(line)
        matches = [reference] if reference else _INLINE_LINK.finditer(line)
        found.extend(Link(number, match[1] if match[1] is not None else match[2]) for match in matches)
    return found


def anchors(text: str) -> set[str]:
    """Return the fragments that lead into the document: GitHub's for its headings, and explicit HTML anchors."""
    found: set[str] = set()
    for _, line in _prose(text, keep_code_spans=True):
        found.update(_HTML_ANCHOR.findall(line))
        heading = _HEADING.match(line)
        if heading:
            found.add(_unused(_slug(heading[1]), found))
    return found


def _prose(text: str, keep_code_spans: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines outside code fences, without their code spans."""
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        marker = _FENCE.match(line)
        if fence:
            if marker and marker[1].startswith(fence) and not line.strip(" `~"):
                fence = ""
        elif marker:
            fence = marker[1]
        else:
            yield number, line if keep_code_spans else _CODE_SPAN.sub("", line)


def _slug(heading: str) -> str:
    """Return GitHub's anchor for a heading: lower case, without punctuation, blanks as hyphens."""
    plain = _LINK_TEXT.sub(r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def _unused(slug: str, taken: set[str]) -> str:
    """Return the slug, numbered as GitHub does if an earlier heading has it."""
    candidate, number = slug, 0
    while candidate in taken:
        number += 1
        candidate = f"{slug}-{number}"
    return candidate
