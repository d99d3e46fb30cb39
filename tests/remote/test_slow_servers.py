"""Servers that never complete their answer: no resolver waits longer than the limit for one answer.

Each server sends a byte now and then, so the wait for the next byte is always short. After a while it completes the
answer, so a resolver that limits only the wait for the next byte accepts the answer, and the test fails.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from monopod.compiler.remote import cluster_resolver, hub_resolver, registry, web
from monopod.system.time_limit import call_before, deadline_after

LIMIT = 0.5
PAUSE = 0.02
PIECES = 200  # with the pause, several times the limit
BODY = b"apiVersion: tekton.dev/v1\nkind: Task\n"


@pytest.fixture(autouse=True)
def _a_short_limit(monkeypatch):
    for module in (web, registry, hub_resolver, cluster_resolver):
        monkeypatch.setattr(module, "TIMEOUT", LIMIT)


class SlowServer:
    """Answers each connection with the pieces that `answer` yields."""

    def __init__(self, answer):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._answer = answer
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while not self._ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            for piece in self._answer(self.url):
                connection.sendall(piece)
                if self._ended.wait(PAUSE):
                    return

    def close(self):
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def slow():
    servers = []

    def make(answer):
        servers.append(SlowServer(answer))
        return servers[-1].url

    yield make
    for server in servers:
        server.close()


def status_line(_):
    yield from (b"HTTP/1.1 100 Continue\r\n\r\n" for _ in range(PIECES))
    yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def one_header(_):
    yield b"HTTP/1.1 200 OK\r\nX-Slow: "
    yield from (b"x" for _ in range(PIECES))
    yield b"\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def body(_):
    yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (PIECES + len(BODY))
    yield from (b"#" for _ in range(PIECES))
    yield BODY


def chunks(_):
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield from (b"1\r\n#\r\n" for _ in range(PIECES))
    yield b"0\r\n\r\n"


def refusal_in_pieces(_):
    yield b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % PIECES
    yield from (b"x" for _ in range(PIECES))


def slow_redirects():
    """Each redirect takes most of the limit, and there are several."""
    left = [5]

    def answer(url):
        left[0] -= 1
        yield from (b"" for _ in range(int(LIMIT / PAUSE / 1.5)))
        if left[0] > 0:
            yield f"HTTP/1.1 302 Found\r\nLocation: {url}/{left[0]}\r\nContent-Length: 0\r\n\r\n".encode()
        else:
            yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)

    return answer


ANSWERS = {
    "status line": lambda: status_line,
    "one header": lambda: one_header,
    "body": lambda: body,
    "chunks": lambda: chunks,
    "refusal": lambda: refusal_in_pieces,
    "redirects": slow_redirects,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_http_resolver(refusal, slow, name):
    url = slow(ANSWERS[name]())
    message, _ = refusal("http", {"url": f"{url}/task.yaml"})
    assert f"{url}/task.yaml: no complete answer within 0.5 seconds" in message


@pytest.mark.parametrize("name", ["one header", "body"])
def test_hub_resolver(refusal, slow, name):
    asked = {"name": "t", "version": "1", "url": slow(ANSWERS[name]())}
    message, _ = refusal("hub", asked)
    assert "no complete answer within 0.5 seconds" in message


@pytest.mark.parametrize("name", ["one header", "body"])
def test_bundles_resolver(refusal, slow, name):
    host = slow(ANSWERS[name]()).removeprefix("http://")
    message, _ = refusal("bundles", {"bundle": f"{host}/a/b:1", "name": "t", "kind": "task"})
    assert "no complete answer within 0.5 seconds" in message


def test_cluster_resolver(refusal, slow, tmp_path, monkeypatch):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(f"""
apiVersion: v1
kind: Config
current-context: c
clusters: [{{name: c, cluster: {{server: "{slow(one_header)}"}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{}}}}]
""")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    message, _ = refusal("cluster", {"kind": "task", "name": "t", "namespace": "n"})
    assert "the cluster did not answer within 0.5 seconds" in message


def test_result_within_the_deadline_is_returned():
    assert call_before(deadline_after(60), lambda: 3) == 3
    with pytest.raises(KeyError, match="x"):
        call_before(deadline_after(60), lambda: {}["x"])
    with pytest.raises(TimeoutError):
        call_before(time.monotonic(), threading.Event().wait)
