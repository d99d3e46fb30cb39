"""Reads the Secrets that the user gives to a run, and adds them to its documents.

Rules:

- A key given with ``--secret`` takes precedence over ``--secret-file``, and both over the Secrets in the files.
- Without ``--secret-file``, a run on this machine uses ``.secrets`` of the project, but only for Secrets that nothing
  else has: it never changes a run that works without it.
- A line ``KEY=VALUE`` of such a file that does not name a Secret is a key of each Secret that the run refers to and
  that nothing else has.
- Values are never recorded: a repetition reads them again.

Left to others: what the options mean (``secret_option``), what lines mean (``env_lines``).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents.documents import Documents, read
from monopod.compiler.documents.env_lines import EnvLine, EnvLinesError, parse_env_lines
from monopod.compiler.remote.local.project import project_directory
from monopod.runner.masking.secret_values import values_of
from monopod.runner.secrets.secret_option import STANDARD_INPUT, SecretOption, has_lines
from monopod.schemas.formats.object_names import key_problem
from monopod.schemas.formats.visible_text import visible_lines
from monopod.schemas.kubernetes.objects import Secret

AUTOMATIC = ".secrets"
_LARGEST = 1024 * 1024
"""What Kubernetes stores in a Secret at most."""
_NAME_FIELDS = {"secretKeyRef": "name", "secretRef": "name", "secret": "secretName"}


@dataclass(frozen=True, slots=True)
class GivenSecrets:
    """The Secrets of the command line: by name, their values by key. ``of_files`` are the names by file."""

    values: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    of_files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_secrets(
    options: Sequence[SecretOption], file: str | None, documents: Documents, bound: Iterable[str], *, automatic: bool
) -> GivenSecrets:
    """Return the Secrets that are given to the run of these documents. Raises Problems.

    `file` is the value of ``--secret-file``. `bound` are the names of Secrets that ``-w`` binds. `automatic`: the
    project's ``.secrets`` is used as well.
    """
    values: dict[str, dict[str, bytes]] = {}
    of_files: dict[str, tuple[str, ...]] = {}
    existing = {document.name for document, _ in documents.of(Secret)} | {option.name for option in options}
    missing = [name for name in dict.fromkeys((*bound, *_references(documents))) if name not in existing]
    if file is not None:
        _add_lines(values, _lines_of(file), missing)
        of_files[file] = tuple(values)
    elif automatic and (path := _automatic_file()) is not None:
        found: dict[str, dict[str, bytes]] = {}
        _add_lines(found, _lines_of(path), missing)
        values |= {name: keys for name, keys in found.items() if name in missing}
        of_files |= {path: tuple(values)} if values else {}
    problems = []
    for option in {(option.name, option.key or option.where): option for option in options}.values():
        try:
            values.setdefault(option.name, {}).update(_values_of(option))
        except (OSError, ValueError) as error:
            text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            problems.append(Problem(None, f"--secret {option}: {text}", "unreadable-file"))
    if problems:
        raise Problems(problems)
    return GivenSecrets(values, of_files)


def with_secrets(documents: Documents, given: GivenSecrets) -> Documents:
    """Return the documents with the given Secrets. The texts, which are recorded, stay as they are. Raises Problems."""
    if not given.values:
        return documents
    existing = {document.name: document for document, _ in documents.of(Secret)}
    made = []
    for name, keys in given.values.items():
        other: dict[str, Any] = existing[name].data if name in existing else {"apiVersion": "v1", "kind": "Secret"}
        data = {key: base64.b64encode(value).decode() for key, value in {**values_of(other), **keys}.items()}
        rest = {key: value for key, value in other.items() if key != "stringData"}
        made.append({**rest, "metadata": {**(rest.get("metadata") or {}), "name": name}, "data": data})
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    others = tuple(
        document for document in documents.items if document.kind != "Secret" or document.name not in given.values
    )
    return replace(documents, items=(*others, *read(text.encode(), "--secret").items))


def report_unused(names: Iterable[str], pods: Iterable[Any]) -> None:
    """Say which of the Secrets with these names none of the Pods uses."""
    used = set(_used_in(list(pods)))
    for name in dict.fromkeys(names):
        if name not in used:
            print(f"warning: --secret {name}: nothing in the run uses Secret '{name}'", file=sys.stderr)


def report_files(given: GivenSecrets) -> None:
    """Say which files were used, and whether git would commit them."""
    for file, names in given.of_files.items():
        print(visible_lines(f"Secrets from {file}: {', '.join(names) or 'none'}"), file=sys.stderr)
        if _may_be_committed(file):
            text = f"warning: git does not ignore {file}, so it may be committed; add it to .gitignore"
            print(visible_lines(text), file=sys.stderr)


def _automatic_file() -> str | None:
    directory = project_directory((AUTOMATIC,))
    path = os.path.normpath(os.path.join(directory, AUTOMATIC)) if directory is not None else ""
    return path if os.path.isfile(path) else None


def _lines_of(file: str) -> list[EnvLine]:
    """Return the lines of a file. Raises Problems."""
    try:
        return parse_env_lines(_read(file).decode("utf-8"))
    except OSError as error:
        message = f"{file}: {error.strerror}"
    except UnicodeDecodeError:
        message = f"{file}: this is not UTF-8"
    except EnvLinesError as error:
        message = f"{file}:{error.line}:{error.column}: {error}"
    except ValueError as error:
        message = str(error)
    raise Problems([Problem(None, message, "unreadable-file")])


def _add_lines(values: dict[str, dict[str, bytes]], lines: Iterable[EnvLine], missing: Sequence[str]) -> None:
    """Add lines to the Secrets that they name; those that name none to all that are missing otherwise."""
    lines = list(lines)
    named = {line.secret for line in lines}
    for line in lines:
        for name in [line.secret] if line.secret else [name for name in missing if name not in named]:
            values.setdefault(name, {})[line.key] = line.value.encode()


def _values_of(option: SecretOption) -> dict[str, bytes]:
    """Return the values that ``--secret`` gives, by key. Raises OSError, ValueError."""
    if option.source == "variable":
        if option.where not in os.environ:
            raise ValueError(f"the environment variable {option.where} is not set")
        return {option.key: os.environb[option.where.encode()]}
    if option.where == STANDARD_INPUT:
        if sys.stdin.isatty():
            raise ValueError("standard input is a terminal; pipe the value into monopod")
        return {option.key: sys.stdin.buffer.read(_LARGEST)}
    if os.path.isdir(option.where):
        if option.key:
            raise ValueError(f"{option.where} is a directory; leave out /{option.key}, its files are the keys")
        files = sorted(path for path in Path(option.where).iterdir() if path.is_file() and not key_problem(path.name))
        if not files:
            raise ValueError(f"{option.where} has no files with names that can be keys")
        return {path.name: _read(str(path)) for path in files}
    if not option.key and has_lines(option.where):
        return dict(_keys_of_lines(option.where))
    name = option.key or os.path.basename(option.where)
    if problem := key_problem(name):
        raise ValueError(f"the name of the file cannot be a key ({problem}); name a key: {option.name}/KEY=@FILE")
    return {name: _read(option.where)}


def _keys_of_lines(file: str) -> Iterator[tuple[str, bytes]]:
    try:
        for line in parse_env_lines(_read(file).decode()):
            yield line.key, line.value.encode()
    except EnvLinesError as error:
        raise ValueError(f"{file}:{error.line}:{error.column}: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: this is not UTF-8") from error


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"{path} is larger than 1 MiB, the limit of a Secret")
    return content


def _references(documents: Documents) -> Iterator[str]:
    """Yield the names of the Secrets that documents refer to, except those in variables."""
    for document in documents:
        yield from _names(document.data)


def _names(data: Any) -> Iterator[str]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            if key in _NAME_FIELDS and isinstance(value, Mapping):
                name = value.get(_NAME_FIELDS[key]) or value.get("name")
                if isinstance(name, str) and "$(" not in name and not value.get("optional"):
                    yield name
            yield from _names(value)
    elif isinstance(data, list):
        for item in data:
            yield from _names(item)


def _used_in(pod: Any, *, of_secret: bool = False) -> Iterator[str]:
    """Yield the names of the Secrets that a Pod uses. `of_secret`: this is a reference to one, or several of them."""
    if isinstance(pod, Mapping):
        for key, value in pod.items():
            if isinstance(value, str):
                if key == "secretName" or (of_secret and key == "name"):
                    yield value
            else:
                yield from _used_in(value, of_secret="secret" in key.lower())
    elif isinstance(pod, list):
        for item in pod:
            yield from _used_in(item, of_secret=of_secret)


def _may_be_committed(file: str) -> bool:
    """Return whether a file is in a git checkout that does not ignore it."""
    directory = os.path.dirname(os.path.abspath(file))
    command = ["git", "-C", directory, "check-ignore", "-q", "--", os.path.abspath(file)]
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=10).returncode == 1
    except (OSError, subprocess.SubprocessError):
        return False  # without git, nothing is committed
