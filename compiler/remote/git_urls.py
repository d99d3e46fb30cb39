"""Addresses of git repositories, in the one form in which two spellings of the same repository are equal."""

from __future__ import annotations

import re

_SCP_LIKE = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)")
_URL = re.compile(r"(?:ssh|git|https?)://(?:[^@/]*@)?([^/]+)/(.+)")


def browsable(url: str) -> str:
    """Return the address of a remote as https, without credentials and ``.git``; of a local one, as a file URL."""
    match = _URL.fullmatch(url) or _SCP_LIKE.fullmatch(url)
    if match is None:
        return url if "://" in url else f"file://{url}"
    return f"https://{match[1]}/{match[2].lstrip('/').removesuffix('.git')}"
