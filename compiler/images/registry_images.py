"""Image configurations from registries.

Rules:

- For a multi-platform image, the configurations of all platforms are read, as in Tekton. If they differ, linux/amd64
  is used, or else the first platform, with a warning.
- The credentials are the ones a cluster would use: the ``imagePullSecrets`` of the Pod and of its ServiceAccount, if
  the Secrets are in the documents; otherwise this user's logins.

Left to others: the registry API (``remote.registry``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monopod.compiler.images.image_config import ConfigError, read_config
from monopod.compiler.remote.cache import Cache
from monopod.compiler.remote.image_name import ImageName
from monopod.compiler.remote.reference import RemoteError, ResolverOptions
from monopod.compiler.remote.registry import Image, Registry, RegistryError
from monopod.compiler.remote.registry_credentials import Login, login_of_secret, login_of_user
from monopod.schemas.plan import ImageProgram
from monopod.system import foreign_json
from monopod.system.time_limit import call_before, deadline_after

_PREFERRED = "linux/amd64"


@dataclass(frozen=True, slots=True)
class RegistryImage:
    """The configuration of an image, and its digest (of the index if there is one).

    ``differing`` are the platforms whose configuration differs from ``platform``'s.
    """

    program: ImageProgram
    digest: str
    platform: str = ""
    differing: tuple[str, ...] = ()


def look_up(name: ImageName, pull_secrets: Sequence[str], options: ResolverOptions) -> RegistryImage:
    """Return the configuration of an image from its registry. Raises RegistryError."""
    registry = Registry(name, _login(name, pull_secrets, options), options.cache)
    digest, images = registry.images()
    programs = {platform: _program(registry, image) for platform, image in images.items()}
    platform = _PREFERRED if _PREFERRED in programs else next(iter(programs))
    program = programs[platform]
    differing = tuple(platform for platform, other in programs.items() if other != program)
    return RegistryImage(program, digest, platform, differing)


def why_missing(text: str, environment: Mapping[str, str], seconds: float) -> str | None:
    """Return why an image cannot be pulled from its registry with this user's logins; None if it can.

    The registry has `seconds` to answer.
    """
    try:
        name = ImageName.parse(text)
    except ValueError as error:
        return str(error)

    def ask() -> None:
        Registry(name, login_of_user(name.context, environment), Cache.of_user(dict(environment))).image()

    try:
        call_before(deadline_after(seconds), ask)
    except TimeoutError:
        return f"{name.registry} did not answer within {seconds:g} seconds"
    except RegistryError as error:
        return f"{name.registry}: {describe_error(error)}"
    return None


def describe_error(error: RegistryError) -> str:
    """Return what the error of a registry means for an image."""
    if error.status == 404:
        return "no such image"
    return f"access denied ({error.status}), log in to the registry" if error.status in {401, 403} else str(error)


def _login(name: ImageName, pull_secrets: Sequence[str], options: ResolverOptions) -> Login:
    for secret in pull_secrets:
        if secret in options.secrets:
            try:
                return login_of_secret(secret, "imagePullSecrets", name.context, options)
            except RemoteError:
                continue  # a Secret for another registry
    return login_of_user(name.context, options.environment)


def _program(registry: Registry, image: Image) -> ImageProgram:
    descriptor = image.manifest.get("config")
    if not isinstance(descriptor, dict):
        raise RegistryError("its manifest has no configuration")
    try:
        return read_config(foreign_json.loads(registry.blob(descriptor))).program
    except ValueError as error:
        raise RegistryError("its configuration is not JSON") from error
    except ConfigError as error:
        raise RegistryError(f"invalid configuration: {error}") from error
