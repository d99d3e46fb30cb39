"""The ``python3`` of an image whose coordinator asks to be killed, since no process can kill PID 1 of its container.

It is the real Python, unless its arguments run the coordinator that the Pod carries (``monopod.runtime.bootstrap``).

The name of the run has the entries of the journal and the points (`killed_coordinator`):
``…-ADDRESS-NUMBERPOINT-NUMBERPOINT…``, a point by its first letter. ADDRESS is an abstract socket, so the Pod
must have this machine's network. The message is "NUMBERPOINT". The answer is SIGKILL, or a byte: to
write to no file any more, or to continue, since a point occurs again if its entry was cut.
"""

import os
import re
import resource
import socket
import sys
from typing import Any

ADDRESS = "\0monopod-test-{}"
CONTINUE, WRITE_NO_MORE = b"x", b"w"
_NAME = re.compile(r"-([0-9a-f]{8})((?:-\d+[a-z])*)$")


def main() -> int:
    """Run the coordinator and return its exit code."""
    words = sys.argv[1:]
    if "run" not in words:
        os.execv(sys.executable, [sys.executable, *words])
    program, digest, end = words[words.index("-c") + 1], words[words.index("-c") + 2], words.index("run")
    bootstrap: dict[str, Any] = {"__name__": "bootstrap"}
    exec(program, bootstrap)
    bootstrap["prepare"]("/monopod", digest, tuple(words[words.index("-c") + 3 : end]))
    sys.argv[1:] = words[end + 1 :]
    import killed_coordinator  # noqa: PLC0415  # it imports the coordinator
    from killed_coordinator import POINTS  # noqa: PLC0415

    found = _NAME.search(os.environ["MONOPOD_RUN_NAME"])
    assert found is not None
    address, points = ADDRESS.format(found[1]), found[2].split("-")

    def place_at(number: int) -> str:
        return next((point for point in POINTS if f"{number}{point[0]}" in points), "")

    def ask(number: int, point: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(300)
            connection.connect(address)
            connection.sendall(f"{number}{point[0]}".encode())
            if connection.recv(1) == WRITE_NO_MORE:
                resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))

    return killed_coordinator.main(place_at, ask)


if __name__ == "__main__":
    sys.exit(main())
