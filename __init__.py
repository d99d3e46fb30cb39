"""monopod runs a whole Tekton-format Pipeline inside one Kubernetes Pod.

The sub-packages depend on each other in one direction only: ``runner`` on ``compiler`` on ``schemas``, and
``entrypoint`` (what runs inside the Pod) on ``schemas.plan`` and its neighbours of the standard library alone.
"""

__version__ = "0.1.0"
