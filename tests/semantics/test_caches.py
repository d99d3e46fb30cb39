"""Caches between runs, on the host and in containers: missed, saved, hit, and what is not cached."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

import pytest
from registry_server import HTPASSWD

from monopod.system.caches.directory_store import DirectoryStore

pytestmark = pytest.mark.slow

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: build}
spec:
  params: [{name: version, default: "1"}, {name: exit, default: "0"}]
  workspaces: [{name: source}]
  tasks:
  - name: build
    params: [{name: version, value: $(params.version)}]
    workspaces: [{name: source}]
    taskSpec:
      metadata:
        annotations:
          monopod.dev/cache: |
            - key: go-$(params.version)-$(hashFiles('**/go.sum'))
              restoreKeys: [go-$(params.version)-]
              paths: [vendor, ~/.cache/tool]
              policy: POLICY
            - key: log-$(params.version)
              paths: [log]
              when: always
      params: [{name: version}]
      workspaces: [{name: source}]
      steps:
      - name: build
        image: localhost/monopod-test/IMAGE
        workingDir: $(workspaces.source.path)
        securityContext: {runAsUser: USER, runAsGroup: USER}
        script: |
          cat vendor/module ~/.cache/tool/state log/log || true
          mkdir -p vendor ~/.cache/tool log
          echo "module for $(cat go.sum)" > vendor/module
          echo state > ~/.cache/tool/state
          echo log > log/log
          exit $(params.exit)
"""


_VIEW = "          monopod.dev/views: source=copy\n"


@pytest.fixture
def runs(backend, tmp_path):
    return Runs(backend, tmp_path)


@pytest.fixture
def host_runs(make_backend, tmp_path):
    """For what the coordinator decides, which is the same on every backend."""
    return Runs(make_backend("host"), tmp_path)


class Runs:
    """Runs of the Pipeline, each with a new folder for the Workspace."""

    def __init__(self, backend, directory: Path) -> None:
        self.backend = backend
        self.directory = directory
        self.store = DirectoryStore(str(directory / "store"))
        self.count = 0

    def run(
        self,
        go_sum="1",
        *options,
        user=0,
        policy="both",
        cache_store=None,
        network="none",
        image="busybox:1",
        views=False,
    ):
        self.count += 1
        source = self.directory / f"source-{self.count}"
        source.mkdir()
        source.chmod(0o777)
        (source / "go.sum").write_text(f"{go_sum}\n")
        pipeline = self.directory / "pipeline.yaml"
        text = PIPELINE.replace("USER", str(user)).replace("POLICY", policy).replace("IMAGE", image)
        text = text.replace("annotations:\n", f"annotations:\n{_VIEW}") if views else text
        pipeline.write_text(text if image == "busybox:1" else re.sub(" *securityContext.*\n", "", text))
        store = cache_store or str(self.directory / "store")
        return self.backend.run(
            "-f", pipeline, "-w", f"source={source}", "--cache-store", store, *options, network=network
        )

    def keys(self):
        return sorted(entry.key[:8] for entry in self.store.entries())


def test_a_miss_is_saved_and_later_runs_hit(runs):
    first = runs.run()
    restored, saved = first.lines("build/cache-restore"), first.lines("build/cache-save")
    assert [line[:16] for line in restored] == ["cache miss: go-1", "cache miss: log-"]
    assert saved[0].startswith("cache saved: go-1-")
    second = runs.run()
    assert second.lines("build/build") == ["module for 1", "state", "log"]
    restored = second.lines("build/cache-restore")
    assert restored[0].startswith("cache hit: go-1-")
    assert ", 2 files (19 bytes) in " in restored[0]
    assert second.lines("build/cache-save")[0].startswith("cache not saved, since it was restored: go-1-")
    assert (first.code, second.code) == (0, 0)
    assert len(runs.store.entries()) == 2


def test_a_changed_file_restores_the_newest_entry_with_the_prefix(host_runs):
    host_runs.run("1")
    host_runs.run("2")
    third = host_runs.run("3")
    assert third.lines("build/build")[0] == "module for 2"
    assert "restored the newest similar entry: go-1-" in third.lines("build/cache-restore")[0]
    other = host_runs.run("3", "-p", "version=2")
    assert other.lines("build/cache-restore")[0].startswith("cache miss: go-2-")
    assert [entry.key[:5] for entry in host_runs.store.entries()].count("go-1-") == 3


def test_a_failed_task_saves_only_what_is_always_saved(host_runs):
    failed = host_runs.run("1", "-p", "exit=3")
    assert failed.code == 1
    assert host_runs.keys() == ["log-1"]
    assert failed.lines("build/cache-save-2")[0].startswith("cache saved: log-1, ")
    assert failed.lines("build/cache-save") == []


def test_policies(host_runs):
    assert host_runs.run(policy="pull").code == 0
    assert host_runs.keys() == ["log-1"]
    pushed = host_runs.run(policy="push")
    assert len(host_runs.keys()) == 2
    assert "module for 1" not in host_runs.run(policy="push").lines("build/build")
    assert pushed.lines("build/cache-restore")[0].startswith("cache not restored (policy push): go-1-")


def test_without_a_store_nothing_is_cached_and_nothing_fails(host_runs):
    off = host_runs.run(cache_store="-")
    assert off.code == 0
    assert off.lines("build/cache-restore") == []
    assert host_runs.keys() == []


def test_steps_of_another_user_are_cached(runs):
    if runs.backend.name == "host" and os.geteuid() != 0:
        pytest.skip("to be several users, the host backend needs root")
    runs.run(user=1000)
    second = runs.run(user=1000)
    assert second.lines("build/build") == ["module for 1", "state", "log"]
    assert second.code == 0


def test_steps_can_change_what_was_restored_if_only_their_image_says_which_user_they_are(make_backend, tmp_path):
    runs = Runs(make_backend("podman"), tmp_path)
    assert runs.run("1", image="its-own:1").code == 0
    changed = runs.run("2", image="its-own:1")
    assert "restored the newest similar entry" in changed.lines("build/cache-restore")[0]
    assert "module for 1" in changed.lines("build/build")
    assert changed.code == 0
    assert "module for 2" in runs.run("2", image="its-own:1").lines("build/build")


def test_a_private_view_of_a_workspace_is_what_is_cached(runs):
    first = runs.run(views=True)
    assert first.lines("build/cache-save")[0].startswith("cache saved: go-1-")
    assert (runs.directory / "source-1/vendor/module").read_text() == "module for 1\n"
    second = runs.run(views=True)
    assert second.lines("build/build") == ["module for 1", "state", "log"]
    assert (runs.directory / "source-2/vendor/module").read_text() == "module for 1\n"


def test_a_claim_is_a_store(runs):
    runs.run(cache_store="pvc:cache")
    assert runs.run(cache_store="pvc:cache").lines("build/cache-restore")[0].startswith("cache hit: go-1-")
    listed = runs.backend.monopod("cache", "list", "--cache-store", "pvc:cache", "-o", "name")
    assert len(listed.splitlines()) == 2


def test_a_store_that_cannot_be_used_is_a_miss(host_runs):
    (host_runs.directory / "store").mkdir()
    (host_runs.directory / "store/entries").write_text("")
    finished = host_runs.run()
    assert finished.code == 0
    assert "cannot use the cache" in " ".join(finished.lines("build/cache-save"))


def test_a_registry_with_a_password_is_a_store(runs, start_registry):
    registry = start_registry(HTPASSWD)
    store = f"oci:{registry.host}/team/cache"
    refused = runs.run(cache_store=store, network="host")
    assert refused.code == 0
    assert "the registry requires a login" in refused.lines("build/cache-restore")[0]
    login = base64.b64encode(b"builder:secret").decode()
    (runs.directory / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": login}}}))
    runs.backend.environment["DOCKER_CONFIG"] = str(runs.directory)
    missed = runs.run(cache_store=store, network="host")
    assert missed.lines("build/cache-restore")[0].startswith("cache miss: go-1-")
    assert missed.lines("build/cache-save")[0].startswith("cache saved: go-1-")
    second = runs.run(cache_store=store, network="host")
    assert second.lines("build/build") == ["module for 1", "state", "log"]
    assert "builder" not in second.output
    assert login not in second.output
    assert len(runs.backend.monopod("cache", "list", "--cache-store", store, "-o", "name").splitlines()) == 2
    runs.backend.monopod("cache", "prune", "--all", "--cache-store", store)
    assert runs.backend.monopod("cache", "list", "--cache-store", store, "-o", "name") == ""
