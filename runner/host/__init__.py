"""The host backend: a small kubelet that runs the compiled Pod on this machine, with nothing installed."""
