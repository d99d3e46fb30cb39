"""The cluster of a kubeconfig context, and the namespace that the tests make there (`make test-cluster`).

Rules:

- Without ``--context`` nothing in this folder is collected: `make test` needs no cluster.
- The namespace is made, and removed, with all that is in it. The nodes need one image, and none of a registry.
- A test that the cluster, or the user's rights there, do not allow is skipped; the last line says what was left out.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from cluster_runs import KEPT_IMAGES, ClusterRuns, Target

from monopod.compiler.pod.runtime_command import PYTHON_IMAGE
from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.kubelet.runtime_image import RUNTIME_IMAGE
from monopod.runner.kubernetes.api_errors import ApiError, describe
from monopod.runner.kubernetes.cluster import Cluster, UnreachableError, connect

HERE = Path(__file__).parent
POLICIES = ("IfNotPresent", "Always", "Never")
_PULLING_FAILED = ("ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName")
_LEFT_OUT = pytest.StashKey[dict[str, None]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cluster", "the cluster to test in (tests/cluster)")
    group.addoption("--context", help="the kubeconfig context")
    group.addoption("--test-namespace", default="", help="the namespace to make (default: a name of its own)")
    group.addoption(
        "--image", default=PYTHON_IMAGE, help=f"an image with sh, Python and the usual tools (default: {PYTHON_IMAGE})"
    )
    group.addoption("--pull-policy", default="IfNotPresent", choices=POLICIES, help="default: IfNotPresent")
    group.addoption("--cel-image", default=RUNTIME_IMAGE, help=f"a runtime image with CEL (default: {RUNTIME_IMAGE})")
    group.addoption("--kubelet-pid", type=int, help="the kubelet's process, if its node is this machine")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return True if config.getoption("context", None) is None else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(600))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        item.config.stash.setdefault(_LEFT_OUT, {})[report.longrepr[2].removeprefix("Skipped: ")] = None
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("context", None) is None:
        return
    left_out = config.stash.get(_LEFT_OUT, {})
    terminalreporter.write_line(f"left out: {'; '.join(left_out) or 'nothing'}")


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    try:
        cluster = connect(request.config.getoption("context") or None)
    except BackendUnavailableError as error:
        pytest.exit(str(error), returncode=2)
    with cluster:
        yield cluster


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Target]:
    """Makes the namespace, and removes it."""
    option = request.config.getoption
    name = option("test_namespace") or f"monopod-test-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    try:
        cluster.request("POST", "/api/v1/namespaces", body=body)
    except (ApiError, UnreachableError) as error:
        pytest.exit(f"cannot make the namespace {name}: {describe(error)}", returncode=2)
    try:
        kubelet = option("kubelet_pid") or kubelet_here(cluster)
        images = option("image"), option("pull_policy"), option("cel_image")
        yield Target(option("context") or None, name, *images, kubelet)
    finally:
        cluster.request("DELETE", f"/api/v1/namespaces/{name}", body={"propagationPolicy": "Foreground"})


def kubelet_here(cluster: Cluster) -> int | None:
    """Return the process of the kubelet of the cluster's only node, if the node is this machine."""
    try:
        (node,) = cluster.request("GET", "/api/v1/nodes")["items"]
    except (ApiError, ValueError):
        return None
    addresses = {each["address"] for each in node["status"]["addresses"]}
    own = {each.address for interface in psutil.net_if_addrs().values() for each in interface}
    kubelets = [each.pid for each in psutil.process_iter(["name"]) if each.info["name"] == "kubelet"]
    is_here = bool(addresses & {*own, socket.gethostname()})
    return kubelets[0] if is_here and len(kubelets) == 1 and os.geteuid() == 0 else None


@dataclass(frozen=True)
class Facts:
    """What the image has, and how the nodes are set up."""

    has_git: bool
    is_root: bool
    has_cgroup_v2: bool
    images: frozenset[str]
    """The images of `KEPT_IMAGES`, and the one with CEL, that are on the nodes."""


@pytest.fixture(scope="session")
def facts(cluster: Cluster, target: Target, tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """Looks at the image with a run of monopod's; if that fails, no test is worth running."""
    runs = ClusterRuns(cluster, target, tmp_path_factory.mktemp("probe"))
    script = (
        "command -v git >/dev/null && echo git; [ $(id -u) != 0 ] || echo root; "
        "[ ! -e /sys/fs/cgroup/cgroup.controllers ] || echo v2; python3 -c 'print(\"python\")'"
    )
    step = {"name": "look", "image": "any", "script": script}
    spec = {"pipelineSpec": {"tasks": [{"name": "probe", "taskSpec": {"steps": [step]}}]}}
    run = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "probe"}, "spec": spec}
    ran = runs.run("-f", runs.write(run), "--start-timeout", "1m")
    said = ran.lines("probe/look") if ran.code == 0 else []
    if "python" not in said:
        problem = "\n".join(ran.messages)
        runs.remove_pods()
        pytest.exit(f"a run of one Step with the image {target.image} failed:\n{problem}", returncode=2)
    return Facts("git" in said, "root" in said, "v2" in said, frozenset(images_on_nodes(runs)))


@pytest.fixture
def can_have(runs: ClusterRuns) -> Callable[[Sequence[str]], set[str]]:
    """Returns which images the nodes have, or can pull."""
    return lambda images: set(available(runs, images, "IfNotPresent"))


def images_on_nodes(runs: ClusterRuns) -> Iterator[str]:
    """Yield the suite's further images that do not need a registry."""
    return available(runs, (*KEPT_IMAGES, runs.target.cel_image), "Never")


def available(runs: ClusterRuns, images: Sequence[str], pull_policy: str) -> Iterator[str]:
    """Yield the images that are available: a Pod tries each."""
    containers = [
        {"name": f"c{number}", "image": image, "imagePullPolicy": pull_policy, "command": ["/nothing"]}
        for number, image in enumerate(images)
    ]
    spec = {"restartPolicy": "Never", "containers": containers}
    runs.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "images"}, "spec": spec})
    (pod,) = runs.wait_for("pods", lambda pods: len(pods) == 1 and all(map(was_tried, statuses(pods[0]))))
    for image, status in zip(images, sorted(statuses(pod), key=lambda each: each["name"]), strict=True):
        waiting = status["state"].get("waiting") or {}
        if waiting.get("reason") not in _PULLING_FAILED:
            yield image
    runs.remove_pods()


def statuses(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return pod["status"].get("containerStatuses") or [{}]


def was_tried(status: dict[str, Any]) -> bool:
    state = status.get("state") or {"waiting": {}}
    return "waiting" not in state or state["waiting"].get("reason", "") not in ("", "ContainerCreating")


@pytest.fixture
def runs(cluster: Cluster, target: Target, facts: Facts, tmp_path: Path) -> Iterator[ClusterRuns]:
    """Runs in the namespace; what is left of them is removed."""
    runs = ClusterRuns(cluster, target, tmp_path)
    yield runs
    runs.remove_pods()
    runs.wait_until_clean()


@pytest.fixture
def need(runs: ClusterRuns) -> Callable[..., None]:
    """Leaves a test out if the user may not do what it does."""

    def need(what: str, *rights: tuple[str, ...]) -> None:
        for verb, resource, *rest in rights:
            if not runs.may(verb, resource, *rest):
                pytest.skip(f"{what} (you may not {verb} {'/'.join([resource, *filter(None, rest[:1])])})")

    return need
