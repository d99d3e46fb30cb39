"""The resolver ``http``: a document at a URL (Tekton docs/http-resolver.md).

Unlike in Tekton, a password is never sent unencrypted to another machine, and fetching a document over plain http
without a ``digest`` is a warning.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import unquote, urlsplit

from monopod.compiler.remote.reference import (
    Address,
    RefSource,
    RemoteError,
    RemoteReference,
    Resolved,
    ResolverOptions,
)
from monopod.compiler.remote.urls import without_credentials
from monopod.compiler.remote.web import UnreachableError, WebError, request
from monopod.system.http_login import basic, is_loopback

PARAMS = frozenset({"url", "http-username", "http-password-secret", "http-password-secret-key", "digest"})

_DIGEST_LENGTHS = {"sha256": 64, "sha512": 128}


def resolve(reference: RemoteReference, options: ResolverOptions) -> Resolved:
    """Return the document at a URL. Raises RemoteError."""
    url = reference.required("url")
    check_url(url, "url")
    shown = without_credentials(url)
    digest = _digest(reference)
    authorization = _authorization(reference, url, options)
    content = options.cache.get("http", shown, digest) if digest else None
    if content is None:
        content = _fetch(url, digest, authorization)
        _verify(content, digest, shown)
        if digest:
            options.cache.put(content, "http", shown, digest)
    in_the_clear = url.lower().startswith("http:") and not is_loopback(url) and not digest
    warning = (
        f"{shown} is fetched without encryption, so anyone on the network can change it; use https, or pin its digest"
    )
    source = RefSource(shown, (("sha256", hashlib.sha256(content).hexdigest()),))
    return Resolved(content, shown, source, (warning,) if in_the_clear else ())


def address(reference: RemoteReference) -> Address:
    """Return the URL. Raises RemoteError."""
    url = reference.required("url")
    check_url(url, "url")
    shown = without_credentials(url)
    return Address("http", tuple(dict.fromkeys((re.split("[?#]", shown)[0], shown))), "below", "url")


def check_url(url: str, param: str) -> None:
    """Raise RemoteError if a param is not a URL of http or https."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or re.search(r"[\x00-\x20\x7f]", url):
        raise RemoteError(f"'{without_credentials(url)}' is not a URL of http or https", param)


def _digest(reference: RemoteReference) -> str:
    """Return the required digest of the content, as ``sha256:…``; empty if there is none."""
    digest = reference.get("digest")
    if not digest:
        return ""
    algorithm, _, value = digest.partition(":")
    length = _DIGEST_LENGTHS.get(algorithm)
    if length is None or not re.fullmatch(rf"[0-9a-fA-F]{{{length}}}", value):
        raise RemoteError(f"'{digest}' is not a digest; expected sha256:<64 hex digits> or sha512:<128>", "digest")
    return digest.lower()


def _authorization(reference: RemoteReference, url: str, options: ResolverOptions) -> str:
    user, secret = reference.get("http-username"), reference.get("http-password-secret")
    parts = urlsplit(url)
    if bool(user) != bool(secret):
        present, missing = ("http-username", "http-password-secret")[:: 1 if user else -1]
        raise RemoteError(f"it needs the param '{missing}' too", present)
    if user:
        key = reference.get("http-password-secret-key", "password")
        password = options.secret_value(secret, key, "http-password-secret")
    elif parts.username:
        user, password = unquote(parts.username), unquote(parts.password or "")
    else:
        return ""
    if parts.scheme == "http" and not is_loopback(url):
        raise RemoteError("the password would be sent without encryption; use https", "url")
    return basic(user, password)


def _fetch(url: str, digest: str, authorization: str) -> bytes:
    shown = without_credentials(url)
    try:
        return request(shown, authorization=authorization).content
    except WebError as error:
        hint = {401: "; give http-username and http-password-secret", 404: "; check the URL"}.get(error.status, "")
        if isinstance(error, UnreachableError) and not digest:
            hint = "; offline, only references with a digest come from the cache"
        raise RemoteError(f"{shown}: {error}{hint}") from error


def _verify(content: bytes, digest: str, shown: str) -> None:
    if digest:
        algorithm, _, expected = digest.partition(":")
        actual = hashlib.new(algorithm, content).hexdigest()
        if not hmac.compare_digest(actual, expected):
            message = f"{shown} now has the digest {algorithm}:{actual}; review the change before you update the digest"
            raise RemoteError(message, "digest")
