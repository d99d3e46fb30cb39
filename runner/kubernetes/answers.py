"""Classifies the answers of the API server, with one table for all requests.

Rules:

- The content of an answer counts, not only its status code. A 404 may be about the Pod, about a Pod that kubelet has
  not seen yet, about the node, or about a namespace.
- Only `GONE` may end anything. That a Pod is gone is only believed after a request for the Pod itself
  (``pod_identity``).
- `NOT_YET`, `UNREACHABLE`, `UNWELL` and `THROTTLED` say nothing about the run: the request is retried.

The table follows the sources of Kubernetes: apimachinery/pkg/api/errors, apiserver/pkg/server/filters (Status objects
and plain text), pkg/registry/core/pod (logs and exec of a Pod without a node, or of an unknown container),
pkg/kubelet/server and ``validateContainerLogStatus`` (kubelet's answers), apiserver's ResponseChecker and
UpgradeAwareHandler (how the API server forwards them).

Pure. ``api_errors`` writes the messages; ``retrying``, ``log_reader`` and ``pod_watch`` retry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from monopod.runner.kubernetes.api_errors import ApiError


class About(Enum):
    """What an answer is about."""

    GONE = "the object is not there"
    NOT_YET = "kubelet does not know the Pod, or its container does not run, yet"
    NO_LOG = "the container never ran, or its former instance is forgotten: there is no such log"
    UNREACHABLE = "the node, or its kubelet, cannot be reached"
    UNWELL = "the API server cannot do it now"
    THROTTLED = "the API server wants fewer requests"
    EXPIRED = "the version that is asked for is forgotten"
    UNAUTHORIZED = "the API server does not know who asks"
    FORBIDDEN = "who asks may not do that"
    EXISTS = "an object of that name is there already"
    CONFLICT = "another object, or another version of it, is there"
    REFUSED = "the request is not accepted: quota, admission, or what it says"

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return self in (About.NOT_YET, About.UNREACHABLE, About.UNWELL, About.THROTTLED)


class Request(Enum):
    """The kind of a request."""

    OBJECT = "an object, or a list of them"
    WATCH = "a watch"
    LOG = "the log of a container"
    EXEC = "a command in a container"
    CREATE = "creating an object"
    CHANGE = "changing or deleting an object"


_STREAMED = frozenset({Request.LOG, Request.EXEC})
_ALL = frozenset(Request)


@dataclass(frozen=True, slots=True)
class Row:
    """An answer. ``status``: the HTTP status, or (a range) its first digit; ``reason``, ``kind``: None is any."""

    about: About
    requests: frozenset[Request] = _ALL
    status: int | range = range(1000)
    reason: str | None = None
    kind: str | None = None
    message: str = ""

    def fits(self, request: Request, error: ApiError) -> bool:
        """Whether the row matches the answer to a request."""
        is_status = error.status == self.status if isinstance(self.status, int) else error.status in self.status
        return (
            is_status
            and request in self.requests
            and self.reason in (None, error.reason)
            and self.kind in (None, error.kind)
            and re.search(self.message, error.message) is not None
        )


_LOG = frozenset({Request.LOG})
_EXEC = frozenset({Request.EXEC})
_CREATE = frozenset({Request.CREATE})
_CHANGE = frozenset({Request.CHANGE})
_WAITS = r"is waiting to start|is not available|cannot be found - no logs available"
_NO_LOG = r"is terminated$|previous terminated container .* not found|container \S+ is not valid for pod"
_UNREACHED = (
    r"dial tcp|error dialing backend|connection refused|no route to host|i/o timeout|TLS handshake|No agent available"
    r"|context deadline exceeded|connection reset|EOF$|x509|proxy error from"
)
_TOO_MANY = r"[Tt]oo many requests"

TABLE: tuple[Row, ...] = (
    # authentication and authorization
    Row(About.UNAUTHORIZED, status=401),
    Row(About.FORBIDDEN, status=403, message=r'User ".*" cannot \w+ '),
    Row(About.REFUSED, _CREATE, 403),
    Row(About.FORBIDDEN, status=403),
    # too many requests: from the server itself, or forwarded by it
    Row(About.THROTTLED, status=429),
    Row(About.THROTTLED, _STREAMED, range(500, 600), message=_TOO_MANY),
    # the resourceVersion of a watch or list has expired
    Row(About.EXPIRED, status=410),
    # logs: the Pod has no node yet; kubelet does not know the Pod or its container yet; there is no log
    Row(About.NOT_YET, _LOG, 204),
    Row(About.NOT_YET, _STREAMED, 404, kind="pods/log"),
    Row(About.NO_LOG, _LOG, 400, message=_NO_LOG),
    Row(About.NOT_YET, _LOG, 400, message=_WAITS),
    # commands: the same, as plain text from kubelet or the API server
    Row(About.NOT_YET, _EXEC, 400, message=r"does not have a host assigned"),
    Row(About.GONE, _EXEC, 400, message=r"container in a completed pod"),
    Row(About.NOT_YET, _EXEC, message=r"pod does not exist|container not found|is not created or running"),
    # the node of the Pod, as an object
    Row(About.UNREACHABLE, _STREAMED, 404, kind="nodes"),
    # the object itself
    Row(About.REFUSED, _CREATE, 404),
    Row(About.GONE, _STREAMED, 404, "NotFound", "pods"),
    Row(About.GONE, _ALL - _STREAMED, 404, "NotFound"),
    Row(About.UNWELL, status=404),
    Row(About.EXISTS, _CREATE, 409, "AlreadyExists"),
    Row(About.UNWELL, _CHANGE, 409, message=r"the object has been modified"),
    Row(About.CONFLICT, status=409),
    # servers: kubelet, through the API server; the API server, or a proxy in front of it
    Row(About.UNREACHABLE, _STREAMED, range(500, 600), message=_UNREACHED),
    Row(About.UNREACHABLE, _STREAMED, 502),
    Row(About.UNWELL, status=range(500, 600)),
    Row(About.UNWELL, status=408),
    # reading a log or running a command can be retried: an unknown error may be temporary
    Row(About.UNWELL, _STREAMED),
    Row(About.REFUSED),
)


def about(request: Request, error: ApiError) -> About:
    """Return what an answer to a request is about."""
    return next(_fitting(request, error)).about


def _fitting(request: Request, error: ApiError) -> Iterator[Row]:
    return (row for row in TABLE if row.fits(request, error))
