"""What the host and podman backends share: the parts of a kubelet that neither of them has by itself."""
