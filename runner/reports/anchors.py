"""The ids of elements that links on a page point to: readable in a URL, and unique on the page."""

from __future__ import annotations

import re


class Anchors:
    """Assigns ids to elements. The same names always get the same id."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, ...], str] = {}
        self._taken: set[str] = set()

    def of(self, *names: str) -> str:
        """Return the id of the element with these names; the first name is its kind."""
        if names not in self._ids:
            base = "-".join(re.sub("[^A-Za-z0-9]+", "-", name).strip("-") for name in names if name)
            identity, number = base, 1
            while identity in self._taken:
                number += 1
                identity = f"{base}-{number}"
            self._taken.add(identity)
            self._ids[names] = identity
        return self._ids[names]
