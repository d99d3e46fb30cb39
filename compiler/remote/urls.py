"""Addresses as they are shown, recorded and compared."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_SCP_LIKE = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)")
_URL = re.compile(r"(?:ssh|git|https?)://(?:[^@/]*@)?([^/]+)/(.+)")


def browsable(url: str) -> str:
    """Return the address of a remote as https, without credentials and ``.git``; of a local one, as a file URL."""
    match = _URL.fullmatch(url) or _SCP_LIKE.fullmatch(url)
    if match is None:
        return url if "://" in url else f"file://{url}"
    return f"https://{match[1]}/{match[2].lstrip('/').removesuffix('.git')}"


def without_credentials(url: str) -> str:
    """Return a URL without user and password, to be shown and recorded."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if not parts.scheme or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
