"""What the containers of a Pod still request of one resource when some of them are over.

Rules:

- The sum of the requests becomes the peak of the containers that are still needed, rounded up. It is never below that.
- No request is raised: lowering one always succeeds, raising one may wait forever. Hence a container that is over keeps
  a part of its request if the others request less than their peak.
- Containers that are over are lowered first, in proportion, down to their lowest request. Only then are the others,
  which keep their proportions.

Pure, and standard library only, since the coordinator imports it.
"""

from __future__ import annotations

from collections.abc import Collection

from monopod.schemas.capacity.apportioning import apportion_above
from monopod.schemas.capacity.peak import peak
from monopod.schemas.capacity.shares import Requests, Share
from monopod.schemas.plan import Pipeline

_KIBIBYTE = 1024


def lowered(requests: Requests, pipeline: Pipeline, needed: Collection[str], max_parallel: int | None) -> Requests:
    """Return the requests when only the `needed` containers can still be busy. `max_parallel` is the Plan's."""
    highest = peak(
        pipeline,
        {share.container: share.asked for share in requests.shares if share.container in needed},
        max_parallel=max_parallel,
    )
    present = requests.sum
    unit = _unit(requests)
    target = min(-(-max(highest, min(requests.lowest_sum, present)) // unit) * unit, present)
    over = tuple(share for share in requests.shares if share.container not in needed)
    others = tuple(share for share in requests.shares if share.container in needed)
    of_others = sum(share.requested for share in others)
    least_of_over = sum(min(share.lowest, share.requested) for share in over)
    changed = {
        **_scaled(over, max(target - of_others, least_of_over), unit),
        **_scaled(others, min(target - least_of_over, of_others), unit),
    }
    shares = tuple(share._replace(requested=changed[share.container]) for share in requests.shares)
    return requests._replace(shares=shares)


def _scaled(shares: tuple[Share, ...], total: int, unit: int) -> dict[str, int]:
    """Return the requests of containers, lowered in proportion to this sum, but not below the lowest ones."""
    amounts = [share.requested // unit for share in shares]
    lowest = [-(-min(share.lowest, share.requested) // unit) for share in shares]
    scaled = apportion_above(amounts, min(max(total, 0) // unit, sum(amounts)), lowest)
    return {share.container: amount * unit for share, amount in zip(shares, scaled, strict=True)}


def _unit(requests: Requests) -> int:
    """Return the unit of the new requests: whole KiB are easier to read, where everything is a multiple of it."""
    is_memory = requests.resource == "memory"
    amounts = (amount for share in requests.shares for amount in (share.requested, min(share.lowest, share.requested)))
    return _KIBIBYTE if is_memory and all(amount % _KIBIBYTE == 0 for amount in amounts) else 1
