"""Requests over HTTP: one answer, of a limited size, in a limited time.

Rules:

- The time limit covers the whole exchange: name lookup, connecting, redirects, headers and body.
- The Authorization header does not follow redirects. They are only followed to https, or to the same protocol.
- Proxies come from the environment, as in curl; requests to this machine use none.

urllib of the standard library is enough for this. Left to others: the requests and the meaning of the answers.
"""

from __future__ import annotations

import contextlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from functools import partial
from http.client import HTTPMessage
from typing import IO

import monopod
from monopod.compiler.remote.reference import MAX_DOCUMENT_BYTES, TIMEOUT
from monopod.compiler.remote.urls import without_credentials
from monopod.system.http_login import distrust, is_loopback, may_lead_to
from monopod.system.time_limit import call_before, deadline_after

_CHUNK = 64 * 1024
_MAX_SAID = 200


class WebError(Exception):
    """A request failed: the server's error, or why there was no answer.

    `status` is 0 if no server answered. `url` is where the answer came from, after redirects.
    """

    def __init__(self, message: str, status: int = 0, headers: Message | None = None, url: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.url = url
        self.headers = headers if headers is not None else Message()


class UnreachableError(WebError):
    """Whether no server answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The content of an answer, its headers, and its URL after redirects."""

    content: bytes
    headers: Message
    url: str


def request(
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    authorization: str = "",
    data: bytes | None = None,
    limit: int = MAX_DOCUMENT_BYTES,
    deadline: float | None = None,
) -> Answer:
    """Return the answer to a GET, or with `data` to a POST. Raises WebError.

    `deadline` (``time_limit``) is the end of the whole exchange; by default, the timeout of this request.
    """
    deadline = deadline_after(TIMEOUT) if deadline is None else deadline
    request = urllib.request.Request(url, data, {"User-Agent": f"monopod/{monopod.__version__}", **(headers or {})})  # noqa: S310  # callers check the scheme
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    handlers: list[urllib.request.BaseHandler] = [_Redirects()]
    if is_loopback(url):
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        return call_before(deadline, partial(_exchange, urllib.request.build_opener(*handlers), request, limit))
    except TimeoutError as error:
        raise UnreachableError(f"no complete answer within {TIMEOUT:g} seconds") from error
    except urllib.error.URLError as error:
        if (why := distrust(error)) is not None:
            raise WebError(f"cannot be reached: {why}") from error
        raise UnreachableError(f"cannot be reached: {_reason(error.reason)}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(f"cannot be reached: {_reason(error)}") from error


def _exchange(opener: urllib.request.OpenerDirector, request: urllib.request.Request, limit: int) -> Answer:
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            return Answer(_read(response, limit), response.headers, response.url)
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):  # after a redirect too many, it is closed already
            raise WebError(_said(error), error.code, error.headers, error.url) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, or to the same protocol."""

    def redirect_request(  # noqa: PLR0917  # the base class has it so
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Return the next request. Raises URLError if it would be unencrypted."""
        if not may_lead_to(req.full_url, newurl):
            raise urllib.error.URLError(f"it redirects from {req.type} to {without_credentials(newurl)}")
        fp.close()  # else all of it is read, however much that is
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _read(response: http.client.HTTPResponse, limit: int) -> bytes:
    content = bytearray()
    while chunk := response.read1(_CHUNK):
        content += chunk
        if len(content) > limit:
            raise WebError(f"the answer is larger than {limit / 2**20:g} MiB")
    if response.length:
        raise WebError("the connection was lost during the answer")
    return bytes(content)


def _reason(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__


def _said(error: urllib.error.HTTPError) -> str:
    """Return the status of an answer, and the first line of its body if it is a short text."""
    try:
        body = error.read(_MAX_SAID + 1).decode().strip()
    except (OSError, http.client.HTTPException, ValueError):
        body = ""
    status = " ".join(f"{error.code} {error.reason}".split())
    plain = 0 < len(body) <= _MAX_SAID and not body.startswith("<") and body.isprintable()
    return f"the server answered {status}" + (f": {body}" if plain else "")
