"""One try of an HTTP or TCP readiness probe.

Rules (Kubernetes, "Configure Liveness, Readiness and Startup Probes"): HTTP succeeds with a status from 200 to 399, TCP
when the connection is established; both within the timeout, which applies to the whole try. Certificates are not
verified.

A try is a thread with blocking calls: name resolution and TLS have no other simple form. Only Pods with such probes
import this module.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from monopod.schemas.plan import Probe

_MAX_STATUS_LINE = 4096


def start_network_try(probe: Probe, done: Callable[[str | None], None]) -> None:
    """Try an HTTP or TCP probe in a thread, which calls `done` with the outcome of `network_try`."""
    threading.Thread(target=lambda: done(network_try(probe)), name="probe", daemon=True).start()


def network_try(probe: Probe) -> str | None:
    """Try an HTTP or TCP probe; return None if it succeeds, else why it fails."""
    deadline = time.monotonic() + probe.timeout
    where = probe.http_url or f"{probe.tcp_host}:{probe.tcp_port}"
    try:
        if probe.http_url is not None:
            status = _http_status(probe.http_url, probe.http_headers, deadline)
            return None if status in range(200, 400) else f"{where}: HTTP status {status}"
        with _connected(probe.tcp_host, probe.tcp_port or 0, deadline):
            return None
    except TimeoutError:
        return f"{where}: no answer within {probe.timeout:g} s"
    except (OSError, ValueError) as error:  # refused, no TLS, no such host, no HTTP
        return f"{where}: {getattr(error, 'strerror', None) or error}"


def _connected(host: str, port: int, deadline: float) -> socket.socket:
    return socket.create_connection((host, port), timeout=_rest(deadline))


def _http_status(url: str, headers: tuple[tuple[str, str], ...], deadline: float) -> int:
    """Return the status of the response to a GET request. Raises OSError, ValueError."""
    parts = urlsplit(url)
    encrypted = parts.scheme == "https"
    connection = _connected(parts.hostname or "", parts.port or (443 if encrypted else 80), deadline)
    try:
        if encrypted:
            import ssl  # noqa: PLC0415  # takes 20 ms, and few probes need it

            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connection.settimeout(_rest(deadline))
            connection = context.wrap_socket(connection, server_hostname=parts.hostname)
        connection.settimeout(_rest(deadline))
        connection.sendall(_http_request(parts, headers))
        answer = b""
        while b"\n" not in answer and len(answer) < _MAX_STATUS_LINE:
            connection.settimeout(_rest(deadline))
            part = connection.recv(_MAX_STATUS_LINE)
            if not part:
                break
            answer += part
    finally:
        connection.close()
    version, status, *_ = [*answer.split(b"\n", 1)[0].split(), b"", b""]
    if not version.startswith(b"HTTP/"):
        raise ValueError("not an HTTP response")
    return int(status)


def _http_request(parts: SplitResult, headers: tuple[tuple[str, str], ...]) -> bytes:
    given = {name.lower() for name, _ in headers}
    defaults = (("Host", parts.netloc), ("User-Agent", "monopod-probe"), ("Accept", "*/*"), ("Connection", "close"))
    lines = [f"GET {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in defaults if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _rest(deadline: float) -> float:
    """Return the seconds until the deadline. Raises TimeoutError (an OSError) if it has passed."""
    rest = deadline - time.monotonic()
    if rest <= 0:
        raise TimeoutError("the probe took too long")
    return rest
