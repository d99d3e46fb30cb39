"""The configuration of an image, as far as it says what to run, from what programs print of it.

Rules:

- Four shapes are taken: the OCI image configuration (opencontainers/image-spec, config.md), which is also what
  ``skopeo inspect --config`` and ``crane config`` print; and what ``podman image inspect``, ``docker image inspect``
  and ``buildah inspect --type image`` print of an image.
- Entrypoint and Cmd are lists of strings, and either may be missing or null.
- The RepoDigests of podman are not taken: they are those that the image would have in any repository, and one that was
  built here has another in the registry, where its layers are compressed.

Left to others: where it comes from (``config_files``, ``local_engines``, ``registry_images``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monopod.compiler.documents.validation import describe
from monopod.schemas.model import Path
from monopod.schemas.plan import ImageProgram

_PROGRAM = ("Entrypoint", "Cmd")
_MEANT = {"entrypoint": "Entrypoint", "cmd": "Cmd", "command": "Cmd"}
"""What people may write for these."""


class ConfigError(Exception):
    """Something that is no configuration of an image; `path` leads to what is wrong in it."""

    def __init__(self, path: Path, message: str, *, at_key: bool = False) -> None:
        super().__init__(message)
        self.path = path
        self.at_key = at_key


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says to run, and the names that it is known by.

    ``pinned_names`` are those with a digest that its registry has for sure.
    """

    program: ImageProgram
    names: tuple[str, ...] = ()
    pinned_names: tuple[str, ...] = ()


def is_config(value: Any) -> bool:
    """Whether a value has the shape of one image's configuration, rather than of several by their names."""
    return isinstance(value, dict) and (
        isinstance(value.get("OCIv1"), dict)
        or any(isinstance(value.get(key), dict) and not is_config(value[key]) for key in ("config", "Config"))
    )


def read_config(value: Any) -> ImageConfig:
    """Return the configuration that a value is. Raises ConfigError."""
    path: Path = ()
    if isinstance(value, dict) and isinstance(value.get("OCIv1"), dict):  # buildah's
        path, value = ("OCIv1",), value["OCIv1"]
    if not isinstance(value, dict):
        raise ConfigError(path, f"expected the configuration of an image, a mapping with config; got {describe(value)}")
    key = next((key for key in ("config", "Config") if key in value), None)
    if key is None and "rootfs" not in value:
        message = (
            "this is no configuration of an image: it has no config, nor Config as podman and docker have it "
            "(of skopeo inspect, --config is needed)"
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
            raise ConfigError((*path, index), "a word of a command line cannot hold a NUL")
    return tuple(value)


def _names(value: dict[str, Any], field: str) -> tuple[str, ...]:
    """Return names of an image; docker writes ``<none>`` where there is no part of one."""
    names = value.get(field)
    listed = names if isinstance(names, list) else []
    return tuple(name for name in listed if isinstance(name, str) and "<none>" not in name)
