"""The parts of a kubelet that the host and podman backends share."""
