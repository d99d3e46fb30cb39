"""Looking up the programs of images: in files, in engines on this machine, in registries."""

from __future__ import annotations

import base64
import json
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from registry_server import HTPASSWD

from monopod.compiler.images import local_engines

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec:
  steps:
  - {name: compile, image: %s}
"""
CONFIG = {"Entrypoint": ["/tool"], "Cmd": ["--help"]}
SAID = (["/tool"], ["--help"])
DIGEST = "sha256:" + "1" * 64
OTHER_DIGEST = "sha256:" + "2" * 64
START = "p.yaml:6:5: spec.steps[0]: the Step has neither script nor command, and"
HINT = "set command, or give the image's configuration with --image-config"
NO_MAPPING = "expected an image configuration, which is a mapping with config"
LINUX = {"os": "linux", "architecture": "amd64"}
ARM = {"os": "linux", "architecture": "arm64", "variant": "v8"}


def image_file(**images):
    """Write a file of configurations; underscores in names become hyphens."""
    content = {name.replace("_", "-"): {"config": config} for name, config in images.items()}
    Path("images.yaml").write_text(yaml.safe_dump(content))
    return ("images.yaml",)


def recorded(compilation):
    return json.loads(compilation.pod["metadata"]["annotations"]["monopod.dev/images"])


# Containers that need a lookup


def test_steps_with_a_command_need_no_lookup(compiled, programs, engine, asked):
    engine("podman", [{"Config": CONFIG}])
    compilation = compiled(
        """\
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {name: build}
        spec:
          params: [{name: c, type: array, default: [a]}]
          stepTemplate: {image: one}
          steps:
          - {name: a, script: x}
          - {name: b, command: [x]}
          - {name: c, command: ["$(params.c[*])"]}
          sidecars: [{name: s, image: two, command: [x]}]
        """
    )
    assert asked() == []
    assert programs(compilation) == {}
    assert "monopod.dev/images" not in compilation.pod["metadata"]["annotations"]


def test_steps_sidecars_and_step_actions_get_the_programs_of_their_images(compiled, programs):
    files = image_file(one={"Entrypoint": ["/one"]}, two={"Cmd": ["two"]}, three=CONFIG)
    compilation = compiled(
        """\
        apiVersion: tekton.dev/v1beta1
        kind: Task
        metadata: {name: build}
        spec:
          params: [{name: image, default: thr}, {name: none, type: array, default: []}]
          stepTemplate: {image: one}
          steps:
          - {name: a}
          - {name: b, image: "$(params.image)ee", args: ["$(params.image)"]}
          - {name: c, script: x}
          - {name: d, ref: {name: action}}
          - {name: e, command: ["$(params.none[*])"]}
          sidecars:
          - {name: s, image: two}
        ---
        apiVersion: tekton.dev/v1beta1
        kind: StepAction
        metadata: {name: action}
        spec: {image: two, args: [x]}
        """,
        image_configs=files,
    )
    assert programs(compilation) == {
        "build-a": (["/one"], []),
        "build-b": SAID,
        "build-d": ([], ["two"]),
        "build-e": (["/one"], []),
        "build-sidecar-s": ([], ["two"]),
    }
    assert [entry["image"] for entry in recorded(compilation)] == ["one", "three", "two"]


def test_combinations_get_the_programs_of_their_own_images(compiled, programs):
    compilation = compiled(
        """\
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {name: p}
        spec:
          tasks:
          - name: a
            matrix: {params: [{name: image, value: [one, two]}]}
            taskSpec:
              params: [{name: image}]
              steps: [{name: s, image: $(params.image)}]
        """,
        image_configs=image_file(one={"Cmd": ["1"]}, two={"Cmd": ["2"]}),
    )
    assert programs(compilation) == {"a-0-s": ([], ["1"]), "a-1-s": ([], ["2"])}


def test_image_known_only_at_run_time_is_refused(problems):
    said = problems(
        """\
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {name: p}
        spec:
          tasks:
          - name: a
            taskSpec: {results: [{name: r}], steps: [{image: i, script: x}]}
          - name: b
            params: [{name: image, value: $(tasks.a.results.r)}]
            taskSpec:
              params: [{name: image}]
              steps: [{name: s, image: $(params.image)}]
        """
    )
    assert said == [
        "p.yaml:12:32: spec.tasks[1].taskSpec.steps[0].image: $(params.image) is known only while running, but this is "
        "part of the Pod, which is made before; use a param of the run, or a fixed value"
    ]


def test_image_is_looked_up_once_for_all_runs(compiled, engine, asked, monkeypatch):
    engine("podman", [{"Config": CONFIG}])
    compiled(
        """\
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {name: p}
        spec:
          tasks:
          - {name: a, taskSpec: {steps: [{name: s, image: one}, {name: t, image: one}]}}
          - {name: b, taskSpec: {steps: [{name: s, image: one}], sidecars: [{name: t, image: two}]}}
        """
    )
    assert asked() == ["podman image inspect one", "podman image inspect two"]


# Failed lookups


def test_image_without_a_program(problems):
    files = image_file(one={"Env": ["A=1"]})
    neither = f"{START} its image 'one' has neither ENTRYPOINT nor CMD; set command"
    assert problems(TASK % "one", image_configs=files) == [neither]
    assert problems(TASK % "one, args: [x]", image_configs=files) == [neither]


def test_sidecar_with_args_only(compiled, problems):
    text = TASK % "two, script: x" + "  sidecars: [{name: s, image: one%s}]\n"
    files = image_file(one={})
    assert problems(text % ", args: [serve]", image_configs=files) == []
    assert problems(text % "", image_configs=files) == [
        "p.yaml:7:14: spec.sidecars[0]: the Sidecar has neither script nor command, and its image 'one' has neither "
        "ENTRYPOINT nor CMD; set command"
    ]


def test_lookup_without_any_source(problems):
    assert problems(TASK % "localhost/one") == [
        f"{START} the ENTRYPOINT of its image 'localhost/one' is unknown (podman, docker and buildah are not "
        f"installed; localhost/… is not in a registry); {HINT}"
    ]
    assert problems(TASK % "One") == [
        "p.yaml:6:28: spec.steps[0].image: 'One' is not the name of an image; write the repository in lower case"
    ]


def test_every_source_reports_why_it_failed(problems, engine):
    engine("podman", messages="Error: inspecting object: localhost/one: image not known\n", code=125)
    engine("docker", messages="WARNING: x\nCannot connect to the Docker daemon at unix:///d.\n", code=1)
    engine("buildah", [])
    said = problems(TASK % "localhost/one", image_configs=image_file(two={}))
    assert said == [
        f"{START} the ENTRYPOINT of its image 'localhost/one' is unknown (--image-config: no such image; podman: no "
        "such image; docker: Cannot connect to the Docker daemon at unix:///d.; localhost/… is not in a registry); "
        f"{HINT}"
    ]


def test_invalid_file_is_the_only_problem(problems):
    Path("images.yaml").write_text("localhost/one: {config: {Cmd: sh}}")
    said = problems(TASK % "localhost/one", image_configs=("images.yaml",))
    assert said == ["images.yaml:1:31: localhost/one.config.Cmd: expected a list of strings, got 'sh'"]


# Engines


def test_first_engine_with_the_image_is_used(compiled, programs, engine, asked):
    engine("podman", messages="Error: one: image not known", code=125)
    engine("docker", [{"Config": CONFIG}])
    compilation = compiled(TASK % "one")
    assert programs(compilation) == {"build-compile": SAID}
    assert asked() == ["podman image inspect one", "docker image inspect one"]
    assert recorded(compilation) == [{"image": "one", "source": "docker", "entrypoint": ["/tool"], "cmd": ["--help"]}]
    assert compilation.plan.document["metadata"]["annotations"] == {
        "monopod.dev/images": compilation.pod["metadata"]["annotations"]["monopod.dev/images"]
    }


def test_buildah_is_used_without_podman(compiled, programs, engine, asked):
    engine("buildah", {"Config": "{}", "OCIv1": {"config": CONFIG}})
    assert programs(compiled(TASK % f"one:2@{DIGEST}")) == {"build-compile": SAID}
    assert asked() == [f"buildah inspect --type image one@{DIGEST}"]


def test_file_precedes_engines(compiled, programs, engine, asked):
    engine("podman", [{"Config": {"Cmd": ["other"]}}])
    assert programs(compiled(TASK % "one", image_configs=image_file(one=CONFIG))) == {"build-compile": SAID}
    assert asked() == []


@pytest.mark.parametrize("image", ["one", "docker.io/library/one:latest", "one:3"])
def test_image_with_a_digest_known_to_docker_is_pinned(compiled, images, engine, image):
    engine("docker", [{"Config": CONFIG, "RepoDigests": [f"mirror.example/one@{OTHER_DIGEST}", f"one@{DIGEST}"]}])
    compilation = compiled(TASK % image)
    repository = image.rpartition(":")[0] or image
    assert images(compilation) == {"build-compile": f"{repository}@{DIGEST}"}
    assert recorded(compilation)[0]["digest"] == DIGEST


@pytest.mark.parametrize(
    "known",
    [
        {"RepoDigests": [f"mirror.example/one@{DIGEST}"]},
        {"RepoDigests": [f"one@{DIGEST}", f"one@{OTHER_DIGEST}"]},
        {"RepoDigests": [f"one@{DIGEST}"], "Digest": DIGEST},
        {"RepoDigests": ["one", "<none>@<none>"]},
        {"RepoDigests": None},
    ],
    ids=["of another repository", "several", "of podman", "none", "nothing"],
)
def test_image_with_an_uncertain_digest_keeps_its_name(compiled, images, engine, known):
    engine("docker", [{"Config": CONFIG, **known}])
    assert images(compiled(TASK % "one:1")) == {"build-compile": "one:1"}


def test_pinned_image_stays_unchanged(compiled, images, engine):
    engine("docker", [{"Config": CONFIG, "RepoDigests": [f"one@{DIGEST}"]}])
    assert images(compiled(TASK % f"one:1@{DIGEST}")) == {"build-compile": f"one:1@{DIGEST}"}


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("not JSON", "its output is not JSON"),
        ("[" * 100_000, "its output is not JSON"),
        (
            [],
            f"unexpected output: {NO_MAPPING}; got a list",
        ),
        ([{"Config": {"Cmd": "sh"}}], "unexpected output: expected a list of strings, got 'sh'"),
    ],
    ids=["text", "deep", "empty", "wrong"],
)
def test_engine_with_unexpected_output(problems, engine, output, why):
    engine("podman", output)
    assert f"(podman: {why}; localhost/" in problems(TASK % "localhost/one")[0]


def test_engine_that_cannot_run_or_fails_silently(problems, engine, surroundings):
    engine("docker", code=3)
    (surroundings / "podman").write_text("#!/no/such/interpreter\n")
    (surroundings / "podman").chmod(0o755)
    said = problems(TASK % "localhost/one")[0]
    assert "(podman: cannot run it: No such file or directory; docker: it failed without a message; localhost/" in said


def test_engine_that_does_not_answer_is_killed(problems, surroundings, monkeypatch):
    program = surroundings / "podman"
    program.write_text(f"#!{sys.executable}\nimport signal\nwhile True:\n    signal.pause()\n")
    program.chmod(0o755)
    monkeypatch.setattr(local_engines, "TIMEOUT", 0.1)
    said = problems(TASK % "localhost/one")[0]  # which would not return if that process kept running
    assert "(podman: no answer after 0.1 seconds; localhost/" in said


# Registries


def test_lookup_in_a_registry_pins_the_image(compiled, programs, images, registry):
    pushed = registry.pusher.image("team/tool", "1", {"rootfs": {}, "config": CONFIG})
    compilation = compiled(TASK % f"{registry.host}/team/tool:1")
    assert programs(compilation) == {"build-compile": SAID}
    assert images(compilation) == {"build-compile": f"{registry.host}/team/tool@{pushed['digest']}"}
    assert recorded(compilation) == [
        {
            "image": f"{registry.host}/team/tool:1",
            "digest": pushed["digest"],
            "source": "registry",
            "entrypoint": ["/tool"],
            "cmd": ["--help"],
        }
    ]


def test_pinned_image_comes_from_the_cache(compiled, programs, registry, problems):
    digest = registry.pusher.image("team/tool", "1", {"config": CONFIG})["digest"]
    pinned = TASK % f"{registry.host}/team/tool@{digest}"
    assert programs(compiled(pinned)) == {"build-compile": SAID}
    registry.stop()
    assert programs(compiled(pinned)) == {"build-compile": SAID}
    assert (
        f"(podman, docker and buildah are not installed; {registry.host}: cannot be reached: Connection refused)"
        in (problems(TASK % f"{registry.host}/team/tool:1")[0])
    )


def test_index_with_equal_platforms_is_pinned(compiled, problems, programs, images, registry):
    configs = [
        ({"os": "unknown", "architecture": "unknown"}, {"config": {}}),
        ({"os": "windows", "architecture": "amd64"}, {"config": {"Entrypoint": ["tool.exe"]}}),
        (ARM, {"architecture": "arm64", "config": CONFIG}),
        (LINUX, {"architecture": "amd64", "config": CONFIG}),
    ]
    digest = registry.pusher.index("team/tool", "1", configs)
    text = TASK % f"{registry.host}/team/tool:1"
    assert problems(text) == []
    assert programs(compiled(text)) == {"build-compile": SAID}
    assert images(compiled(text)) == {"build-compile": f"{registry.host}/team/tool@{digest}"}


@pytest.mark.parametrize(
    ("platforms", "taken", "others"),
    [
        ([ARM, LINUX, {**ARM, "architecture": "arm"}], "linux/amd64", "linux/arm64/v8, linux/arm/v8"),
        ([ARM, {"os": "linux", "architecture": "s390x"}], "linux/arm64/v8", "linux/s390x"),
    ],
)
def test_differing_platforms_are_reported(problems, programs, compiled, registry, platforms, taken, others):
    names = ["/".join(platform.values()) for platform in platforms]
    configs = [(platform, {"config": {"Cmd": [name]}}) for platform, name in zip(platforms, names, strict=True)]
    registry.pusher.index("team/tool", "1", configs)
    image = f"{registry.host}/team/tool:1"
    assert programs(compiled(TASK % image)) == {"build-compile": ([], [taken])}
    assert problems(TASK % image) == [
        f"p.yaml:6:5: warning: spec.steps[0]: the image '{image}' has another ENTRYPOINT or CMD on {others} than "
        f"on {taken}, whose values are used; set command to choose"
    ]


def test_images_missing_from_a_registry(problems, registry):
    registry.pusher.index("team/windows", "1", [({"os": "windows", "architecture": "amd64"}, {"config": CONFIG})])
    registry.pusher.image("team/odd", "1", [])
    registry.pusher.image("team/empty", "1", {})
    reasons = {
        "team/none:1": "no such image",
        "team/windows:1": "it is an index without an image for linux",
        "team/odd:1": (f"invalid configuration: {NO_MAPPING}; got a list"),
        "team/empty:1": (
            "invalid configuration: not an image configuration: it has neither config nor podman's and docker's "
            "Config (skopeo inspect needs --config)"
        ),
    }
    for image, reason in reasons.items():
        said = problems(TASK % f"{registry.host}/{image}")
        assert said == [
            f"{START} the ENTRYPOINT of its image '{registry.host}/{image}' is unknown (podman, docker and buildah are "
            f"not installed; {registry.host}: {reason}); {HINT}"
        ]


def _secret(host, password="secret"):
    auth = base64.b64encode(f"builder:{password}".encode()).decode()
    content = base64.b64encode(json.dumps({"auths": {host: {"auth": auth}}}).encode()).decode()
    return textwrap.dedent(
        f"""\
        ---
        apiVersion: v1
        kind: Secret
        metadata: {{name: pull}}
        type: kubernetes.io/dockerconfigjson
        data: {{.dockerconfigjson: {content}}}
        """
    )


RUN = """\
---
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: r}
spec: {taskRef: {name: build}, %s}
"""
ACCOUNT = """\
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: builder}
imagePullSecrets: [{name: other}, {name: pull}]
"""


@pytest.fixture
def private(start_registry):
    """A registry with an image, only for the user ``builder``."""
    registry = start_registry(HTPASSWD)
    registry.pusher.image("team/tool", "1", {"config": CONFIG})
    return registry


@pytest.mark.parametrize(
    ("run", "documents"),
    [("podTemplate: {imagePullSecrets: [{name: pull}]}", ""), ("serviceAccountName: builder", ACCOUNT)],
    ids=["podTemplate", "ServiceAccount"],
)
def test_pull_secrets_of_the_pod_are_used(compiled, programs, private, run, documents):
    text = TASK % f"{private.host}/team/tool:1" + RUN % run + documents + _secret(private.host)
    assert programs(compiled(text)) == {"build-compile": SAID}


def test_login_is_used_without_a_secret_for_the_registry(compiled, problems, programs, private):
    text = TASK % f"{private.host}/team/tool:1" + RUN % "podTemplate: {imagePullSecrets: [{name: pull}]}"
    text += _secret("registry.example")
    assert problems(text)[0].endswith(f"{private.host}: access denied (401), log in to the registry); {HINT}")
    login = {"auths": {private.host: {"username": "builder", "password": "secret"}}}
    Path("docker").mkdir()
    Path("docker/config.json").write_text(json.dumps(login))
    assert programs(compiled(text)) == {"build-compile": SAID}
