"""The backend ``podman``: runs compiled Pods with ``podman kube play`` (docs/podman-backend.md).

``manifest`` translates a compiled Pod into a manifest that podman runs as Kubernetes would. ``pod`` runs and follows
the Pod, ``cleaner`` removes it even if the runner is killed, and ``command`` calls podman.
"""
