"""Runs commands in containers, over a WebSocket to the API server.

Kubernetes' client library speaks the protocol. It is slow to import, and most runs need no command: import this module
only for one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kubernetes.stream import ws_client
from urllib3.exceptions import HTTPError
from websocket import WebSocketBadStatusException, WebSocketException

from monopod.runner.kubernetes.api_errors import ApiError

_ws_client: Any = ws_client  # it has no types


def run_command(
    configuration: Any, url: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str], seconds: float
) -> tuple[str, str]:
    """Run a command and wait for its end; return the Status at its end, as JSON, and its output.

    Raises ApiError, and ConnectionError if the API server cannot be reached.
    """
    with handshake():
        socket = _ws_client.WSClient(configuration, _ws_client.get_websocket_url(url, query), headers, capture_all=True)
    try:
        socket.run_forever(timeout=seconds)
        return socket.read_channel(_ws_client.ERROR_CHANNEL), socket.read_all()
    except (WebSocketException, OSError) as error:
        raise ConnectionError(str(error)) from error
    finally:
        socket.sock.shutdown()  # its own `close` leaves it open if the server has sent a close frame


def can_close_input(connection: Any) -> bool:
    """Return whether the client can close the standard input of a command: the server has chosen v5.channel.k8s.io."""
    # the client library offers the protocols in a header of its own, so `connection.subprotocol` is always None
    headers: Mapping[str, str] = connection.getheaders() or {}
    chosen = next((value for name, value in headers.items() if name.lower() == "sec-websocket-protocol"), "")
    return chosen == ws_client.V5_CHANNEL_PROTOCOL


@contextlib.contextmanager
def handshake() -> Iterator[None]:
    """Open a connection to a command in the block: its errors become ApiError and ConnectionError."""
    try:
        yield
    except WebSocketBadStatusException as error:
        body = error.resp_body or b""
        raise ApiError.of(error.status_code, "", body if isinstance(body, bytes) else body.encode()) from error
    except (WebSocketException, HTTPError, OSError) as error:
        raise ConnectionError(str(error)) from error
