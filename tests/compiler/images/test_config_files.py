"""``--image-config``: configurations of images in all accepted formats, and errors for others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.compiler.images.config_files import ConfigFiles
from monopod.compiler.remote.image_name import ImageName
from monopod.schemas.plan import ImageProgram

CONFIG = {"Entrypoint": ["/bin/tool", "run"], "Cmd": ["--help"], "Env": ["A=1"], "WorkingDir": "/w"}
PROGRAM = ImageProgram(("/bin/tool", "run"), ("--help",))
DIGEST = "sha256:" + "1" * 64
OTHER_DIGEST = "sha256:" + "2" * 64

WITHOUT_NAMES = {
    "the OCI image configuration": {"architecture": "amd64", "os": "linux", "config": CONFIG, "rootfs": {}},
    "only what counts of it": {"config": CONFIG},
    "docker image inspect": [{"Id": "sha256:0", "RepoTags": [], "Config": CONFIG, "Os": "linux"}],
    "podman image inspect": [{"Id": "0", "Digest": DIGEST, "Config": CONFIG, "Os": "linux", "Labels": None}],
    "buildah inspect": {"Type": "buildah 0.0.1", "Config": "{}", "OCIv1": {"config": CONFIG}, "Docker": {"config": {}}},
}


def write(content, name="images.yaml"):
    Path(name).write_text(content if isinstance(content, str) else json.dumps(content))
    return ConfigFiles([name])


def found(files, text):
    result = files.find(ImageName.parse(text))
    return result and result.program


@pytest.mark.parametrize("shape", WITHOUT_NAMES)
def test_named_configuration_in_every_format(shape):
    files = write({"tool:1": WITHOUT_NAMES[shape]})
    assert files.problems == []
    assert found(files, "tool:1") == PROGRAM
    assert found(files, "tool:2") is None


def test_output_that_contains_its_names():
    inspected = [
        {
            "RepoTags": ["docker.io/library/tool:1", "tool:latest", "<none>:<none>"],
            "RepoDigests": [f"tool@{DIGEST}"],
            "Config": CONFIG,
        },
        {"RepoTags": ["quay.io/a/b:2"], "Config": {"Cmd": ["sh"]}},
    ]
    files = write(inspected)
    assert files.problems == []
    for text in (
        "tool:1",
        "docker.io/tool",
        "index.docker.io/library/tool:latest",
        f"tool@{DIGEST}",
        f"tool:9@{DIGEST}",
    ):
        assert found(files, text) == PROGRAM
    assert found(files, "quay.io/a/b:2") == ImageProgram((), ("sh",))
    assert found(files, "quay.io/a/b") is None
    assert found(write(inspected[0]), "tool:1") == PROGRAM


def test_several_files_and_documents_are_merged():
    Path("a.yaml").write_text("a: {config: {Cmd: [a]}}\n---\nb: {config: {Cmd: [b]}}\n")
    Path("c.json").write_text('{"c": {"config": {"Cmd": ["c"]}}, "a:latest": {"config": {"Cmd": ["a"]}}}')
    files = ConfigFiles(["a.yaml", "c.json"])
    assert files.problems == []
    assert [found(files, name).cmd for name in "abc"] == [("a",), ("b",), ("c",)]


def test_missing_fields_are_empty():
    for config in ({}, {"Entrypoint": None, "Cmd": None}, {"Entrypoint": [], "Cmd": []}):
        assert found(write({"x": {"config": config}}), "x") == ImageProgram()
    assert found(write({"x": {"config": None}}), "x") == ImageProgram()
    assert found(write({"x": {"rootfs": {"type": "layers"}}}), "x") == ImageProgram()


def test_image_named_config():
    assert found(write({"config": {"config": CONFIG}}), "config") == PROGRAM


BAD = {
    "[]": "1:1: the file contains no image configuration",
    "{}": "1:1: the file contains no image configuration",
    "text": "1:1: expected a mapping from image names to configurations, got 'text'",
    "tool: 5": "1:7: tool: expected an image configuration, which is a mapping with config; got a number (5)",
    "tool: [{config: {}}, {config: {}}]": "1:7: tool: expected the configuration of one image, got 2",
    "tool: [x]": "1:8: tool[0]: expected an image configuration, which is a mapping with config; got 'x'",
    "tool: {Entrypoint: [a]}": (
        "1:7: tool: not an image configuration: it has neither config nor podman's and docker's Config "
        "(skopeo inspect needs --config)"
    ),
    "tool: {config: [a]}": "1:16: tool.config: expected a mapping with Entrypoint and Cmd, got a list",
    "tool: {Config: {Entrypoint: /bin/sh -c}}": (
        "1:29: tool.Config.Entrypoint: expected a list of strings, got '/bin/sh -c'"
    ),
    "tool:\n  config:\n    Cmd: [a, 5]": "3:14: tool.config.Cmd[1]: expected a string, got a number (5)",
    'tool: {config: {Cmd: ["a\\0b"]}}': "1:23: tool.config.Cmd[0]: an argument cannot contain a NUL",
    "tool: {config: {entrypoint: [a]}}": (
        "1:17: tool.config.entrypoint: unknown field 'entrypoint' (did you mean 'Entrypoint'?)"
    ),
    "tool: {config: {command: [a]}}": "1:17: tool.config.command: unknown field 'command' (did you mean 'Cmd'?)",
    "\nTool/X: {config: {}}": (
        "2:1: Tool/X: 'Tool/X' is not the name of an image; expected REGISTRY/REPOSITORY:TAG or …@sha256:DIGEST"
    ),
    "config: {Cmd: [a]}": ("1:1: the configuration has no image name; put it under the name, as in 'alpine:3: {…}'"),
    "- Config: {Cmd: [a]}": (
        "1:3: [0]: the configuration has no image name; put it under the name, as in 'alpine:3: {…}'"
    ),
    "tool: {config: {Cmd: [a]}}\ndocker.io/library/tool:latest: {config: {Cmd: [b]}}": (
        "2:1: docker.io/library/tool:latest: the image docker.io/library/tool:latest has a different "
        "configuration at bad.yaml:1:1; keep one of them"
    ),
    "tool: {config: @}": "1:16: this is not valid YAML: a value cannot start with '@'; write it in quotes",
}


@pytest.mark.parametrize("text", BAD)
def test_problems_of_a_file_have_positions(text):
    assert [str(each) for each in write(text, "bad.yaml").problems] == [f"bad.yaml:{BAD[text]}"]


def test_empty_file():
    assert [str(each) for each in write("", "bad.yaml").problems] == ["bad.yaml: the file is empty"]


def test_missing_file(monopod):
    Path("p.yaml").write_text(
        "{apiVersion: tekton.dev/v1, kind: Task, metadata: {name: t}, spec: {steps: [{image: i, script: x}]}}"
    )
    assert monopod("compile", "-f", "p.yaml", "--image-config", "none.yaml") == (
        2,
        "",
        "none.yaml: No such file or directory\n",
    )


WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), max_size=4)


@given(entrypoint=st.none() | WORDS, cmd=st.none() | WORDS, shape=st.sampled_from(sorted(WITHOUT_NAMES)))
def test_words_are_taken_verbatim(tmp_path_factory, entrypoint, cmd, shape):
    config = {"Entrypoint": entrypoint, "Cmd": cmd}
    text = json.dumps({"tool": WITHOUT_NAMES[shape]}).replace(json.dumps(CONFIG), json.dumps(config))
    path = tmp_path_factory.mktemp("images") / "images.json"
    path.write_text(text)
    files = ConfigFiles([str(path)])
    assert files.problems == []
    assert found(files, "tool") == ImageProgram(tuple(entrypoint or ()), tuple(cmd or ()))
