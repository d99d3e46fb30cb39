"""The combinations of a matrix (Tekton docs/matrix.md).

Rules:

- The first param varies fastest, as in Tekton's implementation: combination *i* is Tekton's TaskRun number *i*.
- An entry of ``include`` extends every combination that it does not contradict. An entry whose values occur in no
  combination becomes a further combination.
- With an empty array there are no combinations, and the PipelineTask is skipped.
- More than `MAX_COMBINATIONS` are never generated: their number is a product of arrays that a Step may have written.

Standard library only, since the coordinator imports it. Left to others: the values of the params.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

Combination = dict[str, str]

MAX_COMBINATIONS = 256
"""Tekton's default-max-matrix-combinations-count."""
MAX_INCLUDED = 4096
"""The most entries of ``include``, since each is compared with each combination."""


class TooManyCombinationsError(Exception):
    """A matrix has more than `MAX_COMBINATIONS` combinations, or more than `MAX_INCLUDED` entries of `include`."""


def combinations(
    params: Mapping[str, Sequence[str]], include: Iterable[tuple[str, Mapping[str, str]]] = ()
) -> tuple[Combination, ...]:
    """Return the combinations of ``matrix.params`` and ``matrix.include``, each with its names in sorted order.

    ``params`` are the arrays by name, in the order written; ``include`` are the entries as (name, params). Raises
    TooManyCombinationsError.
    """
    return combinations_and_idle_entries(params, include)[0]


def combinations_and_idle_entries(
    params: Mapping[str, Sequence[str]], include: Iterable[tuple[str, Mapping[str, str]]]
) -> tuple[tuple[Combination, ...], tuple[int, ...]]:
    """Return the `combinations`, and the positions of entries that neither extend a combination nor become one.

    If there are no combinations, no positions are returned. Raises TooManyCombinationsError.
    """
    entries = [entry for _, entry in include]
    made, used = _made(params, entries)
    idle = tuple(number for number in range(len(entries)) if number not in used) if made else ()
    return tuple(dict(sorted(combination.items())) for combination in made), idle


def _made(
    params: Mapping[str, Sequence[str]], entries: Sequence[Mapping[str, str]]
) -> tuple[list[Combination], set[int]]:
    """Return the combinations, and the positions of the entries that contributed to them."""
    if len(entries) > MAX_INCLUDED:
        raise TooManyCombinationsError(f"matrix.include has {len(entries)} entries, more than {MAX_INCLUDED}")
    if not params:
        made = [dict(entry) for entry in entries]
        return _limited(made), set(range(len(entries)))
    count = math.prod(map(len, params.values()))
    if count > MAX_COMBINATIONS:
        raise _too_many(count)
    made = _products(params)
    if not made:
        return [], set()
    used = _extend(made, entries) | _append(made, entries)
    return _limited(made), used


def _extend(made: list[Combination], entries: Sequence[Mapping[str, str]]) -> set[int]:
    """Extend the combinations that an entry does not contradict; return the positions of entries that extended one."""
    used = set()
    for combination in made:
        for number, entry in enumerate(entries):
            if all(combination.get(name, value) == value for name, value in entry.items()):
                if entry.keys() - combination.keys():
                    used.add(number)
                combination.update(entry)
    return used


def _append(made: list[Combination], entries: Sequence[Mapping[str, str]]) -> set[int]:
    """Add each entry whose values occur in no combination; return their positions."""
    used = set()
    present = {pair for combination in made for pair in combination.items()}
    for number, entry in enumerate(entries):
        if entry and present.isdisjoint(entry.items()):
            made.append(dict(entry))
            present.update(entry.items())
            used.add(number)
    return used


def _limited(made: list[Combination]) -> list[Combination]:
    if len(made) > MAX_COMBINATIONS:
        raise _too_many(len(made))
    return made


def _too_many(count: int) -> TooManyCombinationsError:
    return TooManyCombinationsError(
        f"a matrix has {count} combinations, more than the {MAX_COMBINATIONS} that Tekton allows"
    )


def _products(params: Mapping[str, Sequence[str]]) -> list[Combination]:
    result: list[Combination] = [{}]
    for name, values in params.items():
        result = [{**combination, name: value} for value in values for combination in result]
    return result
