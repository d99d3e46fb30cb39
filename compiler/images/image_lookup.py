"""Looking up ENTRYPOINT and CMD of images: once per image, however many runs are compiled.

Rules:

- The files of ``--image-config`` come first, then the container engines on this machine, then the image's registry.
- The digest is the registry's, if it is known.

Left to others: each source (its own module); which containers need a lookup, and the problems (``image_programs``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monopod.compiler.diagnostics import Problem
from monopod.compiler.images import local_engines, registry_images
from monopod.compiler.images.config_files import ConfigFiles
from monopod.compiler.images.image_config import ImageConfig
from monopod.compiler.images.image_names import digest_in
from monopod.compiler.remote.cache import Cache
from monopod.compiler.remote.image_name import ImageName
from monopod.compiler.remote.reference import ResolverOptions
from monopod.compiler.remote.registry import RegistryError
from monopod.schemas.kubernetes.objects import Secret
from monopod.schemas.plan import ImageProgram


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The ENTRYPOINT and CMD of an image, or why they are unknown: ``reasons``, one for each source.

    ``source`` is ``file``, the engine's name or ``registry``; ``digest`` may be empty; ``warning`` follows the image's
    name in a message.
    """

    program: ImageProgram | None
    source: str = ""
    digest: str = ""
    warning: str = ""
    reasons: tuple[str, ...] = ()


class ImageLookup:
    """Looks up images, for one call of the compiler."""

    def __init__(self, config_files: Sequence[str], secrets: Mapping[str, Secret]) -> None:
        """`config_files` are paths; `secrets` are the Secrets in the documents."""
        environment = dict(os.environ)
        self._options = ResolverOptions(Cache.of_user(environment), environment, secrets=secrets)
        self._files = ConfigFiles(config_files)
        self._has_files = bool(config_files)
        self._looked_up: dict[tuple[str, tuple[str, ...]], LookedUp] = {}

    @property
    def problems(self) -> Sequence[Problem]:
        """The problems with the files."""
        return self._files.problems

    def look_up(self, text: str, pull_secrets: tuple[str, ...]) -> LookedUp:
        """Return the ENTRYPOINT and CMD of an image. `pull_secrets` are names of Secrets for its registry."""
        key = (text, pull_secrets)
        if key not in self._looked_up:
            self._looked_up[key] = self._look_up(text, pull_secrets)
        return self._looked_up[key]

    def _look_up(self, text: str, pull_secrets: tuple[str, ...]) -> LookedUp:
        try:
            name = ImageName.parse(text)
        except ValueError as error:
            return LookedUp(None, reasons=(str(error),))
        in_file = self._files.find(name)
        if in_file is not None:
            return _of_config(in_file, "file", name)
        reasons = ["--image-config: no such image"] if self._has_files else []
        in_engine = self._in_engines(text, name, reasons)
        return in_engine if in_engine is not None else self._in_registry(name, pull_secrets, reasons)

    def _in_engines(self, text: str, name: ImageName, reasons: list[str]) -> LookedUp | None:
        environment = self._options.environment
        engines = local_engines.engines(environment)
        for engine in engines:
            try:
                config = local_engines.inspect(engine, text, name, environment)
            except local_engines.EngineError as error:
                reasons.append(f"{engine}: {error}")
            else:
                return _of_config(config, engine, name)
        if not engines:
            reasons.append("podman, docker and buildah are not installed")
        return None

    def _in_registry(self, name: ImageName, pull_secrets: tuple[str, ...], reasons: list[str]) -> LookedUp:
        if name.registry == "localhost":
            reasons.append("localhost/… is not in a registry")
            return LookedUp(None, reasons=tuple(reasons))
        try:
            in_registry = registry_images.look_up(name, pull_secrets, self._options)
        except RegistryError as error:
            return LookedUp(None, reasons=(*reasons, f"{name.registry}: {registry_images.describe_error(error)}"))
        warning = ""
        if in_registry.differing:
            warning = (
                f"has another ENTRYPOINT or CMD on {', '.join(in_registry.differing)} than on {in_registry.platform}, "
                "whose values are used"
            )
        return LookedUp(in_registry.program, "registry", in_registry.digest, warning)


def _of_config(config: ImageConfig, source: str, name: ImageName) -> LookedUp:
    return LookedUp(config.program, source, digest_in(config.pinned_names, name))
