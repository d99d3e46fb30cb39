"""Links and their short names."""

from __future__ import annotations

import hashlib
import urllib.parse


class Links:
    """Links in memory. The same link always has the same name."""

    def __init__(self) -> None:
        self._links: dict[str, str] = {}

    def add(self, link: str) -> str:
        """Return the name of a link. Raises ValueError if it is not a link of the web."""
        if urllib.parse.urlsplit(link).scheme not in ("http", "https"):
            raise ValueError(f"not a link: {link}")
        name = hashlib.sha256(link.encode()).hexdigest()[:7]
        self._links[name] = link
        return name

    def find(self, name: str) -> str | None:
        """Return the link with a name; None if it is not known."""
        return self._links.get(name)
