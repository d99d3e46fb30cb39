"""Pulling from a registry: the OCI distribution API (opencontainers/distribution-spec).

Rules:

- Everything is checked against its digest; content with a digest is cached.
- The protocol is https. A registry on this machine or a private network may use plain http, as in Docker, unless it has
  answered with https before. Credentials are for the registry that asked for them (``http_login``).
- An index resolves to its linux/amd64 image, or to its only image, unless all platforms are requested.

It uses only the standard library: pulling takes three GETs and a token, and libraries (oras) bring dependencies for
pushing. Left to others: credentials (``registry_credentials``), the content of images (``bundles_resolver``,
``images.registry_images``).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from monopod.compiler.remote.cache import Cache
from monopod.compiler.remote.image_name import API_OF_DOCKER_HUB, DOCKER_HUB, ImageName
from monopod.compiler.remote.reference import MAX_DOCUMENT_BYTES, TIMEOUT
from monopod.compiler.remote.registry_credentials import NOBODY, Login
from monopod.compiler.remote.web import Answer, UnreachableError, WebError, request
from monopod.system import foreign_json
from monopod.system.http_login import (
    basic,
    is_confidential,
    is_same_server,
    may_be_plain,
    parse_challenge,
    token_host,
    token_in,
)
from monopod.system.time_limit import deadline_after

_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MOST_SHOWN = 200
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class RegistryError(Exception):
    """A registry did not provide something. `status` is the HTTP status if it refused."""

    def __init__(self, message: str, status: int = 0, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.unreachable = unreachable


@dataclass(frozen=True, slots=True)
class Image:
    """The manifest of an image, and its digest."""

    name: ImageName
    digest: str
    manifest: dict[str, Any]


@dataclass(slots=True)
class Registry:
    """A client for one repository of a registry. `login` has the credentials.

    All requests together have the timeout of one answer.
    """

    name: ImageName
    login: Login
    cache: Cache
    _authorization: str = ""
    _bases: tuple[str, ...] = field(init=False)
    _deadline: float = field(default_factory=lambda: deadline_after(TIMEOUT))

    def __post_init__(self) -> None:
        host = API_OF_DOCKER_HUB if self.name.registry == DOCKER_HUB else self.name.registry
        schemes = ("https", "http") if may_be_plain(host) else ("https",)
        self._bases = tuple(f"{scheme}://{host}/v2/{self.name.repository}" for scheme in schemes)

    def image(self) -> Image:
        """Return the image that the name currently refers to. Raises RegistryError."""
        image = self._manifest(self.name.digest or self.name.tag)
        entries = image.manifest.get("manifests")
        if isinstance(entries, list):
            chosen = _chosen(entries)
            if chosen is None:
                raise RegistryError("it is an index without an image for linux/amd64")
            image = self._manifest(chosen)
        return _checked(image)

    def images(self) -> tuple[str, dict[str, Image]]:
        """Return the digest of the name, and the image for each Linux platform, such as ``linux/arm64``.

        Without an index, the only image is under "". Raises RegistryError.
        """
        top = self._manifest(self.name.digest or self.name.tag)
        entries = top.manifest.get("manifests")
        if not isinstance(entries, list):
            return top.digest, {"": _checked(top)}
        digests = _by_platform(entries)
        if not digests:
            raise RegistryError("it is an index without an image for linux")
        return top.digest, {platform: _checked(self._manifest(digest)) for platform, digest in digests.items()}

    def blob(self, descriptor: dict[str, Any], limit: int = MAX_DOCUMENT_BYTES) -> bytes:
        """Return the content of a manifest's descriptor. Raises RegistryError."""
        digest = descriptor.get("digest")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise RegistryError(f"its manifest contains the digest '{digest}'; only sha256 is supported")
        content = self.cache.get("oci", digest)
        if content is None:
            content = self._get(f"blobs/{digest}", "application/octet-stream", limit).content
            _verify(content, digest)
            self.cache.put(content, "oci", digest)
        return content

    def _manifest(self, reference: str) -> Image:
        pinned = reference if _DIGEST.fullmatch(reference) else ""
        content = self.cache.get("oci", pinned) if pinned else None
        if content is None:
            content = self._get(f"manifests/{reference}", ", ".join(_MANIFESTS), MAX_DOCUMENT_BYTES).content
            if pinned:
                _verify(content, pinned)
        digest = pinned or f"sha256:{hashlib.sha256(content).hexdigest()}"
        try:
            manifest = foreign_json.loads(content)
        except ValueError as error:
            raise RegistryError("its manifest is not JSON") from error
        if not isinstance(manifest, dict):
            raise RegistryError("its manifest is not a JSON object")
        self.cache.put(content, "oci", digest)
        return Image(self.name, digest, manifest)

    # Requests

    def _get(self, path: str, accept: str, limit: int) -> Answer:
        while True:
            try:
                return self._get_authorized(f"{self._bases[0]}/{path}", accept, limit)
            except WebError as error:
                unreachable = isinstance(error, UnreachableError)
                if not unreachable or len(self._bases) == 1:
                    raise RegistryError(str(error), error.status, unreachable=unreachable) from error
            self._bases = self._bases[1:]

    def _get_authorized(self, url: str, accept: str, limit: int) -> Answer:
        try:
            return self._get_once(url, accept, limit)
        except WebError as error:
            if error.status != 401 or not is_same_server(error.url, url):
                raise
            self._authorization = self._authorized(error, url)
        return self._get_once(url, accept, limit)

    def _get_once(self, url: str, accept: str, limit: int) -> Answer:
        """Return an answer. A registry that answers is not asked with another protocol later. Raises WebError."""
        headers, authorization = {"Accept": accept}, self._authorization
        try:
            answer = request(url, headers, authorization=authorization, limit=limit, deadline=self._deadline)
        except WebError as error:
            if not isinstance(error, UnreachableError):
                self._bases = self._bases[:1]
            raise
        self._bases = self._bases[:1]
        return answer

    def _authorized(self, refusal: WebError, url: str) -> str:
        """Return the Authorization header for a challenge. Raises WebError."""
        scheme, challenge = parse_challenge(refusal.headers.get("WWW-Authenticate") or "")
        if self.login != NOBODY and not is_confidential(url):  # any server that answers could name its own realm
            raise WebError("the registry wants a password without encryption; use one with https")
        if scheme == "basic" and self.login.user:
            return basic(self.login.user, self.login.password)
        if scheme == "bearer" and "realm" in challenge:
            return f"Bearer {self._token(challenge)}"
        raise refusal

    def _token(self, challenge: dict[str, str]) -> str:
        """Return a token (distribution.github.io, "Token Authentication"; with an identity token, OAuth 2)."""
        realm = challenge["realm"]
        host = token_host(realm)
        if host is None:
            raise WebError(f"the registry asks for a token of a malformed address: {realm[:_MOST_SHOWN]}")
        if not is_confidential(realm):
            raise WebError(f"the registry requires a password without encryption, at {realm}")
        scope = challenge.get("scope") or f"repository:{self.name.repository}:pull"
        fields = {"service": challenge.get("service", ""), "scope": scope}
        if self.login.identity_token:
            form = {**fields, "grant_type": "refresh_token", "refresh_token": self.login.identity_token}
            answer = request(realm, data=urlencode({**form, "client_id": "monopod"}).encode(), deadline=self._deadline)
        else:
            authorization = basic(self.login.user, self.login.password) if self.login.user else ""
            separator = "&" if urlsplit(realm).query else "?"
            answer = request(
                f"{realm}{separator}{urlencode(fields)}", authorization=authorization, deadline=self._deadline
            )
        token = token_in(answer.content)
        if token is None:
            raise WebError(f"{host} returned no token")
        return token


def _checked(image: Image) -> Image:
    if not isinstance(image.manifest.get("layers"), list):
        raise RegistryError("its manifest is neither an OCI image's nor Docker's version 2")
    return image


def _with_digests(entries: list[Any]) -> list[dict[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict) and _DIGEST.fullmatch(str(entry.get("digest")))]


def _by_platform(entries: list[Any]) -> dict[str, str]:
    """Return the digests in an index, by Linux platform. Other entries are attestations, or for Windows."""
    digests: dict[str, str] = {}
    for entry in _with_digests(entries):
        platform = entry.get("platform")
        parts = platform if isinstance(platform, dict) else {"os": "linux"}
        if parts.get("os") == "linux":
            named = (parts.get(part) for part in ("os", "architecture", "variant"))
            digests.setdefault("/".join(str(part) for part in named if part), entry["digest"])
    return digests


def _chosen(entries: list[Any]) -> str | None:
    """Return the digest of the image that an index resolves to."""
    digests = _with_digests(entries)
    usual = [entry for entry in digests if entry.get("platform") in _PLATFORMS]
    chosen = usual or (digests if len(digests) == 1 else [])
    return str(chosen[0]["digest"]) if chosen else None


_PLATFORMS = ({"os": "linux", "architecture": "amd64"},)


def _verify(content: bytes, digest: str) -> None:
    actual = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if actual != digest:
        raise RegistryError(f"the registry returned {actual} instead of {digest}")
