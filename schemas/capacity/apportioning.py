"""Sharing a total in proportion to amounts, in whole numbers."""

from __future__ import annotations

from collections.abc import Sequence


def apportion_above(amounts: Sequence[int], total: int, lowest: Sequence[int]) -> list[int]:
    """Apportion as `apportion` does, but give each amount at least its `lowest`.

    The other amounts share the rest, so that the sum is `total`, unless the lowest values add up to more.
    """
    low: set[int] = set()
    while True:
        others = [index for index in range(len(amounts)) if index not in low]
        rest = max(0, total - sum(lowest[index] for index in low))
        wanted = [amounts[index] for index in others]
        shares = dict(zip(others, apportion(wanted, min(rest, sum(wanted))), strict=True))
        below = {index for index, share in shares.items() if share < lowest[index]}
        if not below:
            return [shares.get(index, lowest[index]) for index in range(len(amounts))]
        low |= below


def apportion(amounts: Sequence[int], total: int) -> list[int]:
    """Return whole numbers in proportion to `amounts` whose sum is `total` (at most theirs).

    The largest remainders are rounded up, the earlier of two that are equal (Hamilton's method); so none of the numbers
    is above its amount.
    """
    whole = sum(amounts)
    if not whole:
        return list(amounts)
    shares = [amount * total // whole for amount in amounts]
    by_remainder = sorted(range(len(amounts)), key=lambda index: -(amounts[index] * total % whole))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares
