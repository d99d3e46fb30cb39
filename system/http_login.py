"""Login over HTTP, for every client of a registry: Basic, and the tokens of a registry.

Rules:

- Plain http is for registries on this machine or in a private network, as in Docker.
- A server whose certificate cannot be trusted is not asked without encryption: it uses https.
- A token request follows a challenge (distribution.github.io, "Token Authentication").
- What gives access is sent only with encryption, or to this machine, and only if the registry itself asks for it: not
  the host that it redirects to, and not what answers for it without encryption.

Pure. Left to others: the requests.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import ssl
from typing import Final
from urllib.parse import urlsplit

from monopod.system import foreign_json

LOCAL_NAMES: Final = (".localhost", ".local")
_PORTS: Final = {"http": 80, "https": 443}
_PARAMETER: Final = re.compile(r'\b(\w++)=(?:"((?:[^"\\]|\\.)*+)"|([^\s",]++))')
"""A parameter whose value is quoted or not (RFC 9110, "Authentication Parameters"), found in linear time."""


def is_loopback(url: str) -> bool:
    """Return whether a URL points to this machine. A malformed one does not."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_confidential(url: str) -> bool:
    """Return whether nobody on the network reads what is sent to a URL: it is encrypted, or stays on this machine."""
    scheme = url.partition("://")[0].lower()
    return scheme == "https" or (scheme == "http" and is_loopback(url))


def is_same_server(url: str, other: str) -> bool:
    """Return whether two URLs have the same scheme, host and port. A malformed one has none."""
    try:
        return _server(url) == _server(other)
    except ValueError:
        return False


def may_lead_to(url: str, target: str) -> bool:
    """Return whether a request may continue where the answer of a URL leads: to https, or to the same scheme."""
    try:
        parts = urlsplit(target)
        return bool(parts.hostname) and parts.scheme in {"https", urlsplit(url).scheme}
    except ValueError:
        return False


def _server(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def may_be_plain(registry: str, local_names: tuple[str, ...] = LOCAL_NAMES) -> bool:
    """Return whether a registry (``HOST[:PORT]``) may use plain http; `local_names` are how names of such hosts end."""
    try:
        name = urlsplit(f"//{registry}").hostname or ""
    except ValueError:
        return False
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(local_names)
    return address.is_loopback or (address.is_private and not address.is_unspecified)


def distrust(error: BaseException) -> str | None:
    """Return why the certificate of a server cannot be trusted, after a request that failed; None if it did not."""
    reason = getattr(error, "reason", error)
    if not isinstance(reason, ssl.SSLCertVerificationError):
        return None
    return f"its certificate cannot be trusted: {getattr(reason, 'verify_message', '') or reason.strerror}"


def basic(user: str, password: str) -> str:
    """Return the Authorization header for a user and password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def token_host(realm: str) -> str | None:
    """Return the host of the address for tokens in a challenge, None if the address is malformed."""
    try:
        return _server(realm)[1]
    except ValueError:
        return None


def parse_challenge(header: str) -> tuple[str, dict[str, str]]:
    """Return the scheme and the parameters in a WWW-Authenticate header, both in lower case."""
    scheme, _, rest = header.partition(" ")
    found = _PARAMETER.findall(rest)
    return scheme.lower(), {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in found}


def token_in(content: bytes) -> str | None:
    """Return the token in the answer to a token request, None if it has none."""
    try:
        fields = foreign_json.loads(content)
    except ValueError:
        return None
    token = (fields.get("token") or fields.get("access_token")) if isinstance(fields, dict) else None
    return token if isinstance(token, str) and token.isascii() and token.isprintable() else None
