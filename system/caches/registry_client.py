"""A client for one repository of a registry that also pushes: the OCI distribution API. Standard library only.

Rules:

- The protocol is https. A registry on this machine or in a private network may use plain http, as in Docker, unless it
  has answered with https before.
- Credentials are for the registry that asked for them, with the protocol that it used (``http_login``). The
  Authorization header does not follow redirects.
- Answers other than blobs have a limit. A blob may take long, but each wait for a part of it has a limit.
- All other requests together may wait for `_PATIENCE` beyond a moment for each. After that the registry counts as away.

``compiler.remote.registry`` pulls images and bundles when compiling.

Left to others: what is pushed and pulled (``registry_artifacts``).
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from email.message import Message
from functools import partial
from typing import IO, Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urljoin, urlsplit

from monopod.system import foreign_json
from monopod.system.caches.store import AwayError, StoreError
from monopod.system.http_login import (
    LOCAL_NAMES,
    basic,
    distrust,
    is_confidential,
    is_loopback,
    is_same_server,
    may_be_plain,
    may_lead_to,
    parse_challenge,
    token_host,
    token_in,
)
from monopod.system.time_limit import call_before, deadline_after

_SECONDS: Final = 60.0
"""How long to wait for each part of a blob."""
_STORED: Final = 16 << 20
"""How many bytes a second a registry stores, at least, once it has received a blob. It answers only then."""
_PATIENCE: Final = 30.0
"""How long all other requests together may wait, apart from `_MOMENT` for each."""
_MOMENT: Final = 1.0
_LONGEST_MESSAGE: Final = 200
_LONGEST: Final = 4 << 20
_MOST_PAGES: Final = 1000
_NEXT = re.compile(r'<([^<>]+)>\s*;\s*rel="?next"?')
_CODE = re.compile(r"[A-Z_]{1,60}")
_HOSTS_OF_DOCKER_HUB: Final = {"docker.io", "index.docker.io"}
_LOCAL_NAMES: Final = (*LOCAL_NAMES, ".svc")


class Login(NamedTuple):
    """A user and password, or a token instead; all empty for anonymous access."""

    user: str = ""
    password: str = ""
    identity_token: str = ""


class Answer(NamedTuple):
    """An answer: its status, its headers and, except for blobs, its content."""

    status: int
    headers: Message
    content: bytes


class AnswerError(StoreError):
    """The registry answered with an error: its HTTP status, and its code (OCI distribution, "Error Codes") if any."""

    def __init__(self, text: str, status: int, code: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class UnreachableError(StoreError):
    """The registry did not answer, or not to the end. It may do so a moment later."""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only for reading, and only to https or to the same protocol."""

    def redirect_request(  # noqa: PLR0917  # the base class has it so
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.get_method() not in {"GET", "HEAD"} or not may_lead_to(req.full_url, newurl):
            raise urllib.error.HTTPError(req.full_url, code, "redirected to an unsafe place", headers, fp)
        fp.close()  # else all of it is read, however much that is
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class RegistryClient:
    """Requests to one repository. All methods raise StoreError; `AwayError` once it has not answered in time."""

    def __init__(self, host: str, repository: str, login: Login) -> None:
        self.name = f"{host}/{repository}"
        api = "registry-1.docker.io" if host in _HOSTS_OF_DOCKER_HUB else host
        schemes = ("https", "http") if may_be_plain(api, _LOCAL_NAMES) else ("https",)
        self._all_bases = tuple(f"{scheme}://{api}/v2/{repository}/" for scheme in schemes)
        self._bases = self._all_bases
        self._login = login
        self._authorization = ""
        self._patience = _PATIENCE

    def get(self, path: str, accept: str = "*/*") -> Answer:
        """Return the answer to a GET; 404 is an answer."""
        with self._sent("GET", path, {"Accept": accept}, allowed=(404,)) as response:
            content = self._content(response) if response.status == 200 else b""
            if len(content) > _LONGEST:
                raise StoreError(f"{self.name}: an answer is too large")
            return Answer(response.status, response.headers, content)

    def has(self, path: str) -> bool:
        """Return whether there is something at a path."""
        with self._sent("HEAD", path, {"Accept": "*/*"}, allowed=(404,)) as response:
            return bool(response.status == 200)

    @contextlib.contextmanager
    def blob(self, digest: str) -> Iterator[http.client.HTTPResponse]:
        """Give the answer with a blob, to read from."""
        with self._sent("GET", f"blobs/{digest}", {}, is_blob=True) as response:
            yield response

    def tags(self) -> list[str]:
        """Return all tags of the repository; none if there is no such repository."""
        tags: list[str] = []
        path = "tags/list?n=1000"
        for _ in range(_MOST_PAGES):
            answer = self.get(path)
            if answer.status == 404:
                return []
            try:
                content = foreign_json.loads(answer.content)
                tags += [tag for tag in content.get("tags") or () if isinstance(tag, str)]
            except (ValueError, TypeError, AttributeError) as error:
                raise StoreError(f"{self.name}: the list of tags is not JSON") from error
            link = _NEXT.search(answer.headers.get("Link") or "")
            if link is None:
                return tags
            path = f"tags/list?{link[1].partition('?')[2]}"
        raise StoreError(f"{self.name}: the list of tags does not end")

    def push_blob(self, digest: str, size: int, content: IO[bytes] | bytes) -> None:
        """Push a blob, unless the registry has it."""
        if self.has(f"blobs/{digest}"):
            return
        with self._sent("POST", "blobs/uploads/", {"Content-Length": "0"}, b"", allowed=(202,)) as response:
            where = self._upload_url(response.url, response.headers.get("Location") or "")
        url = f"{where}{'&' if '?' in where else '?'}{urlencode({'digest': digest})}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with self._sent("PUT", url, headers, content, is_blob=True):
            pass

    def _upload_url(self, url: str, location: str) -> str:
        """Return where the registry wants a blob, after its answer from a URL. Raises StoreError."""
        with contextlib.suppress(ValueError):
            where = urljoin(url, location)
            if location and may_lead_to(url, where):
                return where
        shown = location.partition("?")[0][:_LONGEST_MESSAGE]  # what follows may give access
        raise StoreError(f"{self.name}: the registry wants a blob at an unsafe place: {shown}")

    def put(self, path: str, content: bytes, media_type: str) -> None:
        """Put something at a path."""
        headers = {"Content-Type": media_type, "Content-Length": str(len(content))}
        with self._sent("PUT", path, headers, content):
            pass

    def delete(self, path: str) -> None:
        """Delete what is at a path, if there is something."""
        with self._sent("DELETE", path, {}, allowed=(404, 405)) as response:
            if response.status == 405:
                raise StoreError(f"{self.name}: the registry does not allow to delete; enable it there")

    # Requests

    @contextlib.contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: IO[bytes] | bytes | None = None,
        allowed: tuple[int, ...] = (),
        *,
        is_blob: bool = False,
    ) -> Iterator[Any]:
        """Send a request, with credentials if they are needed, and give the answer."""
        response = self._answer(method, path, headers, content, is_blob=is_blob)
        if response.status == 401 and is_same_server(response.url, self._bases[0]):
            challenge = response.headers.get("WWW-Authenticate") or ""
            response.close()
            self._authorization = self._authorized(challenge, self._bases[0])
            if content is not None and not isinstance(content, bytes):
                content.seek(0)
            response = self._answer(method, path, headers, content, is_blob=is_blob)
        with contextlib.closing(response):
            if response.status >= 300 and response.status not in allowed:
                code, text = self._error_in(response)
                is_refusal = response.status == 401 and is_same_server(response.url, self._bases[0])
                said = "refuses these credentials:" if is_refusal and self._login != Login() else "answered"
                raise AnswerError(f"{self.name}: the registry {said} {text}", response.status, code)
            yield response

    def _answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: IO[bytes] | bytes | None,
        *,
        is_blob: bool,
    ) -> Any:
        while True:
            url = urljoin(self._bases[0], path)
            request = urllib.request.Request(url, content, dict(headers), method=method)  # noqa: S310  # the base is http
            if self._authorization and is_same_server(url, self._bases[0]):
                request.add_unredirected_header("Authorization", self._authorization)
            try:
                if is_blob:
                    response = _open(request, _SECONDS + int(headers.get("Content-Length", 0)) / _STORED)
                else:
                    response = self._opened(request, 1 / len(self._bases))
            except urllib.error.HTTPError as error:
                response = error
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._authorization = ""
                if (why := distrust(error)) is not None:
                    raise StoreError(f"{self.name}: cannot be reached: {why}") from error
                if len(self._bases) == 1 or not url.startswith(self._bases[0]):
                    self._bases = self._all_bases  # with https it may only have been away for a moment
                    if _is_late(error):
                        raise self._away() from error
                    raise _failure(f"{self.name}: cannot be reached", error) from error
                self._bases = self._bases[1:]
                continue
            if self._bases[0].startswith("https:"):
                self._all_bases = self._bases = self._bases[:1]
            return response

    def _opened(self, request: urllib.request.Request, share: float = 1.0) -> Any:
        """Return the answer to a request, which may wait for a share of the patience. Raises AwayError without any."""
        with self._waiting():
            return _open(request, _MOMENT + self._patience * share)

    def _content(self, response: Any) -> bytes:
        """Return the content of an answer, or more than `_LONGEST` of it. Raises StoreError."""
        content = bytearray()
        try:
            with self._waiting():
                end = time.monotonic() + _MOMENT + self._patience
                while len(content) <= _LONGEST and (piece := response.read1(_LONGEST + 1 - len(content))):
                    content += piece
                    if time.monotonic() > end:
                        raise TimeoutError
        except TimeoutError as error:
            raise self._away() from error
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"{self.name}: the connection was lost: {_reason(error)}") from error
        if response.length and len(content) <= _LONGEST:
            raise UnreachableError(f"{self.name}: the connection was lost")
        return bytes(content)

    def _error_in(self, response: Any) -> tuple[str, str]:
        """Return the code of the error in an answer, or none, and its status with the code and the message."""
        status = _shortened(f"{response.status} {response.reason}")
        try:
            error = foreign_json.loads(self._content(response))["errors"][0]
            if not _CODE.fullmatch(error["code"]):
                return "", status
            message = _shortened(error.get("message", ""))
            shown = f" ({message})" if message else ""
            return error["code"], f"{status}: {error['code']}{shown}"
        except (StoreError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            return "", status

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        """Take the time beyond a moment out of the patience. Raises AwayError if there is none left."""
        if self._patience <= 0:
            raise self._away()
        start = time.monotonic()
        try:
            yield
        finally:
            self._patience -= max(0.0, time.monotonic() - start - _MOMENT)

    def _away(self) -> AwayError:
        self._patience = 0.0
        return AwayError(f"{self.name}: cannot be reached: no answer within {_PATIENCE:.0f} seconds")

    def _authorized(self, header: str, url: str) -> str:
        """Return the Authorization header for a challenge."""
        scheme, challenge = parse_challenge(header)
        if self._login != Login() and not is_confidential(url):  # any server that answers could name its own realm
            raise StoreError(f"{self.name}: the registry wants a password without encryption; use one with https")
        if scheme == "basic" and self._login.user:
            return basic(self._login.user, self._login.password)
        if scheme == "bearer" and "realm" in challenge:
            return f"Bearer {self._token(challenge)}"
        if self._login == Login():
            raise StoreError(f"{self.name}: the registry requires a login")
        wanted = "a user and a password" if scheme == "basic" else "a login of another kind than Basic and Bearer"
        raise StoreError(f"{self.name}: the registry requires {wanted}")

    def _token(self, challenge: Mapping[str, str]) -> str:
        """Return a token (distribution.github.io, "Token Authentication"; with an identity token, OAuth 2)."""
        realm = challenge["realm"]
        host = token_host(realm)
        if host is None:
            message = f"the registry asks for a token of a malformed address: {realm[:_LONGEST_MESSAGE]}"
            raise StoreError(f"{self.name}: {message}")
        if not is_confidential(realm):
            where = realm[:_LONGEST_MESSAGE]
            raise StoreError(f"{self.name}: the registry requires a password without encryption, at {where}")
        fields = {"service": challenge.get("service", ""), "scope": challenge.get("scope", "")}
        separator = "&" if urlsplit(realm).query else "?"
        request = urllib.request.Request(f"{realm}{separator}{urlencode(fields)}")  # noqa: S310  # checked above
        if self._login.identity_token:
            form = {**fields, "grant_type": "refresh_token", "refresh_token": self._login.identity_token}
            data = urlencode({**form, "client_id": "monopod"}).encode()
            request = urllib.request.Request(realm, data)  # noqa: S310
        elif self._login.user:
            request.add_unredirected_header("Authorization", basic(self._login.user, self._login.password))
        try:
            with contextlib.closing(self._opened(request)) as response:
                token = token_in(self._content(response))
        except (OSError, http.client.HTTPException, ValueError) as error:
            if _is_late(error):
                raise self._away() from error
            raise _failure(f"{self.name}: no token from {host}", error) from error
        if token is None:
            raise StoreError(f"{self.name}: {host} returned no token")
        return token


def login_in(configuration: str, name: str) -> Login:
    """Return the login for ``REGISTRY/REPOSITORY`` in Docker's config.json; the longest matching entry counts."""
    try:
        entries = foreign_json.loads(configuration)["auths"]
        host = name.partition("/")[0]
        hosts = _HOSTS_OF_DOCKER_HUB if host in _HOSTS_OF_DOCKER_HUB else {host}
        names = [f"{each}/{name.partition('/')[2]}" for each in hosts]
        fitting = {_location(key): value for key, value in entries.items()}
        found = [key for key in fitting for each in names if each == key or each.startswith(f"{key}/")]
        if not found:
            return Login()
        entry = fitting[max(found, key=len)]
        user, password = entry.get("username", ""), entry.get("password", "")
        if entry.get("auth"):
            user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        return Login(user, password, entry.get("identitytoken", ""))
    except (ValueError, TypeError, KeyError, AttributeError):
        return Login()


def _location(key: str) -> str:
    host, _, path = (key.partition("://")[2] or key).strip("/").partition("/")
    return f"{host}/{'' if path in {'v1', 'v2'} else path}".rstrip("/")


def quoted(text: str) -> str:
    """Return a text for a path."""
    return quote(text, safe="")


def _open(request: urllib.request.Request, seconds: float) -> Any:
    """Return the answer to a request, whose headers are complete in so many seconds."""
    handlers: list[urllib.request.BaseHandler] = [_SafeRedirects()]
    if is_loopback(request.full_url):
        handlers.append(urllib.request.ProxyHandler({}))
    send = partial(urllib.request.build_opener(*handlers).open, request, timeout=seconds)
    if not isinstance(request.data, bytes | None):  # a file, which the next attempt reads too
        return send()
    return call_before(deadline_after(seconds), send)


def _failure(what: str, error: Exception) -> StoreError:
    """Return why a request had no answer. A wrong address or certificate stays wrong: that is no UnreachableError."""
    text = f"{what}: {_reason(error)}"
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return AnswerError(text, error.code)
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    is_lasting = isinstance(cause, (str, ValueError, http.client.InvalidURL))
    return StoreError(text) if is_lasting else UnreachableError(text)


def _is_late(error: Exception) -> bool:
    return isinstance(getattr(error, "reason", error), TimeoutError)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return _shortened(str(reason)) or type(reason).__name__


def _shortened(text: str) -> str:
    """Return a text as one line with a limit."""
    return " ".join(text.split())[:_LONGEST_MESSAGE]
