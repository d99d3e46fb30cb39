"""A cluster: how to reach its API server, and requests to it.

Rules:

- The address and the user are found as kubectl finds them: in KUBECONFIG or ~/.kube/config, or, in a Pod, in the files
  of its ServiceAccount. Kubernetes' client library does that (certificates, login programs, tokens that expire).
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
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client import rest
from kubernetes.stream import ws_client
from urllib3.exceptions import HTTPError
from websocket import WebSocketBadStatusException, WebSocketException

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.pod.kube_version import KubeVersion
from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.commands.options.cluster import program_name
from monopod.runner.kubernetes.api_errors import ApiError

_ws_client: Any = ws_client  # it has no types
Query: TypeAlias = Sequence[tuple[str, str]]

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
QUIET_SECONDS = 60.0
"""How long a stream may be silent before it counts as broken: a connection may die silently."""

_KUBECONFIG = "~/.kube/config"
_NAMESPACE_IN_POD = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_STREAMS = 256
_INTERNAL_ERROR = 500
_PIECE = 65536


class UnreachableError(Exception):
    """The API server did not answer, or the connection broke. The text says why."""


class Cluster:
    """A cluster, and its default namespace. ``context`` is the context that the user named, if any."""

    def __init__(self, configuration: Any, name: str, namespace: str, context: str | None = None) -> None:
        self.name = name
        self.namespace = namespace
        self._context = context
        self._configuration = configuration
        self._pool: urllib3.PoolManager = rest.RESTClientObject(configuration).pool_manager
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

    def version(self) -> KubeVersion:
        """Return the version of Kubernetes. Raises BackendUnavailableError, with a message for people."""
        try:
            return KubeVersion.parse(str(self.request("GET", "/version").get("gitVersion")))
        except ApiError as error:
            raise BackendUnavailableError(f"{self.name}: {error.in_words()}") from error
        except UnreachableError as error:
            raise BackendUnavailableError(f"{self.name} cannot be reached: {error}") from error
        except ValueError as error:
            raise BackendUnavailableError(f"{self.name}: {error}") from error

    def limit_ranges(self, namespace: str | None) -> tuple[dict[str, Any], ...]:
        """Return the LimitRanges of a namespace (None: the default namespace), none if the user may not read them.

        Raises BackendUnavailableError.
        """
        try:
            found = self.request("GET", f"/api/v1/namespaces/{quote(namespace or self.namespace)}/limitranges")
        except ApiError:
            return ()  # the API server reports a Pod that does not fit
        except UnreachableError as error:
            raise BackendUnavailableError(f"{self.name} cannot be reached: {error}") from error
        return tuple(found.get("items") or ())

    def request(
        self, method: str, path: str, query: Query = (), body: Any = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """Make a request and return the object in the answer. Raises ApiError, UnreachableError."""
        with self._open(method, path, query, body=body, content_type=content_type, patience=ANSWER_SECONDS) as response:
            content = _read_all(response)
        try:
            answer = json.loads(content)
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
        query = [("command", each) for each in command]
        query += [("container", container), ("stdout", "true"), ("stderr", "true")]
        url: str = _ws_client.get_websocket_url(f"{self._configuration.host}{pod.path}/exec", query)
        try:
            socket = _ws_client.WSClient(self._configuration, url, self._headers(), capture_all=True)
        except WebSocketBadStatusException as error:
            body = error.resp_body or b""
            raise ApiError.of(error.status_code, "", body if isinstance(body, bytes) else body.encode()) from error
        except (WebSocketException, HTTPError, OSError) as error:
            raise UnreachableError(_reason(error)) from error
        try:
            socket.run_forever(timeout=ANSWER_SECONDS)
            ended = socket.read_channel(_ws_client.ERROR_CHANNEL)
            said = socket.read_all()
        except (WebSocketException, OSError) as error:
            raise UnreachableError(_reason(error)) from error
        finally:
            socket.sock.shutdown()  # its own `close` leaves it open if the server has sent a close frame
        _check_ending(ended, said)

    @contextlib.contextmanager
    def _open(
        self, method: str, path: str, query: Query, *, body: Any = None, content_type: str = "", patience: float
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        url = f"{self._configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
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
                settings = self._configuration.auth_settings()
            except Exception as error:  # a login plugin may raise any exception
                raise UnreachableError(f"logging in failed: {_reason(error)}") from error
        return {each["key"]: each["value"] for each in settings.values() if each["in"] == "header" and each["value"]}


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
    configuration = client.Configuration()
    configuration.retries = 0
    configuration.connection_pool_maxsize = _STREAMS
    file = environment.get("KUBECONFIG")
    try:
        if context is None and _is_in_pod(environment, file):
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            return Cluster(configuration, "the cluster of this Pod", _namespace_of_this_pod())
        chosen = _context(file or _KUBECONFIG, context)
        config.load_kube_config(file or _KUBECONFIG, chosen["name"], configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise BackendUnavailableError(f"the kubeconfig cannot be used: {_reason(error)}") from error
    namespace = (chosen.get("context") or {}).get("namespace") or "default"
    return Cluster(configuration, f"cluster of context '{chosen['name']}' ({configuration.host})", namespace, context)


def _is_in_pod(environment: Mapping[str, str], file: str | None) -> bool:
    return (
        file is None
        and "KUBERNETES_SERVICE_HOST" in environment
        and not os.path.exists(os.path.expanduser(_KUBECONFIG))
    )


def _namespace_of_this_pod() -> str:
    try:
        with open(_NAMESPACE_IN_POD, encoding="utf-8") as file:
            return file.read().strip() or "default"
    except OSError:
        return "default"


def _context(file: str, wanted: str | None) -> dict[str, Any]:
    """Return the wanted or the current context of the kubeconfig. Raises BackendUnavailableError, ConfigException."""
    places = [os.path.expanduser(place) for place in file.split(os.pathsep) if place]
    if not any(map(os.path.exists, places)):
        raise BackendUnavailableError(
            f"no kubeconfig found at {' or '.join(places)}; set KUBECONFIG to yours, or use --backend host"
        )
    contexts: list[dict[str, Any]] = []
    current = None
    for place in filter(os.path.exists, places):  # the first definition wins
        content = _read_kubeconfig(place)
        contexts += (each for each in content.get("contexts") or () if isinstance(each, dict) and each.get("name"))
        current = current or content.get("current-context")
    wanted = wanted or current
    if not wanted:
        raise BackendUnavailableError(f"{file} has no current context; name one with --context")
    names = [str(each["name"]) for each in contexts]
    for each in contexts:
        if each["name"] == wanted:
            return dict(each)
    known = f"; there are {', '.join(names)}" if names else ""
    raise BackendUnavailableError(f"there is no context '{wanted}' in {file}{did_you_mean(wanted, names)}{known}")


def _read_kubeconfig(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BackendUnavailableError(f"{path} cannot be read: {_reason(error)}") from error
    if not isinstance(content, dict):
        raise BackendUnavailableError(f"{path} is not a kubeconfig")
    return content


def _read_all(response: urllib3.BaseHTTPResponse) -> bytes:
    try:
        return response.read()
    except (HTTPError, OSError) as error:
        raise UnreachableError(_reason(error)) from error


def _check_ending(ended: str, said: str) -> None:
    """Check the Status at the end of a command. Raises CommandFailedError, ApiError, UnreachableError."""
    try:
        status = json.loads(ended)
    except ValueError as error:
        raise UnreachableError("the connection broke before the command ended") from error
    if status.get("status") == "Success":
        return
    if status.get("reason") != "NonZeroExitCode":  # it did not run: the error came too late for an HTTP status
        raise ApiError.of_status(status, int(status.get("code") or _INTERNAL_ERROR))
    text = " ".join(said.split()) or str(status.get("message"))
    raise CommandFailedError(text[-500:])


def _reason(error: BaseException) -> str:
    return " ".join(str(getattr(error, "reason", None) or error or type(error).__name__).split())
