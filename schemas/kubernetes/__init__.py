"""The parts of Kubernetes' core/v1 API that a Tekton document may contain, or that a file may hold beside one.

The fields are those of Kubernetes 1.37. The checks catch an author's slips early; the API server has the last word on
the Pod. Rare volume sources are not checked and are passed on unchanged.

No module here has ``from __future__ import annotations``, for the reason given in ``schemas.tekton``.
"""
