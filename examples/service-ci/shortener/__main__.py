"""``python3 -m shortener PORT``: POST a link to /links, and GET /NAME redirects to it."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shortener.links import Links

LINKS = Links()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def log_message(self, *_: object) -> None:
        """Log no requests."""

    def answer(self, code: int, text: str = "", **headers: str) -> None:
        """Send a response."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self) -> None:  # the name that http.server calls
        """Add the link in the body."""
        link = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        try:
            self.answer(201, LINKS.add(link))
        except ValueError as error:
            self.answer(400, str(error))

    def do_GET(self) -> None:
        """Redirect to a link."""
        if self.path == "/health":
            self.answer(200, "ok")
        elif (link := LINKS.find(self.path.lstrip("/"))) is not None:
            self.answer(302, Location=link)
        else:
            self.answer(404, "unknown")


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(f"listening on port {server.server_address[1]}", flush=True)
server.serve_forever()
