"""Commands of `monopod` on a text in this process, or as a program on a file.

They have no access to the outside: no name is resolved, and no program (git, podman) is found. They leave nothing here.
"""

import atexit
import contextlib
import gc
import io
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from typing import Any
from unittest import mock

import yaml

from monopod.runner.command_line import main


def run_monopod(*arguments: str) -> tuple[int, str, str]:
    """Run a command; return its exit code and its outputs. Exceptions and tracebacks are faults of monopod."""
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        _alone(),
        mock.patch.object(sys, "argv", ["monopod", *arguments]),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        code = main()
    out, err = (_written(stream) for stream in (output, errors))
    assert code in (0, 2), (code, err)
    assert "Traceback" not in err, err
    assert code == 0 or err.strip() or out.strip(), "there is no message"
    return code, out, err


def compile_text(text: str) -> list[dict[str, Any]]:
    """Compile it; return the Pods, none if it is refused."""
    with _file(text) as path:
        code, out, err = run_monopod("compile", "-f", path)
    if code == 2:
        assert err.strip(), "there is no message"
        return []
    return [each for each in yaml.safe_load_all(out) if each and each.get("kind") == "Pod"]


def check_text(text: str) -> dict[str, Any]:
    """Return the SARIF of `monopod check`."""
    with _file(text) as path:
        _, out, _ = run_monopod("check", "-f", path, "--format", "sarif")
    return dict(json.loads(out))


def graph_text(text: str, form: str) -> str:
    """Return the output of `monopod graph`, nothing if it is refused."""
    with _file(text) as path:
        code, out, _ = run_monopod("graph", "-f", path, "--format", form)
    return "" if code else out


@contextlib.contextmanager
def _file(text: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(text.encode(errors="surrogatepass"))
        file.flush()
        yield file.name


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    def no_name(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "no name is resolved in this test")

    with (
        mock.patch.object(socket, "getaddrinfo", no_name),
        mock.patch.dict(os.environ, PATH="/nowhere"),
        mock.patch.object(gc, "freeze"),  # what one command leaves is never used again
        mock.patch.object(atexit, "register"),
    ):
        yield


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


if __name__ == "__main__":
    command, path = sys.argv[1:]
    sys.argv = ["monopod", command, "-f", path]
    code = main()
    sys.stdout.flush()
    os._exit(code)
