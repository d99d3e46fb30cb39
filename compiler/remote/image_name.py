"""The parts of an image's name, as registries know it.

Nothing here contacts a registry (``registry``): most commands only read names, and what HTTP needs is slow to import.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DOCKER_HUB = "index.docker.io"
API_OF_DOCKER_HUB = "registry-1.docker.io"
_NAMES_OF_DOCKER_HUB = frozenset({DOCKER_HUB, "docker.io", API_OF_DOCKER_HUB})

_NAME = re.compile(
    r"(?:(?P<registry>(?:localhost|[\w-]+(?:\.[\w-]+)+|[\w-]+(?=:\d)|\[[0-9a-fA-F:]+\])(?::\d+)?)/)?"
    r"(?P<repository>[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ImageName:
    """The name of an image; a digest takes precedence over a tag."""

    registry: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """Return the name in a text. Raises ValueError if it is not an image name."""
        match = _NAME.fullmatch(text)
        if match is None:
            raise ValueError(
                f"'{text}' is not the name of an image; expected REGISTRY/REPOSITORY:TAG or …@sha256:DIGEST"
            )
        registry, repository = match["registry"] or DOCKER_HUB, match["repository"]
        if registry in _NAMES_OF_DOCKER_HUB:
            registry = DOCKER_HUB
            repository = repository if "/" in repository else f"library/{repository}"
        return cls(registry, repository, match["tag"] or "latest", match["digest"] or "")

    @property
    def context(self) -> str:
        """The name without tag and digest."""
        return f"{self.registry}/{self.repository}"
