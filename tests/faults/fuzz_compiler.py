"""A coverage-guided fuzzer of `compile`, `check` and `graph`: ``make fuzz`` (atheris).

    make fuzz FUZZ_SECONDS=3600
    make fuzz FUZZ_INPUT=build/fuzz/crash-0123…     one input again

The input determines the command. The fuzzer starts with the inputs of `tests/faults/corpus`, each of which covers
other code, and mutates their bytes or, more often, their YAML tree. It fails at the first input that makes monopod
crash, saves the input as ``crash-…``, and prints how to run it again. ``timeout-…`` and ``oom-…`` are inputs that take
longer than 20 s or more than 1 GiB.
"""

import functools
import importlib
import pkgutil
import sys
import zlib
from pathlib import Path
from random import Random

import atheris
import kubernetes_validate
from kubernetes_validate import utils as schemas

from monopod import compiler, runner

with atheris.instrument_imports(include=["monopod"]):
    for module in pkgutil.walk_packages(compiler.__path__, "monopod.compiler."):
        importlib.import_module(module.name)
    for name in ("check", "compile", "graph"):
        importlib.import_module(f"{runner.__name__}.commands.{name}")
    from hostile_input import check_text, compile_text, graph_text

from yaml_mutation import Mutator

CORPUS = Path(__file__).with_name("corpus")
LIMITS = ["-timeout=20", "-rss_limit_mb=1024", "-max_len=16384"]
MUTATOR = Mutator()


def one_input(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    match zlib.crc32(data) % 4:
        case 0:
            check_text(text)
        case 1:
            graph_text(text, "mermaid" if len(data) % 2 else "dot")
        case _:
            for pod in compile_text(text):
                kubernetes_validate.validate(pod, "1.37", strict=True)


def mutate(data: bytes, size: int, seed: int) -> bytes:
    random = Random(seed)
    changed = MUTATOR.mutated(data.decode(errors="replace"), random) if random.random() < 0.8 else None
    encoded = changed.encode(errors="surrogatepass") if changed else b""
    return encoded if 0 < len(encoded) <= size else bytes(atheris.Mutate(data, size))


if __name__ == "__main__":
    schemas.schema_contents = functools.cache(schemas.schema_contents)
    atheris.Setup([sys.argv[0], *LIMITS, *sys.argv[1:]], one_input, custom_mutator=mutate)
    atheris.Fuzz()
