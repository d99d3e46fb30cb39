"""The process between the runner and the sandbox: it makes the user and PID namespaces, and cleans up at the end.

It is executed by its path, with three descriptors as arguments: the socket to the runner, a file with the pickled
`Pod`, and the lock of the state directory, which it holds. It is a new interpreter instead of a fork of the runner, so
that it is small and has a single thread.

Rules: it stays in this machine's mount namespace, so that no mount of the Pod keeps the state directory busy. Unless
the Pod is kept, it removes the state directory once the sandbox is gone, even if the sandbox or the runner was killed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import pickle  # the file is the runner's, which is this process's parent
import signal
import socket
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monopod.runner.kubelet.specification import Pod


def _import_from(directory: str) -> None:
    """Make `directory` importable as monopod, independent of its name and location."""
    initial = os.path.join(directory, "__init__.py")
    spec = importlib.util.spec_from_file_location("monopod", initial, submodule_search_locations=[directory])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["monopod"] = module
    spec.loader.exec_module(module)


def _main(channel: socket.socket, pod_file: int) -> None:
    from monopod.runner.host import messages  # noqa: PLC0415
    from monopod.runner.kubelet import state_directory  # noqa: PLC0415
    from monopod.system import inherited_signals, namespaces  # noqa: PLC0415

    inherited_signals.reset()  # of the sandbox too
    namespaces.set_process_name("monopod-launch")
    with os.fdopen(pod_file, "rb") as file:
        pod, keep = pickle.load(file)  # noqa: S301
    try:
        in_user_namespace = _leave_namespaces()
    except OSError as error:
        with contextlib.suppress(BrokenPipeError):
            messages.send(channel, "unavailable", message=f"this machine forbids containers: {error.strerror}")
        state_directory.discard(pod.state_directory)
        return
    state_directory.remove_abandoned(os.path.dirname(pod.state_directory))
    process = os.fork()
    if process == 0:
        _be_the_sandbox(pod, channel, in_user_namespace=in_user_namespace)
    channel.close()
    os.waitpid(process, 0)
    _return_to_own_pid_namespace()
    try:
        if keep:
            state_directory.release(pod.state_directory)
        else:
            state_directory.discard(pod.state_directory)
    except OSError as error:
        print(f"monopod: cannot remove {error.filename}: {error.strerror}", file=sys.stderr)


def _leave_namespaces() -> bool:
    """Put the next child into its own PID namespace, and this process into a user namespace if that is necessary.

    Return whether it is now in a user namespace. Raises OSError.
    """
    from monopod.runner.host import user_namespace  # noqa: PLC0415
    from monopod.system import namespaces  # noqa: PLC0415

    if os.geteuid() == 0:
        try:
            namespaces.unshare(namespaces.NEW_PID, "a PID namespace")
        except PermissionError:  # root in a container
            pass
        else:
            return False
    user_namespace.enter()
    namespaces.unshare(namespaces.NEW_PID, "a PID namespace")
    return True


def _return_to_own_pid_namespace() -> None:
    """Let this process start threads again: it cannot while its next child goes into another PID namespace.

    Not every user may do this. Without threads, files are removed one after the other.
    """
    from monopod.system import namespaces  # noqa: PLC0415

    own = os.pidfd_open(os.getpid())
    with contextlib.suppress(OSError):
        namespaces.join_namespaces(own, namespaces.NEW_PID)
    os.close(own)


def _be_the_sandbox(pod: Pod, channel: socket.socket, *, in_user_namespace: bool) -> NoReturn:
    from monopod.runner.host import sandbox  # noqa: PLC0415
    from monopod.system import namespaces  # noqa: PLC0415

    code = 1
    try:
        namespaces.die_with_parent(signal.SIGKILL)
        namespaces.set_process_name("monopod-sandbox")
        gc.disable()  # it would only touch the memory that children share with this process
        sandbox.run_sandbox(pod, channel, in_user_namespace=in_user_namespace)
        code = 0
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)


def _keep_from_containers(descriptors: Iterable[int]) -> None:
    """Set close-on-exec for the descriptors that this process inherited."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)


if __name__ == "__main__":
    _keep_from_containers(map(int, sys.argv[1:]))
    _import_from(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    _main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
