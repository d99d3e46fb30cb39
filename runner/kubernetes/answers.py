"""What an answer of the API server is about: one table for every request that is made.

Rules:

- An answer counts as what it says, not as what its number suggests. A 404 may be about the Pod, about a Pod that
  kubelet has not seen yet, about the node, or about a namespace.
- Only `GONE` may end anything, and of a Pod it is only believed once the Pod itself was looked at (``pod_identity``).
- `NOT_YET`, `UNREACHABLE`, `UNWELL` and `THROTTLED` say nothing about the run: the request is made again.

The answers are those of Kubernetes: apimachinery/pkg/api/errors, apiserver/pkg/server/filters (the Status objects, and
what comes as plain text), pkg/registry/core/pod (logs and exec of a Pod without a node, a container that is not in it),
pkg/kubelet/server and ``validateContainerLogStatus`` (what kubelet says), apiserver's ResponseChecker and
UpgradeAwareHandler (how the API server passes that on).

Pure. What is left to others: what it means to a person (``api_errors``), trying again (``retrying``, ``log_reader``,
``pod_watch``).
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
    """What was asked for."""

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
        """Whether an answer to a request is of this row."""
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
_WAITS = r"is waiting to start|is not available|cannot be found - no logs available"
_NO_LOG = r"is terminated$|previous terminated container .* not found|container \S+ is not valid for pod"
_UNREACHED = (
    r"dial tcp|error dialing backend|connection refused|no route to host|i/o timeout|TLS handshake|No agent available"
    r"|context deadline exceeded|connection reset|EOF$|x509|proxy error from"
)
_TOO_MANY = r"[Tt]oo many requests"

TABLE: tuple[Row, ...] = (
    # who asks
    Row(About.UNAUTHORIZED, status=401),
    Row(About.FORBIDDEN, status=403, message=r'User ".*" cannot \w+ '),
    Row(About.REFUSED, _CREATE, 403),
    Row(About.FORBIDDEN, status=403),
    # too many requests, of the server itself or of what it passes on
    Row(About.THROTTLED, status=429),
    Row(About.THROTTLED, _STREAMED, range(500, 600), message=_TOO_MANY),
    # what a watch or a list cannot continue from
    Row(About.EXPIRED, status=410),
    # logs: the API server knows no node yet; kubelet does not know the Pod or its container yet; there is none
    Row(About.NOT_YET, _LOG, 204),
    Row(About.NOT_YET, _STREAMED, 404, kind="pods/log"),
    Row(About.NO_LOG, _LOG, 400, message=_NO_LOG),
    Row(About.NOT_YET, _LOG, 400, message=_WAITS),
    # commands: the same, in kubelet's and the API server's words, which come as plain text
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
    Row(About.CONFLICT, status=409),
    # servers: that of the node, seen through the API server; the API server, or a proxy in front of it
    Row(About.UNREACHABLE, _STREAMED, range(500, 600), message=_UNREACHED),
    Row(About.UNREACHABLE, _STREAMED, 502),
    Row(About.UNWELL, status=range(500, 600)),
    Row(About.UNWELL, status=408),
    # a request to read a log or to run a command is the same each time: what is not known here may pass
    Row(About.UNWELL, _STREAMED),
    Row(About.REFUSED),
)


def about(request: Request, error: ApiError) -> About:
    """Return what an answer to a request is about."""
    return next(_fitting(request, error)).about


def _fitting(request: Request, error: ApiError) -> Iterator[Row]:
    return (row for row in TABLE if row.fits(request, error))
