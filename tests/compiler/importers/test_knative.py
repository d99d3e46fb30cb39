"""Knative's Builds and templates: what each field becomes, what is refused, and where problems are reported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from importing import (
    assert_problem,
    assert_untranslated,
    compilation_of,
    converted,
    found_in,
    problems_of,
    untranslated,
)

from monopod.schemas.foreign import knative
from monopod.schemas.foreign.containers import Container

ROOT = Path(__file__).parents[3]
STEP = {"name": "a", "image": "busybox", "command": ["true"]}
BUILD: dict[str, Any] = {
    "apiVersion": "build.knative.dev/v1alpha1",
    "kind": "Build",
    "metadata": {"name": "b"},
    "spec": {"steps": [STEP]},
}
TEMPLATE: dict[str, Any] = {
    "apiVersion": "build.knative.dev/v1alpha1",
    "kind": "BuildTemplate",
    "metadata": {"name": "t"},
    "spec": {
        "parameters": [{"name": "IMAGE", "description": "what"}, {"name": "CACHE", "default": "none"}],
        "volumes": [{"name": "none", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "${IMAGE}"}}],
        "steps": [
            {
                **STEP,
                "image": "${IMAGE}",
                "args": ["${IMAGE} and ${OTHER}"],
                "volumeMounts": [{"name": "${CACHE}", "mountPath": "/c"}],
            }
        ],
    },
}


def build(**spec: Any) -> str:
    return yaml.safe_dump({**BUILD, "spec": spec}, sort_keys=False)


def both(**spec: Any) -> str:
    """Return the text of a Build of the template, and of the template."""
    return build(**spec) + "---\n" + yaml.safe_dump(TEMPLATE, sort_keys=False)


def tasks_of(text: str) -> dict[str, Any]:
    return {task["name"]: task for task in converted(text)[0]["spec"]["pipelineSpec"]["tasks"]}


class TestFields:
    def test_a_build_with_steps(self):
        text = build(
            steps=[STEP, {**STEP, "name": "b", "workingDir": "/w", "resources": {"limits": {"cpu": "1"}}}],
            volumes=[{"name": "v", "emptyDir": {}}],
            serviceAccountName="robot",
            nodeSelector={"disk": "ssd"},
        )
        (run,) = converted(text)
        plain = {"image": "busybox", "command": ["true"]}
        steps = [
            {"workingDir": "/workspace", "name": "a", **plain},
            {"workingDir": "/w", "name": "b", **plain, "computeResources": {"limits": {"cpu": "1"}}},
        ]
        task = {"volumes": [{"name": "v", "emptyDir": {}}], "steps": steps}
        assert run["spec"] == {
            "pipelineSpec": {"tasks": [{"name": "build", "taskSpec": task}]},
            "timeouts": {"pipeline": "10m0s"},
            "taskRunTemplate": {"serviceAccountName": "robot", "podTemplate": {"nodeSelector": {"disk": "ssd"}}},
        }

    def test_a_timeout(self):
        assert converted(build(steps=[STEP], timeout="90s"))[0]["spec"]["timeouts"] == {"pipeline": "1m30s"}

    def test_sources(self):
        git = {"url": "https://git.example.com/a.git", "revision": "main"}
        sources = [
            {"name": "code", "git": git, "targetPath": "src"},
            {"gcs": {"type": "Manifest", "location": "gs://b/m.json"}},
            {"name": "own", "custom": {"image": "busybox", "command": ["true"]}, "subPath": "src/go"},
        ]
        tasks = tasks_of(build(steps=[STEP], sources=sources))
        first, second, third = tasks["source"]["taskSpec"]["steps"]
        assert {each["name"]: each["value"] for each in first["env"]} == {
            "URL": git["url"],
            "REVISION": "main",
            "DIRECTORY": "/workspace/src",
        }
        assert [first["name"], second["name"], third["name"]] == [
            "git-source-code",
            "gcs-source-1",
            "custom-source-own",
        ]
        assert second["args"] == [
            *("--type", "Manifest", "--location", "gs://b/m.json", "--dest_dir", "/workspace"),
        ]
        assert tasks["build"]["runAfter"] == ["source"]
        assert tasks["build"]["workspaces"] == [{"name": "workspace", "workspace": "workspace", "subPath": "src/go"}]
        assert tasks["build"]["taskSpec"]["workspaces"] == [{"name": "workspace", "mountPath": "/workspace"}]

    def test_a_template_is_a_task(self):
        (task,) = converted(yaml.safe_dump(TEMPLATE))
        assert task["kind"] == "Task"
        assert task["spec"] == {
            "params": [
                {"name": "IMAGE", "type": "string", "description": "what"},
                {"name": "CACHE", "type": "string", "default": "none"},
            ],
            "workspaces": [{"name": "workspace", "mountPath": "/workspace", "optional": True}],
            "volumes": [{"name": "none", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "$(params.IMAGE)"}}],
            "steps": [
                {
                    "workingDir": "/workspace",
                    "name": "a",
                    "image": "$(params.IMAGE)",
                    "command": ["true"],
                    "args": ["$(params.IMAGE) and ${OTHER}"],
                    "volumeMounts": [{"name": "$(params.CACHE)", "mountPath": "/c"}],
                }
            ],
        }

    def test_a_build_of_a_template(self):
        template = {
            "name": "t",
            "arguments": [{"name": "IMAGE", "value": "alpine"}, {"name": "CACHE", "value": "mine"}],
            "env": [{"name": "E", "value": "1"}],
        }
        claim = {"name": "mine", "persistentVolumeClaim": {"claimName": "pages"}}
        text = both(template=template, volumes=[claim])
        assert tasks_of(text)["build"] == {
            "name": "build",
            "taskRef": {"name": "t"},
            "params": [{"name": "IMAGE", "value": "alpine"}, {"name": "CACHE", "value": "mine"}],
        }
        run = converted(text)[0]["spec"]
        assert run["taskRunTemplate"]["podTemplate"] == {"env": [{"name": "E", "value": "1"}], "volumes": [claim]}
        assert found_in(text, local=False) == []

    def test_the_template_may_be_of_the_cluster(self):
        text = both(
            template={"name": "t", "kind": "ClusterBuildTemplate", "arguments": [{"name": "IMAGE", "value": "i"}]}
        )
        assert found_in(text.replace("kind: BuildTemplate", "kind: ClusterBuildTemplate")) == []


PLACES = {
    knative.BuildSpec: (BUILD, ("spec",)),
    knative.BuildTemplateSpec: (TEMPLATE, ("spec",)),
    Container: (BUILD, ("spec", "steps", 0)),
}


@pytest.mark.parametrize("model", PLACES, ids=lambda model: model.__name__)
def test_untranslated_fields_are_reported(model):
    document, path = PLACES[model]
    for _, _, field, support in untranslated({model: path}):
        assert_untranslated(document, path, field, support, params=(("IMAGE", "i"),) if document is TEMPLATE else ())


TEXT = """\
apiVersion: build.knative.dev/v1alpha1
kind: Build
metadata: {name: b}
spec:
  source:
    git: {url: https://git.example.com/a.git, revision: main}
  template:
    name: maker
    arguments: [{name: IMAGE, value: busybox}]
---
apiVersion: build.knative.dev/v1alpha1
kind: BuildTemplate
metadata: {name: maker}
spec:
  parameters: [{name: IMAGE}]
  steps:
    - name: make
      image: ${IMAGE}
      command: [make]
"""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("name: maker\n    arg", "name: makr\n    arg", "8:11: spec.template.name: there is no Task named 'makr' in "
         "the files (did you mean 'maker'?)"),
        ("{name: IMAGE, v", "{name: IMAG, v", "8:5: spec.template: the Task 'maker' needs the param "
         "'IMAGE' (did you mean 'IMAG'?)"),
        ("{name: IMAGE, v", "{name: IMAGE, value: a}, {name: IMAGE, v", "9:49: spec.template.arguments[1].name: "
         "there is already an argument 'IMAGE' at arguments[0]"),
        ("url: https", "ur: https", "6:11: spec.source.git.ur: unknown field (did you mean 'url'?)"),
        (", revision: main", "", "6:10: spec.source.git: the field 'revision' is required"),
        ("  source:", "  sources: [{}]\n  source:", "5:13: spec.sources[0]: one of git, gcs, custom is required"),
        ("  template:", "  steps: [{image: a}]\n  template:", "9:5: spec.template: only one of steps, template may be "
         "given"),
        ("kind: BuildTemplate", "kind: BuildTemplat", "12:7: kind: unknown kind 'BuildTemplat' in "
         "build.knative.dev/v1alpha1 (did you mean 'BuildTemplate'?)"),
        ("command: [make]", "volumeMounts: [{name: v, mountPath: /v}]\n      command: [make]", "19:29: spec.steps[0]."
         "volumeMounts[0].name: there is no volume 'v' in the Task"),
        ("command: [make]", "command: [\"$(params.IMAGE)\"]", "19:17: spec.steps[0].command[0]: Tekton would replace a "
         "variable at '$(params.'; write a space after '$('"),
    ],
)  # fmt: skip
def test_a_problem_is_reported_where_it_is_written(old, new, line):
    assert_problem(TEXT, old, new, line)


def test_the_file_is_right():
    assert problems_of(TEXT) == []


def test_the_example_keeps_its_pages_in_a_volume_of_the_build():
    readme, example = (ROOT / "examples/knative" / name for name in ("README.md", "build.yaml"))
    (fields,) = re.findall(r"```yaml\n(.*?)```", readme.read_text(), re.DOTALL)
    build, template = yaml.safe_load_all(example.read_text())
    build["spec"] |= yaml.safe_load(fields)["spec"]
    run = compilation_of(yaml.safe_dump_all([build, template]))
    (volume,) = [each for each in run.pod["spec"]["volumes"] if "persistentVolumeClaim" in each]
    mounts = {
        container["name"]: [
            mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == volume["name"]
        ]
        for container in run.pod["spec"]["containers"]
    }
    assert mounts["build-render"] == mounts["build-publish"] == ["/cache"]
