"""The identities of what a page can lead to: readable in an address, and each there only once."""

from __future__ import annotations

import re


class Anchors:
    """Gives each thing an identity, always the same one."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], str] = {}
        self._taken: set[str] = set()

    def of(self, *names: str) -> str:
        """Return the identity of what is called by `names`, the first of which is its kind."""
        if names not in self._known:
            wanted = "-".join(re.sub("[^A-Za-z0-9]+", "-", name).strip("-") for name in names if name)
            identity, number = wanted, 1
            while identity in self._taken:
                number += 1
                identity = f"{wanted}-{number}"
            self._taken.add(identity)
            self._known[names] = identity
        return self._known[names]
