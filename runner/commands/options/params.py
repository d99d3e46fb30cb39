"""The options that set params: ``-p NAME=VALUE``, ``-p NAME=@FILE`` and ``--param-file FILE``.

Rules:

- ``-p`` wins over ``--param-file``, which wins over the params in ``monopod.yaml``. Of several files, the last wins.
- ``@FILE`` is the content of the file, without one line break at its end; ``@@text`` is ``@text``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from monopod.runner.commands.options.parsed import argument
from monopod.runner.commands.options.project import name_of_run, params_of_project, workspaces_of
from monopod.schemas.formats.utf8 import checked_utf8

if TYPE_CHECKING:
    from monopod.compiler.documents.param_files import FileParam

_text = argument(checked_utf8)
_MAX_BYTES = 1024 * 1024
"""The size of a file whose content is a param: more does not fit in a Pod."""


def add_params(parser: argparse.ArgumentParser) -> None:
    """Add ``-p NAME=VALUE`` and ``--param-file FILE``."""
    parser.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        dest="params",
        type=_param,
        metavar="NAME=VALUE",
        help="set a param (repeatable). An array is a,b,c or JSON; an object is key:value,... or JSON; @FILE is the "
        "content of a file",
    )
    parser.add_argument(
        "--param-file",
        action="append",
        default=[],
        dest="param_files",
        metavar="FILE",
        help="read params from FILE: YAML or JSON (a mapping of names to values), or .env (lines NAME=VALUE). "
        "Repeatable; the last file wins, and -p wins over files",
    )


def name_and_value(text: str) -> tuple[str, str]:
    """Return the two parts of ``NAME=VALUE``. Raises ArgumentTypeError, which argparse reports.

    A value that is a path may have bytes that are not UTF-8.
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return _text(name), value


def _param(text: str) -> tuple[str, str]:
    """Return a param and its value. Raises ArgumentTypeError, which argparse reports."""
    name, value = name_and_value(text)
    if not value.startswith("@"):
        return name, _text(value)
    if value.startswith("@@"):
        return name, _text(value[1:])
    path = value[1:]
    try:
        with open(path, encoding="utf-8", newline="") as file:
            content = file.read(_MAX_BYTES + 1)
    except UnicodeDecodeError:
        raise argparse.ArgumentTypeError(f"{path}: this is not UTF-8; a param is text") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise argparse.ArgumentTypeError(f"{path}: {reason}; write @@ for a value that starts with @") from error
    if len(content) > _MAX_BYTES:
        raise argparse.ArgumentTypeError(f"{path}: the file is larger than 1 MiB")
    return name, content.removesuffix("\n").removesuffix("\r")


def words_of(params: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the words of a command line that set these params."""
    for name, value in params:
        yield "-p"
        yield f"{name}={'@' * value.startswith('@')}{value}"


def file_params(arguments: argparse.Namespace) -> Mapping[str, FileParam]:
    """Return the params that files set and ``-p`` does not, by name. Raises Problems."""
    read: Mapping[str, FileParam] | None = getattr(arguments, "read_params", None)
    if read is None:
        read = arguments.read_params = _read(arguments)
    return read


def _read(arguments: argparse.Namespace) -> dict[str, FileParam]:
    params = {param.name: param for param in params_of_project(arguments)}
    if arguments.param_files:
        from monopod.compiler.documents.param_files import read_param_file  # noqa: PLC0415  # not needed for --help

        params.update((param.name, param) for path in arguments.param_files for param in read_param_file(path))
    set_by_option = {name for name, _ in arguments.params}
    return {name: param for name, param in params.items() if name not in set_by_option}


def params_of(arguments: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    """Return the params of a command line, also from files, as text. Raises Problems."""
    return (*((param.name, param.text) for param in file_params(arguments).values()), *arguments.params)


def words_of_project(arguments: argparse.Namespace) -> list[str]:
    """Return the words of a command line that say what ``monopod.yaml`` says of the run. Raises Problems."""
    set_by_files = file_params(arguments)
    params = [param for param in params_of_project(arguments) if set_by_files.get(param.name) == param]
    bindings = [each for each in workspaces_of(arguments) if each not in arguments.workspaces]
    words = [*words_of((param.name, param.text) for param in params)]
    words += [word for name, binding in bindings for word in ("-w", f"{name}={binding}")]
    name = name_of_run(arguments)
    return [*words, *(("--name", name) if name is not None else ())]
