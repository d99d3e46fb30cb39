"""What the Steps ``cache-restore`` and ``cache-save`` are asked to do, in their arguments.

The arguments may contain references, which are replaced before the program starts, so each text is an argument of its
own, and what a text means does not depend on its content::

    restore|save --store TEXT [--option NAME=VALUE]... [--root DIRECTORY]... CACHE...

A CACHE is ``--cache`` and then, in any order::

    --policy pull|push|both
    --path PATH                    absolute
    --key PART...                  the key
    --restore-key PART...          again for each
    --save-as TEXT --hit TEXT      what the restore Step has found (only save)

A PART is ``--text TEXT``, or ``--hash DIRECTORY`` with ``--files PATTERN`` for each pattern (``hash_files``).

Pure. Left to others: doing it (``__main__``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Policy: TypeAlias = Literal["pull", "push", "both"]
Hit: TypeAlias = Literal["true", "false", "away"]
"""Whether an entry had exactly the key; `away`: the store did not answer in time."""


class UsageError(ValueError):
    """The arguments are malformed."""


@dataclass
class Hash:
    """The hash of the files that match patterns, which are relative to a directory."""

    directory: str
    patterns: list[str] = field(default_factory=list)


Template: TypeAlias = list[str | Hash]
"""A key in parts: texts, and hashes of files."""


@dataclass
class Cache:
    """One cache of a Task. ``save_as`` and ``hit`` are what the restore Step has found: the key, and a `Hit`."""

    policy: Policy = "both"
    paths: list[str] = field(default_factory=list)
    key: Template = field(default_factory=list)
    restore_keys: list[Template] = field(default_factory=list)
    save_as: str = ""
    hit: str = ""


@dataclass
class Request:
    """A request. ``roots`` are the tops of the volumes in which the paths are."""

    verb: Literal["restore", "save"]
    store: str = ""
    options: dict[str, str] = field(default_factory=dict)
    roots: list[str] = field(default_factory=list)
    caches: list[Cache] = field(default_factory=list)


def parse(arguments: Sequence[str]) -> Request:
    """Return the request in the arguments. Raises UsageError."""
    if not arguments or arguments[0] not in {"restore", "save"}:
        raise UsageError("expected restore or save")
    request = Request(arguments[0])  # type: ignore[arg-type]  # it is one of them
    template: Template = []
    for option, value in _options(arguments[1:]):
        if option == "--cache":
            request.caches.append(Cache())
        elif not request.caches:
            _take_option(request, option, value)
        elif option in {"--text", "--hash", "--files"}:
            _take_part(template, option, value)
        else:
            template = _take_field(request.caches[-1], option, value)
    return request


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield options with their values; some have none."""
    rest: Iterable[str] = iter(words)
    for option in rest:
        if option in {"--cache", "--key", "--restore-key"}:
            yield option, ""
            continue
        value = next(iter(rest), None)
        if value is None:
            raise UsageError(f"{option} needs a value")
        yield option, value


def _take_option(request: Request, option: str, value: str) -> None:
    match option:
        case "--store":
            request.store = value
        case "--root":
            request.roots.append(value)
        case "--option" if "=" in value:
            name, _, text = value.partition("=")
            request.options[name] = text
        case _:
            raise UsageError(f"unknown option {option}")


def _take_field(cache: Cache, option: str, value: str) -> Template:
    """Set a field of a cache, and return the key that the next parts belong to."""
    match option:
        case "--policy" if value in {"pull", "push", "both"}:
            cache.policy = value  # type: ignore[assignment]  # it is one of them
        case "--path":
            cache.paths.append(value)
        case "--key":
            return cache.key
        case "--restore-key":
            cache.restore_keys.append([])
            return cache.restore_keys[-1]
        case "--save-as":
            cache.save_as = value
        case "--hit":
            cache.hit = value
        case _:
            raise UsageError(f"unknown option {option}")
    return []


def _take_part(template: Template, option: str, value: str) -> None:
    if option == "--text":
        template.append(value)
    elif option == "--hash":
        template.append(Hash(value))
    elif template and isinstance(template[-1], Hash):
        template[-1].patterns.append(value)
    else:
        raise UsageError("--files must follow --hash")


def to_arguments(request: Request) -> Iterator[str]:
    """Yield the arguments of a request: the reverse of `parse`."""
    yield request.verb
    yield from ("--store", request.store)
    for name, value in request.options.items():
        yield from ("--option", f"{name}={value}")
    for root in request.roots:
        yield from ("--root", root)
    for cache in request.caches:
        yield from ("--cache", "--policy", cache.policy)
        for path in cache.paths:
            yield from ("--path", path)
        if cache.key:
            yield "--key"
            yield from _parts(cache.key)
        for template in cache.restore_keys:
            yield "--restore-key"
            yield from _parts(template)
        if request.verb == "save":
            yield from ("--save-as", cache.save_as, "--hit", cache.hit)


def _parts(template: Template) -> Iterator[str]:
    for part in template:
        if isinstance(part, str):
            yield from ("--text", part)
        else:
            yield from ("--hash", part.directory)
            for pattern in part.patterns:
                yield from ("--files", pattern)
