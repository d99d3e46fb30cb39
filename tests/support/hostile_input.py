"""The command `monopod compile` on a text, in this process; or as a program, on a file."""

import contextlib
import io
import os
import sys
import tempfile
from typing import Any
from unittest import mock

import yaml

from monopod.runner.command_line import main


def compile_text(text: str) -> list[dict[str, Any]]:
    """Compile it; return the Pods that come out, none if it is refused. What is raised is a fault of monopod's."""
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(text.encode(errors="surrogatepass"))
        file.flush()
        command = ["monopod", "compile", "-f", file.name]
        with (
            mock.patch.object(sys, "argv", command),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            code = main()
    told, said = (_written(stream) for stream in (output, errors))
    assert code in (0, 2), code
    assert "Traceback" not in said, said
    if code == 2:
        assert said.strip(), "nothing says why"
        return []
    return [each for each in yaml.safe_load_all(told) if each and each.get("kind") == "Pod"]


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


if __name__ == "__main__":
    sys.argv = ["monopod", "compile", "-f", *sys.argv[1:]]
    code = main()
    sys.stdout.flush()
    os._exit(code)
