"""A certificate for a server on this machine that is its own CA, made by openssl."""

from __future__ import annotations

import shutil
import ssl
import subprocess

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
