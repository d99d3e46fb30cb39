"""A cluster: how to reach its API server, and requests to it.

Rules:

- The address and the user are found as kubectl finds them: in KUBECONFIG or ~/.kube/config, or, in a Pod, in the files
  of its ServiceAccount (``access``).
- Objects are plain data, as the API sends them.
- A request is made once. Callers decide whether to retry it (``retrying``, ``pod_watch``, ``log_reader``).
- Any thread may make requests. One thread may cut a stream that another thread reads.

``api_errors`` describes refusals.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError

from monopod.compiler.pod.kube_version import KubeVersion
from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.commands.options.cluster import program_name
from monopod.runner.kubernetes.access import Access, find_access
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.system import foreign_json

if TYPE_CHECKING:
    from monopod.runner.kubernetes.exec_channel import ExecChannel
    from monopod.runner.kubernetes.exec_session import ExecSession

Query: TypeAlias = Sequence[tuple[str, str]]

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
STRATEGIC_MERGE = "application/strategic-merge-patch+json"
"""The content type of a patch that merges lists by the names of their items."""
QUIET_SECONDS = 60.0
"""How long a stream may be silent before it counts as broken: a connection may die silently."""

_INTERNAL_ERROR = 500
_PIECE = 65536


class UnreachableError(Exception):
    """The API server did not answer, or the connection broke. The text says why."""


class Cluster:
    """A cluster, and its default namespace.

    The argument `context` is the context that the user named, if any, and `current` the current one if not.
    ``context`` is the one in use, empty if it is the cluster of this process's Pod.
    """

    def __init__(
        self, access: Access, name: str, namespace: str, context: str | None = None, *, current: str = ""
    ) -> None:
        self.name = name
        self.namespace = namespace
        self.context = context or current
        self._context = context
        self._access = access
        self._pool = access.pool()
        self._login = threading.Lock()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections; the others are closed by their users."""
        self._pool.clear()

    def command(self, name: str, pod: PodName, *words: str) -> str:
        """Return one of monopod's commands for a Pod of this cluster, for the user to type."""
        context = [] if self._context is None else ["--context", self._context]
        return shlex.join([*program_name(), name, pod.name, *words, "-n", pod.namespace, *context])

    def kubectl(self, *words: str, namespace: str) -> str:
        """Return a command of kubectl for this cluster, for the user to type."""
        context = [] if self._context is None else ["--context", self._context]
        return shlex.join(["kubectl", *words, "-n", namespace, *context])

    def version(self) -> KubeVersion:
        """Return the version of Kubernetes. Raises BackendUnavailableError, with a message for people."""
        try:
            return KubeVersion.parse(str(self.request("GET", "/version").get("gitVersion")))
        except ApiError as error:
            raise BackendUnavailableError(f"{self.name}: {error.describe()}") from error
        except UnreachableError as error:
            raise BackendUnavailableError(f"{self.name} cannot be reached: {error}") from error
        except ValueError as error:
            raise BackendUnavailableError(f"{self.name}: {error}") from error

    def limit_ranges(self, namespace: str | None) -> tuple[dict[str, Any], ...]:
        """Return the LimitRanges of a namespace (None: the default namespace), none if the user may not read them.

        Raises BackendUnavailableError.
        """
        try:
            listed = self.request("GET", f"/api/v1/namespaces/{quote(namespace or self.namespace)}/limitranges")
        except ApiError:
            return ()  # the API server reports a Pod that does not fit
        except UnreachableError as error:
            raise BackendUnavailableError(f"{self.name} cannot be reached: {error}") from error
        return tuple(listed.get("items") or ())

    def resizes_pods(self) -> bool:
        """Return whether the requests of a Pod can be changed while it runs. Raises BackendUnavailableError.

        It also returns true if the user may not know: the answer to the first change shows it.
        """
        try:
            listed = self.request("GET", "/api/v1")
        except ApiError:
            return True
        except UnreachableError as error:
            raise BackendUnavailableError(f"{self.name} cannot be reached: {error}") from error
        return any(resource.get("name") == "pods/resize" for resource in listed.get("resources") or ())

    def request(
        self, method: str, path: str, query: Query = (), body: Any = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """Make a request and return the object in the answer. Raises ApiError, UnreachableError."""
        with self._open(method, path, query, body=body, content_type=content_type, patience=ANSWER_SECONDS) as response:
            content = _read_all(response)
        try:
            answer = foreign_json.loads(content)
        except ValueError as error:
            raise UnreachableError("the answer is not JSON; is this the address of an API server?") from error
        if not isinstance(answer, dict):
            raise UnreachableError("the answer is not an object; is this the address of an API server?")
        return answer

    @contextlib.contextmanager
    def stream(self, path: str, query: Query) -> Iterator[Stream]:
        """Make a request and yield its answer as a stream. Raises ApiError, UnreachableError."""
        with self._open("GET", path, query, patience=QUIET_SECONDS) as response:
            yield Stream(response)

    def execute(self, pod: PodName, container: str, command: Sequence[str]) -> None:
        """Run a command in a container and wait for its end. Raises ApiError, UnreachableError, CommandFailedError."""
        from monopod.runner.kubernetes.container_commands import run_command  # noqa: PLC0415  # slow to import

        url, query = self._command_request(pod, container, command, "stdout", "stderr")
        try:
            ended, errors = run_command(self._access.configuration(), url, query, self._headers(), ANSWER_SECONDS)
        except ConnectionError as error:
            raise UnreachableError(_reason(error)) from error
        _check_ending(ended, errors)

    def connect_command(self, pod: PodName, container: str, command: Sequence[str]) -> ExecChannel:
        """Start a command in a container, with its standard streams connected. Raises ApiError, UnreachableError."""
        from monopod.runner.kubernetes.exec_channel import ExecChannel  # noqa: PLC0415  # slow to import

        url, query = self._command_request(pod, container, command, "stdin", "stdout", "stderr")
        try:
            return ExecChannel.connect(self._access.configuration(), url, query, self._headers())
        except ConnectionError as error:
            raise UnreachableError(_reason(error)) from error

    def open_session(self, pod: PodName, container: str, command: Sequence[str], *, on_terminal: bool) -> ExecSession:
        """Start a command in a container, on the streams of this process. Raises ApiError, UnreachableError."""
        from monopod.runner.kubernetes.exec_session import ExecSession  # noqa: PLC0415  # slow to import

        streams = ("stdin", "stdout", "tty") if on_terminal else ("stdin", "stdout", "stderr")
        url, query = self._command_request(pod, container, command, *streams)
        try:
            return ExecSession.connect(
                self._access.configuration(), url, query, self._headers(), on_terminal=on_terminal
            )
        except ConnectionError as error:
            raise UnreachableError(_reason(error)) from error

    def _command_request(
        self, pod: PodName, container: str, command: Sequence[str], *streams: str
    ) -> tuple[str, list[tuple[str, str]]]:
        """Return the address and the query of the request that runs a command."""
        query = [*(("command", word) for word in command), ("container", container)]
        return f"{self._access.host}{pod.path}/exec", [*query, *((stream, "true") for stream in streams)]

    @contextlib.contextmanager
    def _open(
        self, method: str, path: str, query: Query, *, body: Any = None, content_type: str = "", patience: float
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        url = f"{self._access.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {**self._headers(), "Accept": "application/json, */*", "User-Agent": "monopod"}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            response = self._pool.request(
                method,
                url,
                headers=headers,
                body=None if body is None else json.dumps(body).encode(),
                preload_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=patience),
                retries=False,
                redirect=False,
            )
        except (HTTPError, OSError) as error:
            raise UnreachableError(_reason(error)) from error
        try:
            if response.status >= 300:
                after = response.headers.get("Retry-After")
                raise ApiError.of(response.status, response.reason or "", _read_all(response), after)
            yield response
        finally:
            response.close()

    def _headers(self) -> dict[str, str]:
        with self._login:  # fetches an expired token again
            try:
                authorization = self._access.authorization()
            except Exception as error:  # a login plugin may raise any exception
                raise UnreachableError(f"logging in failed: {_reason(error)}") from error
        return {} if authorization is None else {"authorization": authorization}


class Stream:
    """The answer to a request, while it is received."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """The HTTP status: 200, or another status that is not an error."""
        return int(self._response.status)

    def pieces(self) -> Iterator[bytes]:
        """Yield the data as it is received. Raises UnreachableError if the connection breaks."""
        try:
            yield from self._response.stream(_PIECE)
        except (HTTPError, OSError, ValueError) as error:  # ValueError: it was cut
            raise UnreachableError(_reason(error)) from error

    def lines(self) -> Iterator[bytes]:
        """Yield the data line by line. Raises UnreachableError."""
        rest = bytearray()
        for piece in self.pieces():
            rest += piece
            *lines, last = rest.split(b"\n")
            yield from (bytes(line) for line in lines)
            rest = bytearray(last)

    def cut(self) -> None:
        """Break the connection. May be called by any thread."""
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # it has ended
            self._response.shutdown()


class CommandFailedError(Exception):
    """A command in a container failed. The text is its output."""


@dataclass(frozen=True, slots=True)
class PodName:
    """The name and namespace of a Pod."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"Pod '{self.name}' in namespace '{self.namespace}'"

    @property
    def collection(self) -> str:
        """The path of the Pods of its namespace."""
        return collection_path("pods", self.namespace)

    @property
    def path(self) -> str:
        """The path of the Pod."""
        return f"{self.collection}/{quote(self.name, safe='')}"


def collection_path(resource: str, namespace: str) -> str:
    """Return the path of the objects of a resource of the core API in a namespace."""
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/{resource}"


def connect(context: str | None, environment: Mapping[str, str] = os.environ) -> Cluster:
    """Return the cluster of a kubeconfig context; None: of the current context, or the cluster of this process's Pod.

    Makes no request. Raises BackendUnavailableError.
    """
    access, name, namespace, current = find_access(context, environment)
    return Cluster(access, name, namespace, context, current=current)


def _read_all(response: urllib3.BaseHTTPResponse) -> bytes:
    try:
        return response.read()
    except (HTTPError, OSError) as error:
        raise UnreachableError(_reason(error)) from error


def _check_ending(ended: str, errors: str) -> None:
    """Check the Status at the end of a command. Raises CommandFailedError, ApiError, UnreachableError."""
    try:
        status = foreign_json.loads(ended)
    except ValueError as error:
        raise UnreachableError("the connection broke before the command ended") from error
    if status.get("status") == "Success":
        return
    if status.get("reason") != "NonZeroExitCode":  # it did not run: the error came too late for an HTTP status
        raise ApiError.of_status(status, int(status.get("code") or _INTERNAL_ERROR))
    text = " ".join(errors.split()) or str(status.get("message"))
    raise CommandFailedError(text[-500:])


def _reason(error: BaseException) -> str:
    return " ".join(str(getattr(error, "reason", None) or error or type(error).__name__).split())
