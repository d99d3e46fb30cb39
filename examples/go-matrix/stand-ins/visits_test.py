"""The test of visits_test.go, for machines without Go."""

from __future__ import annotations

import os
import socket

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(os.environ["DATABASE_SOCKET"])
    answers = connection.makefile("rb")

    def visit(page: bytes) -> int:
        """Count a visit of a page and return how many there have been."""
        connection.sendall(b"*2\r\n$4\r\nINCR\r\n$%d\r\n%s\r\n" % (len(page), page))
        return int(answers.readline()[1:])

    assert [visit(b"index") for _ in range(3)] == [1, 2, 3]
    assert visit(b"about") == 1
print("ok: visits of a page are counted")
