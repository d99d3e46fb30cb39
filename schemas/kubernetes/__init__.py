"""The parts of Kubernetes' core/v1 API that a Tekton document, or a file with Tekton documents, may contain.

The fields come from Kubernetes 1.37. The checks catch mistakes early; the API server has the last word on the Pod.

No module here has ``from __future__ import annotations``; ``schemas.tekton`` says why.
"""
