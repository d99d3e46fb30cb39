"""The backend ``podman``: compiled Pods in containers, made by ``podman kube play`` (docs/podman-backend.md).

``manifest`` makes of a compiled Pod what podman plays as Kubernetes would, ``pod`` runs and follows it, ``cleaner``
ends it whatever happens to the runner; ``command`` calls podman.
"""
