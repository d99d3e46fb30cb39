"""Runs of monopod in a namespace of a real cluster, and requests to its API server.

Rules:

- One image replaces the image of every Step and Sidecar, except those in `KEPT_IMAGES`: the suite needs no registry if
  the nodes have it.
- All waits use a watch or the output of a run. Nothing depends on the speed of the cluster.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

import yaml
from finished_run import FinishedRun

from monopod.runner.kubernetes.cluster import Cluster, CommandFailedError, PodName, UnreachableError, collection_path

MONOPOD = Path(sys.executable).with_name("monopod")
KEPT_IMAGES = tuple(f"localhost/monopod-test/{name}:1" for name in ("its-own", "no-shell", "python"))
"""Images whose own properties a test is about. No registry has them."""
WAIT_FOR_GO = "mkfifo /tekton/home/go; exec 3<> /tekton/home/go; echo ready; read line <&3; "
"""A script that says that it is there, and waits for a line (`ClusterRuns.go`)."""
PATIENCE = 300.0
"""Seconds after which a run that ends hangs."""
_KILLED = "exit code 137"
"""What kubelet says of a command that the kernel killed when the container's first process ended."""
Object: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """The cluster and what to use there, as the user named it."""

    context: str | None
    namespace: str
    image: str
    pull_policy: str
    cel_image: str
    """A runtime image that has CEL."""
    kubelet: int | None = None
    """The process of the kubelet of the only node, which is this machine."""


class StartedRun:
    """A `monopod run` whose output is read while it runs. It leads a process group of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], directory: Path) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )
        self._changed = threading.Condition()
        self._lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._threads = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._lines]
        for thread in self._threads:
            thread.start()

    def _read(self, name: str) -> None:
        stream: IO[str] = getattr(self.process, name)
        with stream:
            for line in stream:
                with self._changed:
                    self._lines[name].append(line)
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, text: str) -> None:
        """Wait until a message with this text was written; it must be, before the run ends."""
        with self._changed:
            seen = self._changed.wait_for(lambda: self._has(text) or self._is_over(), PATIENCE)
            assert seen, f"{text!r} was not written in time: {self._lines}"
            assert self._has(text), f"{text!r} was never written: {self._lines}"

    def _has(self, text: str) -> bool:
        return any(text in line for line in self._lines["stderr"])

    def _is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads if thread is not threading.current_thread())

    def end(self) -> FinishedRun:
        """Wait for the end."""
        try:
            code = self.process.wait(PATIENCE)
            for thread in self._threads:
                thread.join(PATIENCE)
        finally:
            self.process.kill()
        messages = [line.rstrip("\n") for line in self._lines["stderr"]]
        return FinishedRun(code, "".join(self._lines["stdout"]), messages)


class ClusterRuns:
    """`monopod run` in the namespace; ``directory`` is for files and records."""

    def __init__(self, cluster: Cluster, target: Target, directory: Path) -> None:
        self.cluster = cluster
        self.target = target
        self.namespace = target.namespace
        self.directory = directory
        self._brought: set[tuple[str, str]] = set()  # kinds and names of the objects in the documents
        self.environment = {**os.environ, "XDG_STATE_HOME": str(directory / "state"), "NO_COLOR": "1"}

    # Runs

    def write(self, *documents: str | Object, name: str = "run") -> Path:
        """Write documents, as texts or objects, to a file with the images of the suite; return its path."""
        path = self.directory / f"{name}.yaml"
        texts = [each if isinstance(each, str) else json.dumps(each) for each in documents]
        loaded = [document for text in texts for document in yaml.safe_load_all(text)]
        self._brought |= {(each["kind"], each["metadata"].get("name", "")) for each in loaded}
        path.write_text("\n---\n".join(json.dumps(self._with_images(each)) for each in loaded))
        return path

    def _with_images(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._with_images(each) for each in value]
        if not isinstance(value, dict):
            return value
        changed = {key: self._with_images(each) for key, each in value.items()}
        if isinstance(value.get("image"), str):
            kept = value["image"] in KEPT_IMAGES
            changed["image"] = value["image"] if kept else self.target.image
            if value.get("name"):  # not the spec of a StepAction, which has no such field
                changed["imagePullPolicy"] = "Never" if kept else self.target.pull_policy
        return changed

    def options(self) -> list[str]:
        """Return the options that name the cluster."""
        context = [] if self.target.context is None else ["--context", self.target.context]
        return ["-n", self.namespace, *context]

    def command(self, *arguments: str | Path) -> list[str]:
        backend = ["--backend", "kubernetes"] if self.target.context is None else []
        image = ["--runtime-image", self.target.image]
        return [str(MONOPOD), "run", *self.options(), *backend, *image, *map(str, arguments)]

    def run(self, *arguments: str | Path) -> FinishedRun:
        """Run to the end."""
        return self.start(*arguments).end()

    def start(self, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> StartedRun:
        """Start a run with ``-o json``."""
        command = self.command("-o", "json", *arguments)
        return StartedRun(command, {**self.environment, **(environment or {})}, self.directory)

    def monopod(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run another command of monopod's for the cluster."""
        command = [MONOPOD, *arguments, *self.options()]
        return subprocess.run(
            command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    # The API server

    def create(self, resource: str, body: Object) -> Object:
        """Create an object of the core API in the namespace. Raises ApiError, UnreachableError."""
        return self.cluster.request("POST", collection_path(resource, self.namespace), body=body)

    def delete(self, resource: str, name: str, **options: Any) -> None:
        """Delete an object of the core API in the namespace. Raises ApiError, UnreachableError."""
        self.cluster.request("DELETE", f"{collection_path(resource, self.namespace)}/{name}", body=options)

    def pods(self) -> list[Object]:
        """Return the Pods of the namespace."""
        items: list[Object] = self.cluster.request("GET", collection_path("pods", self.namespace))["items"]
        return items

    def pod(self) -> Object:
        """Return the only Pod of the namespace."""
        (pod,) = self.pods()
        return pod

    def wait_for(self, resource: str, is_so: Callable[[list[Object]], bool]) -> list[Object]:
        """Watch the objects of a resource of the core API until something holds of them; return them."""
        path = collection_path(resource, self.namespace)
        while True:
            listed = self.cluster.request("GET", path)
            objects = {each["metadata"]["name"]: each for each in listed["items"]}
            if is_so([*objects.values()]):
                return [*objects.values()]
            query = [("watch", "true"), ("resourceVersion", listed["metadata"]["resourceVersion"])]
            with suppress(UnreachableError), self.cluster.stream(path, [*query, ("timeoutSeconds", "50")]) as stream:
                for line in stream.lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    item = event["object"]
                    objects[item["metadata"]["name"]] = item
                    if event["type"] == "DELETED":
                        del objects[item["metadata"]["name"]]
                    if is_so([*objects.values()]):
                        return [*objects.values()]

    def wait_for_container(self, container: str) -> None:
        """Wait until a container of the only Pod runs."""

        def is_running(pods: list[Object]) -> bool:
            status = pods[0]["status"] if pods else {}
            listed = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
            return any(each["name"] == container and "running" in each["state"] for each in listed)

        self.wait_for("pods", is_running)

    def execute(self, container: str, *command: str) -> None:
        """Run a command in a container of the only Pod; a command that ends with its container has succeeded too."""
        name = PodName(self.namespace, self.pod()["metadata"]["name"])
        try:
            self.cluster.execute(name, container, command)
        except CommandFailedError as error:
            if _KILLED not in str(error):
                raise

    def go(self, container: str) -> None:
        """Let the script continue after `WAIT_FOR_GO`."""
        self.execute(container, "/bin/sh", "-c", "echo > /tekton/home/go")

    def execute_to_the_death(self, container: str, *command: str) -> None:
        """Run a command that kills its container."""
        with suppress(UnreachableError, CommandFailedError):
            self.execute(container, *command)

    def may(self, verb: str, resource: str, subresource: str = "") -> bool:
        """Return whether the user may do something, in the namespace or with what belongs to none."""
        attributes = {"verb": verb, "resource": resource, "subresource": subresource, "namespace": self.namespace}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(self.cluster.request("POST", path, body=body)["status"]["allowed"])

    def remove_pods(self) -> None:
        """Delete what is left of Pods, and wait until they are gone."""
        for pod in self.pods():
            self.delete("pods", pod["metadata"]["name"], gracePeriodSeconds=0)
        self.wait_for("pods", lambda pods: not pods)

    def wait_until_clean(self) -> None:
        """Wait until nothing is there that the documents of the runs brought with them."""
        for resource, kind in (("configmaps", "ConfigMap"), ("secrets", "Secret")):
            names = {name for of, name in self._brought if of == kind}
            self.wait_for(resource, lambda items, names=names: not names & {each["metadata"]["name"] for each in items})
