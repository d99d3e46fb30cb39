"""The combinations of params that a matrix stands for (Tekton docs/matrix.md).

Rules:

- The first param varies fastest, as in Tekton's implementation: combination *i* is Tekton's TaskRun number *i*.
- An entry of ``include`` extends every combination that it does not contradict; one whose values are all absent from
  the combinations is a combination of its own.
- A param with an empty array leaves no combination at all: the PipelineTask is skipped.

Standard library only, since the coordinator imports it. What is left to others: the values of the params.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Combination = dict[str, str]


def combinations(
    params: Mapping[str, Sequence[str]], include: Iterable[tuple[str, Mapping[str, str]]] = ()
) -> tuple[Combination, ...]:
    """Return the combinations of ``matrix.params`` and ``matrix.include``, each with its names in sorted order.

    ``params`` are the arrays by name, in the order written; ``include`` are the entries as (name, params).
    """
    entries = [dict(entry) for _, entry in include]
    if not params:
        return tuple(map(_sorted, entries))
    result = _products(params)
    if not result:
        return ()
    for combination in result:
        for entry in entries:
            if all(combination.get(name, value) == value for name, value in entry.items()):
                combination.update(entry)
    for entry in entries:
        if entry and not any(entry.items() & combination.items() for combination in result):
            result.append(entry)
    return tuple(map(_sorted, result))


def _products(params: Mapping[str, Sequence[str]]) -> list[Combination]:
    result: list[Combination] = [{}]
    for name, values in params.items():
        result = [{**combination, name: value} for value in values for combination in result]
    return result


def _sorted(combination: Mapping[str, str]) -> Combination:
    return dict(sorted(combination.items()))
