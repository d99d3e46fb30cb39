"""StepActions that fetch and upload a cache of their own, as those of tekton-caches do, beside ``monopod.dev/cache``.

They have the same shape: an array of patterns in ``args``, params in ``env``, a Step Result that says whether something
was fetched, and a program that the image brings. A ConfigMap stands in for the program.
"""

from __future__ import annotations

import pytest

from monopod.system.caches.directory_store import DirectoryStore

pytestmark = pytest.mark.slow

PROGRAM = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: program}
data:
  keep: |
    #!/bin/sh
    set -eu
    archive=/archives/$(cd "$2" && cat $4 | sha256sum | cut -c 1-8).tar
    case $1 in
      fetch) mkdir -p "$3" && tar -xf "$archive" -C "$3";;
      upload) tar -cf "$archive" -C "$3" .;;
    esac
"""

STEP_ACTION = """\
apiVersion: tekton.dev/v1beta1
kind: StepAction
metadata: {name: VERB-archive}
spec:
  params:
  - {name: PATTERNS, type: array}
  - {name: CACHE_PATH, type: string}
  - {name: WORKING_DIR, type: string}
  - {name: FETCHED, type: string, default: "false"}
  results:
  - {name: fetched}
  env:
  - {name: DIRECTORY, value: $(params.WORKING_DIR)}
  - {name: FOLDER, value: $(params.CACHE_PATH)}
  - {name: FETCHED, value: $(params.FETCHED)}
  image: localhost/monopod-test/busybox:1
  args: ["$(params.PATTERNS[*])"]
  script: |
    #!/bin/sh
    if [ "$FETCHED" = true ]; then echo 'no need to VERB'; exit 0; fi
    if sh /program/keep VERB "$DIRECTORY" "$FOLDER" "$*" 2> /dev/null
    then printf true > $(step.results.fetched.path)
    else printf false > $(step.results.fetched.path)
    fi
"""

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata:
  name: build
  annotations:
    monopod.dev/cache: '{key: tools, paths: [tools]}'
spec:
  workspaces: [{name: source}]
  volumes:
  - {name: program, configMap: {name: program}}
  - {name: archives, persistentVolumeClaim: {claimName: archives}}
  stepTemplate:
    volumeMounts:
    - {name: program, mountPath: /program}
    - {name: archives, mountPath: /archives}
  steps:
  - name: fetch
    ref: {name: fetch-archive}
    params:
    - {name: PATTERNS, value: [go.sum, other.sum]}
    - {name: CACHE_PATH, value: $(workspaces.source.path)/modules}
    - {name: WORKING_DIR, value: $(workspaces.source.path)}
  - name: build
    image: localhost/monopod-test/busybox:1
    workingDir: $(workspaces.source.path)
    script: |
      #!/bin/sh
      echo "fetched: $(steps.fetch.results.fetched)"
      cat modules/module tools/tool 2> /dev/null
      mkdir -p modules tools
      echo a module > modules/module
      echo a tool > tools/tool
  - name: upload
    ref: {name: upload-archive}
    params:
    - {name: PATTERNS, value: [go.sum, other.sum]}
    - {name: CACHE_PATH, value: $(workspaces.source.path)/modules}
    - {name: WORKING_DIR, value: $(workspaces.source.path)}
    - {name: FETCHED, value: $(steps.fetch.results.fetched)}
"""


def test_both_caches_of_a_task_are_restored_by_its_next_run(backend, tmp_path):
    actions = [STEP_ACTION.replace("VERB", verb) for verb in ("fetch", "upload")]
    file = tmp_path / "run.yaml"
    file.write_text("---\n".join([TASK, PROGRAM, *actions]))

    def run(number):
        source = tmp_path / f"source-{number}"
        source.mkdir()
        for name in ("go.sum", "other.sum"):
            (source / name).write_text(f"{name} v1\n")
        ran = backend.run("-f", file, "-w", f"source={source}", "--cache-store", tmp_path / "store")
        assert ran.code == 0, ran.messages
        return ran

    first, second = run(1), run(2)
    assert first.lines("build/build") == ["fetched: false"]
    assert second.lines("build/build") == ["fetched: true", "a module", "a tool"]
    assert second.lines("build/upload") == ["no need to upload"]
    assert second.lines("build/cache-restore")[0].startswith("cache hit: tools, 1 file ")
    assert [entry.key for entry in DirectoryStore(str(tmp_path / "store")).entries()] == ["tools"]
