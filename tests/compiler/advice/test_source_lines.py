"""The text block of each line of a file, compared to a search upwards from each line."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from monopod.compiler.advice.source_lines import headers_of_blocks

LINES = st.builds(
    lambda indent, text: " " * indent + text,
    st.integers(0, 5),
    st.sampled_from(["", "a", "a: |", "- |-", "b: >2 # why", "a: b", "x: &y !!str |", "c: | d"]),
)


def header_above(lines: Sequence[str], line: int) -> int | None:
    """Return the first line above `line` with less indent than all lines between, that ends like a header."""
    indent = len(lines[line - 1]) - len(lines[line - 1].lstrip())
    for above in range(line - 1, 0, -1):
        text = lines[above - 1]
        inner = len(text) - len(text.lstrip())
        if not text.strip() or inner >= indent:
            continue
        if text.split("#")[0].strip().rstrip("-2").endswith(("|", ">")):
            return above
        indent = inner
    return None


@given(st.lists(LINES, max_size=12))
@example(["a: |", "  b", "", "   ", "  c", "d"])
def test_headers_agree_with_a_search_upwards(lines: list[str]) -> None:
    assert headers_of_blocks(lines) == [header_above(lines, line) for line in range(1, len(lines) + 1)]
