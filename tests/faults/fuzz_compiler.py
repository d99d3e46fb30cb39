"""Compiles what a coverage-guided fuzzer makes of the examples: ``make fuzz`` (atheris; its options may follow).

Ends with an error at the first input that is a fault of monopod's, and leaves it in a file ``crash-…``.
"""

import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

import atheris
import kubernetes_validate

from monopod import compiler

with atheris.instrument_imports(include=["monopod"]):
    for module in pkgutil.walk_packages(compiler.__path__, "monopod.compiler."):
        importlib.import_module(module.name)
    from hostile_input import compile_text

ROOT = Path(__file__).parents[2]


def one_input(data: bytes) -> None:
    for pod in compile_text(data.decode(errors="surrogateescape")):
        kubernetes_validate.validate(pod, "1.31", strict=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as corpus:
        for number, path in enumerate(sorted(ROOT.glob("examples/**/*.yaml"))):
            (Path(corpus) / str(number)).write_bytes(path.read_bytes())
        atheris.Setup(
            [sys.argv[0], "-timeout=20", "-rss_limit_mb=2048", "-max_len=65536", *sys.argv[1:], corpus], one_input
        )
        atheris.Fuzz()
