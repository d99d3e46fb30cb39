"""monopod runs a whole Tekton-format Pipeline inside one Kubernetes Pod.

The sub-packages depend on each other in one direction only: ``runner`` on ``compiler`` on ``schemas``, and
``coordinator`` (which runs inside the Pod) on the modules of ``schemas`` that use only the standard library.
"""

__version__ = "0.1.0"
