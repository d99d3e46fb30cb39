"""What the containers of a Pod request of one resource. A Plan may hold it, so this imports nothing of monopod."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Resource: TypeAlias = Literal["cpu", "memory"]
"""The resources that can be changed while a Pod runs."""


class Share(NamedTuple):
    """The part of a container in the requests of its Pod.

    ``asked`` is what its author asked for, ``requested`` what it requests so that the Pod's sum is the peak. ``lowest``
    is the lowest request that its namespace allows.
    """

    container: str
    asked: int
    requested: int
    lowest: int = 0


class Requests(NamedTuple):
    """The requests of one resource: of cpu in thousandths of a core, of memory in bytes.

    ``lowest_sum`` is the lowest sum of the shares that the namespace allows.
    """

    resource: Resource
    shares: tuple[Share, ...]
    lowest_sum: int = 0

    @property
    def sum(self) -> int:
        """The sum of all requests, except those of monopod's own containers."""
        return sum(share.requested for share in self.shares)
