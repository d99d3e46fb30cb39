"""The ENTRYPOINT and CMD of an image, read from the output of various programs.

Rules:

- Four formats are read: the OCI image configuration (opencontainers/image-spec, config.md), which ``skopeo inspect
  --config`` and ``crane config`` also print, and the output of ``podman image inspect``, ``docker image inspect`` and
  ``buildah inspect --type image``.
- Entrypoint and Cmd are lists of strings; either may be missing or null.
- podman's RepoDigests are ignored: podman computes them for any repository, but a locally built image gets another
  digest in the registry, where its layers are compressed.

Left to others: the sources (``config_files``, ``local_engines``, ``registry_images``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monopod.compiler.documents.validation import describe
from monopod.schemas.model import Path
from monopod.schemas.plan import ImageProgram

_PROGRAM = ("Entrypoint", "Cmd")
_MEANT = {"entrypoint": "Entrypoint", "cmd": "Cmd", "command": "Cmd"}
"""Other spellings of these fields."""


class ConfigError(Exception):
    """A value is not an image configuration; `path` leads to the wrong part."""

    def __init__(self, path: Path, message: str, *, at_key: bool = False) -> None:
        super().__init__(message)
        self.path = path
        self.at_key = at_key


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The ENTRYPOINT and CMD of an image, and its names.

    ``pinned_names`` are the names with a digest that is known to be the registry's.
    """

    program: ImageProgram
    names: tuple[str, ...] = ()
    pinned_names: tuple[str, ...] = ()


def is_config(value: Any) -> bool:
    """Whether a value looks like the configuration of one image, rather than a mapping from names to configurations."""
    return isinstance(value, dict) and (
        isinstance(value.get("OCIv1"), dict)
        or any(isinstance(value.get(key), dict) and not is_config(value[key]) for key in ("config", "Config"))
    )


def read_config(value: Any) -> ImageConfig:
    """Return the configuration in a value. Raises ConfigError."""
    path: Path = ()
    if isinstance(value, dict) and isinstance(value.get("OCIv1"), dict):  # buildah's
        path, value = ("OCIv1",), value["OCIv1"]
    if not isinstance(value, dict):
        raise ConfigError(
            path, f"expected an image configuration, which is a mapping with config; got {describe(value)}"
        )
    key = next((key for key in ("config", "Config") if key in value), None)
    if key is None and "rootfs" not in value:
        message = (
            "not an image configuration: it has neither config nor podman's and docker's Config "
            "(skopeo inspect needs --config)"
        )
        raise ConfigError(path, message)
    config = value.get(key) if key is not None else None
    path = path if key is None else (*path, key)
    if config is None:
        config = {}
    if not isinstance(config, dict):
        raise ConfigError(path, f"expected a mapping with Entrypoint and Cmd, got {describe(config)}")
    for name in config:
        meant = _MEANT.get(name.lower(), name)
        if meant != name:
            raise ConfigError((*path, name), f"unknown field '{name}' (did you mean '{meant}'?)", at_key=True)
    entrypoint, cmd = (_words(config.get(name), (*path, name)) for name in _PROGRAM)
    digests = _names(value, "RepoDigests")
    names = (*_names(value, "RepoTags"), *digests)
    return ImageConfig(ImageProgram(entrypoint, cmd), names, () if "Digest" in value else digests)


def _words(value: Any, path: Path) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ConfigError(path, f"expected a list of strings, got {describe(value)}")
    for index, word in enumerate(value):
        if not isinstance(word, str):
            raise ConfigError((*path, index), f"expected a string, got {describe(word)}")
        if "\0" in word:
            raise ConfigError((*path, index), "an argument cannot contain a NUL")
    return tuple(value)


def _names(value: dict[str, Any], field: str) -> tuple[str, ...]:
    """Return the names of an image; docker writes ``<none>`` for a missing part."""
    names = value.get(field)
    listed = names if isinstance(names, list) else []
    return tuple(name for name in listed if isinstance(name, str) and "<none>" not in name)
