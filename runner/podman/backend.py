"""The backend ``podman``: runs compiled Pods in containers on this machine (docs/podman-backend.md)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from monopod.runner.display.printable import printable
from monopod.runner.podman.pod import PodmanPod

if TYPE_CHECKING:
    from monopod.compiler.compilation import Compilation


class PodmanBackend:
    """Runs Pods with ``podman kube play``; `network` is the value of its ``--network`` option."""

    name = "podman"
    notice = ""
    context = ""

    def __init__(self, network: str | None) -> None:
        self._network = network

    def pod(self, compilation: Compilation, *, keep: bool) -> PodmanPod:
        """Return the Pod of a compiled run, not yet started."""
        return PodmanPod(
            compilation.pod,
            config_maps={config_map["metadata"]["name"]: config_map for config_map in compilation.config_maps},
            secrets={secret["metadata"]["name"]: secret for secret in compilation.secrets},
            network=self._network,
            keep=keep,
            show=lambda text: print(printable(text, colours=False), file=sys.stderr, flush=True),
        )
