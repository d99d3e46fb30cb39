"""A certificate for a server on this machine that is its own CA, made by openssl."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading

import pytest


def certificate(directory):
    """Make ``ca.crt`` and ``key.pem`` for 127.0.0.1 in a directory; return the context of a server that has them."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = directory / "key.pem", directory / "ca.crt"
    names = ["-subj", "/CN=kubernetes", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", key, "-out", certificate]
    subprocess.run(["openssl", "req", "-x509", *kind, *names, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@contextlib.contextmanager
def untrusted_server(directory):
    """Give the port of a server on 127.0.0.1 with such a certificate, and the connections that it has had so far."""
    context, connections = certificate(directory), []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                connection, address = server.accept()
                with connection:
                    if not connection.recv(1, socket.MSG_PEEK):
                        return
                    connections.append(address)
                    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                        secure.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        try:
            yield port, connections
        finally:
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()
