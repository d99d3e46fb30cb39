"""A proxy on loopback between `monopod run` and an API server, which notes each request and when events came by.

Rules: the runner speaks TLS to it, as to an API server, if this machine has openssl. Answers are passed on piece by
piece. Commands in containers (``pods/exec``) are not supported: a run that nobody cancels makes none.
"""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client import rest
from urllib3.exceptions import HTTPError

_FIRST_STEP = b'"event":"StepStarted"'
_OUTCOME = b'"event":"RunFinished"'
_LONGEST = max(len(_FIRST_STEP), len(_OUTCOME))
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "host", "authorization"}
_OPENSSL = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 "
    "-addext subjectAltName=IP:127.0.0.1"
)


@dataclass
class Request:
    """One request. ``status`` is 0 until it is answered."""

    at: float
    method: str
    path: str
    query: str
    status: int = 0

    @property
    def is_log(self) -> bool:
        """Whether it asks for a log."""
        return self.path.endswith("/log")

    @property
    def is_creation(self) -> bool:
        """Whether it creates a Pod."""
        return self.method == "POST" and self.path.endswith("/pods")


@dataclass
class Observed:
    """The requests of one run, and when its first Step's start and its outcome were on their way to the runner.

    Times are monotonic seconds.
    """

    requests: list[Request] = field(default_factory=list)
    first_step_at: float | None = None
    outcome_at: float | None = None


class ObservingProxy:
    """The proxy. ``kubeconfig`` leads to it; ``observed`` is what it saw, which `begin` clears."""

    def __init__(self, context: str | None, directory: Path) -> None:
        configuration = client.Configuration()
        configuration.retries = 0
        configuration.connection_pool_maxsize = 256
        config.load_kube_config(context=context, client_configuration=configuration)
        self.configuration: Any = configuration
        self.pool: urllib3.PoolManager = rest.RESTClientObject(configuration).pool_manager
        self.observed = Observed()
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        scheme, cluster = self._with_tls(directory)
        cluster["server"] = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self.kubeconfig = directory / "kubeconfig"
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "measured",
                    "clusters": [{"name": "measured", "cluster": cluster}],
                    "users": [{"name": "measured", "user": {"token": "of-the-proxy"}}],
                    "contexts": [{"name": "measured", "context": {"cluster": "measured", "user": "measured"}}],
                }
            )
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _with_tls(self, directory: Path) -> tuple[str, dict[str, Any]]:
        key, certificate = directory / "key.pem", directory / "certificate.pem"
        command = [*_OPENSSL.split(), "-keyout", str(key), "-out", str(certificate)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return "http", {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        return "https", {"certificate-authority": str(certificate)}

    def begin(self) -> None:
        """Forget what was seen."""
        with self.lock:
            self.observed = Observed()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self.pool.clear()

    def headers(self) -> dict[str, str]:
        """Return the headers that log in to the API server."""
        settings = self.configuration.auth_settings().values()
        return {each["key"]: each["value"] for each in settings if each["in"] == "header" and each["value"]}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Print nothing: the runner cuts connections."""


class _Handler(BaseHTTPRequestHandler):
    """One connection of the runner's."""

    protocol_version = "HTTP/1.1"
    proxy: ObservingProxy

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Forward it."""
        self._forward()

    def do_POST(self) -> None:
        """Forward it."""
        self._forward()

    def do_DELETE(self) -> None:
        """Forward it."""
        self._forward()

    def do_PATCH(self) -> None:
        """Forward it."""
        self._forward()

    def _forward(self) -> None:
        path, _, query = self.path.partition("?")
        request = Request(time.monotonic(), self.command, path, query)
        observed = self.proxy.observed
        with self.proxy.lock:
            observed.requests.append(request)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        with contextlib.suppress(OSError):  # the runner is gone
            try:
                self._answer(request, observed, body, {**headers, **self.proxy.headers()})
            except HTTPError:
                self.close_connection = True

    def _answer(self, request: Request, observed: Observed, body: bytes | None, headers: dict[str, str]) -> None:
        response = self.proxy.pool.request(
            self.command,
            f"{self.proxy.configuration.host}{self.path}",
            headers=headers,
            body=body,
            preload_content=False,
            retries=False,
            redirect=False,
            timeout=urllib3.Timeout(connect=10, read=600),
        )
        try:
            request.status = response.status
            self.send_response(response.status)
            for name, value in response.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            if "chunked" not in response.headers.get("Transfer-Encoding", ""):
                content = response.read()
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in self._pieces(response, observed):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        finally:
            response.close()

    def _pieces(self, response: urllib3.BaseHTTPResponse, observed: Observed) -> Iterator[bytes]:
        before = b""
        for piece in response.stream(65536):
            seen = before + piece
            if observed.first_step_at is None and _FIRST_STEP in seen:
                observed.first_step_at = time.monotonic()
            if observed.outcome_at is None and _OUTCOME in seen:
                observed.outcome_at = time.monotonic()
            before = seen[-_LONGEST:]
            yield piece
