"""What the commands that only compile import: nothing that they do not need. Importing is most of their time."""

import subprocess
import sys

import pytest

from monopod.runtime.carried import installed_runtime

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: greet}
spec:
  tasks:
  - name: hello
    taskSpec: {steps: [{name: say, image: busybox, script: echo hello}]}
"""
PROGRAM = """\
import sys
from monopod.runner.program import main
sys.argv[0] = "monopod"
code = main()
print(code, *sys.modules, file=sys.stderr)
"""
UNNEEDED = {
    "asyncio",
    "email",
    "http.client",
    "importlib.metadata",
    "kubernetes",
    "multiprocessing",
    "networkx",
    "psutil",
    "rich",
    "ssl",
    "subprocess",
    "urllib3",
}
"""Modules that take long, for problems, Jobs, images, remote references and plugins, which this Pipeline has not."""
UNNEEDED_OF_COMPILER = {
    "caches.annotation",
    "caches.cache_steps",
    "documents.text_in_document",
    "images.image_lookup",
    "remote.local.directories",
    "remote.local.lock",
    "remote.reference",
    "remote.resolution",
}
"""Modules of the compiler for caches, images, remote references and locks, which this Pipeline has not."""
UNNEEDED_SCHEMAS = {
    "kubernetes.pods",
    "kubernetes.volumes",
    "project.lock",
    "tekton.pod_templates",
    "tekton.workspace_bindings",
}
"""Models of what this Pipeline has not."""
PYDANTIC = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
OTHER_PARTS = {"host", "kubelet", "kubernetes", "podman", "follow", "records", "reports"}
"""The packages of the runner that run and follow Pods."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Return the modules that `monopod compile` has imported at its end."""
    installed_runtime()  # packs it again if its sources have changed
    file = tmp_path_factory.mktemp("files") / "pipeline.yaml"
    file.write_text(PIPELINE)
    command = [sys.executable, "-c", PROGRAM, "compile", "-f", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, *modules = done.stderr.split()
    assert code == "0"
    return set(modules)


def test_compile_imports_nothing_that_it_does_not_need(imported):
    assert "monopod.compiler.compilation" in imported
    assert not imported & UNNEEDED
    assert not imported & {f"monopod.compiler.{name}" for name in UNNEEDED_OF_COMPILER}
    assert not imported & {f"monopod.schemas.{name}" for name in UNNEEDED_SCHEMAS}


def test_compile_imports_no_other_part_of_the_runner(imported):
    assert {name.split(".")[2] for name in imported if name.startswith("monopod.runner.")} & OTHER_PARTS == set()


def test_compile_uses_few_third_party_modules(imported):
    roots = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    known = PYDANTIC | {"monopod", "yaml", "cython_runtime", "_distutils_hack", "sitecustomize"}
    assert {root for root in roots - known if not root.startswith(("_", "__editable__"))} == set()
