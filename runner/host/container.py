"""A container's own process, from the fork to the execution of its program.

Rules: the process is PID 1 of a new PID namespace and makes its own mount namespace; no Python code is left when the
program runs. The steps follow the order of container runtimes: files, limits, identity, program. A failure is an
OSError with a message for people. All modules must be imported first: after the change of root they are not reachable.

``sandbox`` decides when a container starts, and reads its output.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
from collections.abc import Iterator
from typing import NoReturn

from monopod.runner.host import devices, private_directories, root_view
from monopod.runner.host.surroundings import Surroundings
from monopod.runner.kubelet import volumes
from monopod.runner.kubelet.hidden_directories import is_below, is_within
from monopod.runner.kubelet.specification import Container, Identity, Mount
from monopod.system import inherited_signals, namespaces


def run_container(
    container: Container, directory: str, surroundings: Surroundings, outputs: tuple[int, int]
) -> NoReturn:
    """Become the container's program. `directory` is the container's own in the state directory. Raises OSError."""
    os.setsid()
    private = private_directories.current_paths(surroundings.private)
    namespaces.unshare(namespaces.NEW_MOUNTS, "a mount namespace")
    _enter_root(container, directory, surroundings, private)
    execute(container, container.command, surroundings, outputs)


def execute(
    container: Container,
    command: tuple[str, ...],
    surroundings: Surroundings,
    outputs: tuple[int, int],
    standard_input: int | None = None,
) -> NoReturn:
    """Execute a command as the container's user in its environment and working directory. Raises OSError.

    Without `standard_input` there is nothing to read.
    """
    if standard_input is None:
        standard_input = os.open("/dev/null", os.O_RDONLY)
    for descriptor, number in ((standard_input, 0), (outputs[0], 1), (outputs[1], 2)):
        os.dup2(descriptor, number)
    os.chdir(container.working_directory)
    _restore_process(surroundings.pod.open_files)
    namespaces.drop_capabilities(surroundings.capabilities - container.capabilities)
    if surroundings.filters_calls and container.filters_calls:
        namespaces.filter_calls()
    _assume(container.identity, surroundings)
    if container.no_new_privileges:
        namespaces.forbid_new_privileges()
    _execute_program(command, container.environment)


def _execute_program(command: tuple[str, ...], environment: dict[str, str]) -> NoReturn:
    program = command[0]
    try:
        os.execve(_found(program, environment), command, environment)  # noqa: S606  # the Pod says what to run
    except OSError as error:
        raise OSError(error.errno, f"cannot execute {program!r}: {error.strerror}") from error


def _found(program: str, environment: dict[str, str]) -> str:
    """Return the path of a program, as a shell finds it on the container's own PATH."""
    if "/" in program:
        return program
    for directory in environment.get("PATH", "").split(":"):
        path = f"{directory or '.'}/{program}"
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(errno.ENOENT, "not found on its PATH")


def _restore_process(open_files: int | None) -> None:
    """Restore the state that a process has at its start, which Python and the runner have changed."""
    inherited_signals.restore()
    os.umask(0o022)
    if open_files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def _assume(identity: Identity, surroundings: Surroundings) -> None:
    if surroundings.may_set_groups:
        os.setgroups(identity.supplementary_groups)
    if identity.group or not surroundings.in_user_namespace:
        os.setresgid(identity.group, identity.group, identity.group)
    if identity.user:
        os.setresuid(identity.user, identity.user, identity.user)


# --- files


def _enter_root(container: Container, directory: str, surroundings: Surroundings, private: tuple[str, ...]) -> None:
    """Make the container's root file system with all mounts, and change to it. `private` directories are hidden."""
    root, view = surroundings.root, root_view.hide(surroundings.view, private)
    layers = root_view.Layers(directory, f"{surroundings.memory}/{os.path.basename(directory)}")
    os.mkdir(layers.memory)
    own = _own_mounts(container, layers.memory, surroundings)
    mounts = sorted(own, key=lambda mount: mount.path.split("/"))
    sources = [_clone(mount) for mount in mounts]
    covers = [cover for mount, (_, _, shown) in zip(mounts, sources, strict=True)
              for cover in _covers(mount, shown, private, surroundings)]  # fmt: skip
    outermost = [(mount.path, is_directory) for mount, (_, is_directory, _) in zip(mounts, sources, strict=True)
                 if not any(is_below(mount.path, other.path) for other in mounts)]  # fmt: skip
    if not any(is_below(container.working_directory, mount.path) for mount in mounts):
        outermost.append((os.path.normpath(container.working_directory), True))
    view = root_view.assemble(view, root, layers, outermost, container.reachable)
    _mount_system(container, surroundings)
    namespaces.change_root(root)
    for path, is_directory in outermost:
        _make_mount_point(path, is_directory=is_directory)
    if container.read_only_root:
        root_view.restrict(view, namespaces.ATTR_RDONLY)
    for mount, (descriptor, is_directory, _) in zip(mounts, sources, strict=True):
        _make_mount_point(mount.path, is_directory=is_directory)
        namespaces.attach_mount(descriptor, mount.path)
    for descriptor, path in covers:
        if os.path.isdir(path):
            namespaces.attach_mount(descriptor, path)
    if not os.path.isdir(container.working_directory):
        with _explained("make the working directory", container.working_directory):
            os.makedirs(container.working_directory, exist_ok=True)


def _own_mounts(container: Container, directory: str, surroundings: Surroundings) -> list[Mount]:
    """Return the container's mounts and kubelet's own mounts; `directory` is for files of this container only."""
    own = []
    for source, path, text in (
        (termination_message_file(container, surroundings), container.termination_message_path, ""),
        (f"{directory}/hosts", "/etc/hosts", surroundings.pod.hosts_file),
        (f"{directory}/hostname", "/etc/hostname", f"{surroundings.pod.name}\n"),
    ):
        file = os.open(source, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        os.write(file, text.encode(errors="surrogateescape"))
        os.close(file)
        own.append(Mount(source, path))
    os.chmod(own[0].source, 0o666)  # noqa: S103  # as kubelet does: containers run as any user
    taken = {mount.path for mount in container.mounts}
    return [*(mount for mount in own if mount.path not in taken), *container.mounts]


def termination_message_file(container: Container, surroundings: Surroundings) -> str:
    """Return where on this machine the container's termination message is written."""
    return f"{surroundings.memory}/termination-log-{container.name}"


def _clone(mount: Mount) -> tuple[int, bool, str]:
    """Return an unattached mount of a volumeMount's source, whether it is a directory, and its path."""
    if mount.sub_path:
        descriptor, is_directory, shown = volumes.clone_sub_path(mount.source, mount.sub_path)
    else:
        descriptor, shown = namespaces.clone_mount(mount.source), os.path.realpath(mount.source)
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    attributes = namespaces.ATTR_NODEV
    namespaces.restrict_mount(descriptor, attributes)
    if mount.read_only:
        namespaces.restrict_mount(descriptor, namespaces.ATTR_RDONLY, recursive=mount.recursively_read_only)
    return descriptor, is_directory, shown


def _covers(
    mount: Mount, shown: str, private: tuple[str, ...], surroundings: Surroundings
) -> Iterator[tuple[int, str]]:
    """Yield mounts that hide monopod's own directories inside a mount: an empty directory, and its path.

    `shown` is the mounted path. A subPath must not lead into a hidden directory: a Step may have replaced it by a link.
    """
    if is_below(mount.source, surroundings.pod.state_directory):
        return
    for path in private:
        if is_below(path, shown):
            empty = namespaces.clone_mount(f"{surroundings.memory}/empty")
            namespaces.restrict_mount(empty, namespaces.ATTR_RDONLY)
            yield empty, os.path.join(mount.path, os.path.relpath(path, shown))
        elif is_within(shown, path) and not is_within(os.path.realpath(mount.source), path):
            raise PermissionError(errno.EACCES, f"subPath {mount.sub_path!r} leads to what is hidden: {path}")


def _make_mount_point(path: str, *, is_directory: bool) -> None:
    if os.path.exists(path):
        return
    with _explained("mount a volume at", path):
        if is_directory:
            os.makedirs(path, exist_ok=True)  # another container may make it in a volume that both have
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _touch(path)


@contextlib.contextmanager
def _explained(what: str, path: str) -> Iterator[None]:
    """Add the action and the path to the message of an OSError."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"cannot {what} {path}: {error.strerror}") from error


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _mount_system(container: Container, surroundings: Surroundings) -> None:
    """Mount /proc, /dev and /sys."""
    root = surroundings.root
    if surroundings.own_processes:
        namespaces.mount_processes(f"{root}/proc")
    else:
        namespaces.bind("/proc", f"{root}/proc")
    if not container.privileged:
        for name in surroundings.read_only_proc:
            namespaces.bind(f"{root}/proc/{name}", f"{root}/proc/{name}", attributes=namespaces.ATTR_RDONLY)
        for name in surroundings.unseen_proc:
            namespaces.bind(
                f"{surroundings.memory}/empty-file", f"{root}/proc/{name}", attributes=namespaces.ATTR_RDONLY
            )
    devices.make_devices(
        f"{root}/dev", surroundings.devices, new_nodes=surroundings.new_nodes, privileged=container.privileged
    )
    namespaces.bind("/sys" if container.privileged else surroundings.system, f"{root}/sys")
