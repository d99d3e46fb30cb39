"""The host backend: a small kubelet that runs one Pod with only the features of the Linux kernel.

The runner starts one *sandbox* per Pod. Each container is a child process of the sandbox, in its own mount and PID
namespaces, on a private copy-on-write view of this machine's files. `HostPod` in ``pod`` is the entry point.
"""
