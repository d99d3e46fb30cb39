"""``python3 database.py --unixsocket PATH``: the part of Redis that the tests use, for machines without it."""

from __future__ import annotations

import socketserver
import sys
from collections import Counter

COUNTS: Counter[bytes] = Counter()


class Handler(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self) -> None:
        """Answer each command, an array of bulk strings."""
        while header := self.rfile.readline():
            words = []
            for _ in range(int(header[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2])
            match words:
                case [b"INCR", key]:
                    COUNTS[key] += 1
                    self.wfile.write(b":%d\r\n" % COUNTS[key])
                case _:
                    self.wfile.write(b"-ERR unknown command\r\n")


with socketserver.ThreadingUnixStreamServer(sys.argv[sys.argv.index("--unixsocket") + 1], Handler) as server:
    print("Ready to accept connections", flush=True)
    server.serve_forever()
