"""``python3 soak.py SEED CASES``: compare merged intervals with sets of numbers, for random intervals."""

from __future__ import annotations

import itertools
import random
import sys

from merge.intervals import merge


def numbers(intervals: list[tuple[int, int]]) -> set[int]:
    """Return the numbers in intervals."""
    return {number for start, end in intervals for number in range(start, end + 1)}


seed, cases = int(sys.argv[1]), int(sys.argv[2])
chosen = random.Random(seed)  # noqa: S311  # a test that can be repeated
for case in range(cases):
    starts = [chosen.randrange(60) for _ in range(chosen.randrange(8))]
    given = [(start, start + chosen.randrange(9)) for start in starts]
    merged = merge(given)
    if numbers(merged) != numbers(given) or any(b[0] <= a[1] + 1 for a, b in itertools.pairwise(merged)):
        sys.exit(f"seed {seed}, case {case}: {given} became {merged}")
print(f"seed {seed}: {cases} cases")
