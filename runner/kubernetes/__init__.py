"""The backend ``kubernetes``: compiled Pods in a cluster (docs/kubernetes.md)."""
