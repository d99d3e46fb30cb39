"""``python3 smoke.py PORT``: what a user of the running service does."""

from __future__ import annotations

import http.client
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)


def request(method: str, path: str, body: str | None = None) -> tuple[int, str, str | None]:
    """Return the code, text and Location of a response."""
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, response.read().decode(), response.headers["Location"]


LINK = "https://tekton.dev/docs"
code, name, _ = request("POST", "/links", LINK)
assert code == 201, (code, name)
code, _, location = request("GET", f"/{name}")
assert (code, location) == (302, LINK), (code, location)
code, text, _ = request("POST", "/links", "mailto:ada@example.com")
assert code == 400, (code, text)
print("a link was added and followed, and other text refused")
