"""The host backend: a small kubelet that runs one Pod with what every Linux kernel has.

A runner starts one *sandbox* for the Pod, and each container is a process of the sandbox's in a mount and a PID
namespace of its own, on a private copy-on-write view of this machine's files. `HostPod` in ``pod`` is the way in.
"""
