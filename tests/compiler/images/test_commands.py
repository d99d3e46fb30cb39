"""Steps and Sidecars that run the programs of their images, from the command line to the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

PODMAN, BUILDAH = shutil.which("podman"), shutil.which("buildah")
HOST_PATH = os.environ["PATH"]

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: p}
spec:
  tasks:
  - name: say
    matrix: {params: [{name: image, value: [shouts, whispers]}]}
    taskSpec:
      params: [{name: image}, {name: more, type: array, default: []}]
      stepTemplate: {image: $(params.image), env: [{name: WHO, value: you}]}
      steps:
      - {name: plain}
      - {name: args, args: [hello, $(WHO), $(params.image)]}
      - {name: empty, args: ["$(params.more[*])"]}
      sidecars:
      - {name: idle, image: idles}
"""
ONE_STEP = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: t}
spec: {steps: [{name: s, image: "localhost/%s:1"}]}
"""
IMPORTED = (
    "import sys; from monopod.runner.program import main; "
    "imported = lambda: sorted(name for name in sys.modules if '.images' in name or name == 'urllib.request')"
)
IMAGES = """\
shouts: {config: {Entrypoint: [printf, "<%s>"], Cmd: [default, "$(WHO) $$ $(params.image)"]}}
whispers: {Config: {Entrypoint: null, Cmd: [echo, psst]}}
idles: {config: {Cmd: [sleep, "1000"]}}
"""


@pytest.fixture
def files():
    Path("p.yaml").write_text(PIPELINE)
    Path("images.yaml").write_text(IMAGES)


@pytest.mark.slow
def test_run_uses_the_programs_of_the_images(monopod, files):
    code, output, errors = monopod("run", "-f", "p.yaml", "--image-config", "images.yaml", path=HOST_PATH)
    assert code == 0, output + errors
    assert {line for line in output.splitlines() if " : " in line} == {
        "[say[image=shouts] : plain] <default><$(WHO) $$ $(params.image)>",
        "[say[image=shouts] : args] <hello><you><shouts>",
        "[say[image=shouts] : empty] <default><$(WHO) $$ $(params.image)>",
        "[say[image=whispers] : plain] psst",
        "[say[image=whispers] : args] psst hello you whispers",
        "[say[image=whispers] : empty] psst",
    }


@pytest.mark.slow
def test_the_same_input_gives_the_same_pod(monopod, files):
    once, again = (monopod("compile", "-f", "p.yaml", "--image-config", "images.yaml") for _ in range(2))
    assert once == again
    code, text, errors = once
    assert (code, errors) == (0, "")
    pod = yaml.safe_load(text)
    assert {each["image"] for each in pod["spec"]["containers"]} == {"shouts", "whispers", "idles"}
    assert all(each["command"] == ["/monopod/bin/entrypoint"] for each in pod["spec"]["containers"])
    assert {each["image"] for each in yaml.safe_load(pod["metadata"]["annotations"]["monopod.dev/images"])} == {
        "shouts",
        "whispers",
        "idles",
    }


@pytest.mark.slow
def test_check_and_run_report_wrong_configurations(monopod):
    Path("p.yaml").write_text(PIPELINE.replace("idles", "localhost/idles").replace("[shouts, whispers]", "[a, b]"))
    Path("images.yaml").write_text("a: {config: {Cmd: [true]}}\nb: {config: {Cmd: ['true']}}\n")
    wrong = "images.yaml:1:20: a.config.Cmd[0]: expected a string, got a boolean (true)"
    code, output, _ = monopod("check", "-f", "p.yaml", "--image-config", "images.yaml")
    assert code == 2
    assert f"{wrong} [image-config]" in output.splitlines()
    ran = monopod("run", "-f", "p.yaml", "--image-config", "images.yaml", path=HOST_PATH)
    assert ran == (2, "", f"{wrong}\n")
    Path("images.yaml").write_text("a: {config: {Cmd: ['true']}}\nb: {config: {Cmd: ['true']}}\n")
    code, output, _ = monopod("check", "-f", "p.yaml", "--image-config", "images.yaml")
    assert code == 2
    assert (
        "p.yaml:16:9: spec.tasks[0].taskSpec.sidecars[0]: the Sidecar has neither script nor command, and the "
        "ENTRYPOINT of its image 'localhost/idles' is unknown (--image-config: no such image; podman, docker and "
        "buildah are not installed; localhost/… is not in a registry); set command, or give the image's configuration "
        "with --image-config [no-command]"
    ) in output.splitlines()


def test_ordinary_compilation_does_not_import_image_lookup():
    Path("p.yaml").write_text(ONE_STEP.replace("name: s,", "name: s, script: x,") % "says")
    program = f"{IMPORTED}; sys.argv[1:] = ['compile', '-f', 'p.yaml', '-o', 'pod.yaml']; main(); print(imported())"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "['monopod.compiler.images', 'monopod.compiler.images.image_programs']\n"
    assert Path("pod.yaml").exists()


# podman and buildah themselves


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    """A private image store with the images ``localhost/says:1`` and ``localhost/mute:1``."""
    if PODMAN is None:
        pytest.skip("podman, which makes the images, is not installed")
    base = tmp_path_factory.mktemp("storage")
    configuration = base / "storage.conf"
    configuration.write_text(f'[storage]\ndriver = "vfs"\nrunroot = "{base}/run"\ngraphroot = "{base}/images"\n')
    with tarfile.open(base / "files.tar", "w") as archive:
        archive.add(__file__, "file")
    for name, changes in {"says": ('ENTRYPOINT ["/bin/echo", "$(HOME)"]', 'CMD ["by", "itself"]'), "mute": ()}.items():
        options = [word for change in changes for word in ("--change", change)]
        made = subprocess.run(
            [PODMAN, "import", "--quiet", *options, base / "files.tar", f"localhost/{name}:1"],
            env={**os.environ, "CONTAINERS_STORAGE_CONF": str(configuration)},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            pytest.skip(f"podman cannot make images here: {made.stderr.strip().splitlines()[-1]}")
    return configuration


@pytest.fixture(params=["podman", "buildah"])
def real_engine(request, surroundings, storage, monkeypatch):
    """Puts only one of the engines on PATH, with the store of these tests."""
    program = {"podman": PODMAN, "buildah": BUILDAH}[request.param]
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    (surroundings / request.param).symlink_to(program)
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(storage))
    return request.param


@pytest.mark.slow
def test_lookup_with_a_real_engine(real_engine, compiled, programs, problems, images):
    compilation = compiled(ONE_STEP % "says")
    assert programs(compilation) == {"t-s": (["/bin/echo", "$(HOME)"], ["by", "itself"])}
    assert images(compilation) == {"t-s": "localhost/says:1"}
    assert problems(ONE_STEP % "mute") == [
        "p.yaml:4:16: spec.steps[0]: the Step has neither script nor command, and its image 'localhost/mute:1' has "
        "neither ENTRYPOINT nor CMD; set command"
    ]
    (said,) = problems(ONE_STEP % "none")
    assert f"({real_engine}: no such image; localhost/… is not in a registry)" in said


@pytest.mark.slow
def test_output_of_a_real_engine_is_an_image_config(real_engine, compiled, programs, storage, surroundings):
    command = {"podman": [PODMAN, "image", "inspect"], "buildah": [BUILDAH, "inspect", "--type", "image"]}[real_engine]
    printed = subprocess.run([*command, "localhost/says:1"], capture_output=True, text=True, check=True).stdout
    content = printed if real_engine == "podman" else f'"localhost/says:1": {printed}'
    Path("images.yaml").write_text(content)
    (surroundings / real_engine).unlink()
    compilation = compiled(ONE_STEP % "says", image_configs=("images.yaml",))
    assert programs(compilation) == {"t-s": (["/bin/echo", "$(HOME)"], ["by", "itself"])}


@pytest.mark.slow
def test_step_runs_the_program_of_a_real_image(real_engine, monopod, surroundings):
    Path("p.yaml").write_text(ONE_STEP % "says")
    code, output, errors = monopod("run", "-f", "p.yaml", path=f"{surroundings}:{HOST_PATH}")
    assert code == 0, output + errors
    assert "[t : s] $(HOME) by itself" in output.splitlines()
