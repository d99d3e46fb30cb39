"""Which run RUN means: recorded, active, or in a cluster."""

import argparse
import fcntl
import os
import tempfile

import pytest
from recorded import record_run

from monopod.compiler.diagnostics import Problems
from monopod.runner.cancellation import CancelSocket
from monopod.runner.known_runs.finding import (
    NoSuchRunError,
    PodReference,
    Wanted,
    active_names,
    find_active_run,
    find_run,
    wanted,
)
from monopod.runner.kubelet import state_directory
from monopod.runner.records import store
from monopod.runner.records.store import records_root


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with tempfile.TemporaryDirectory() as directory:  # a short path, for sockets
        monkeypatch.setenv("TMPDIR", directory)
        yield
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.fixture
def record(sample, monkeypatch):
    monkeypatch.delenv("KUBECONFIG", raising=False)

    def record(name="ci", **options):
        plan = sample.plan(sample.task("a", "b"))
        return record_run(records_root(), plan, [sample.run_started(name), sample.run_finished(1)], **options)

    return record


def hold(record):
    """Lock a record, as the process that writes it does; return the lock."""
    lock = os.open(record.directory / store.LOCK_FILE, os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def test_latest_run_of_the_project_is_found(record):
    record("checkout"), record("other", project="/other")
    assert find_run(Wanted(None)).identity == "checkout"
    assert find_run(Wanted("pipelinerun.tekton.dev/other")).identity == "other"
    with pytest.raises(NoSuchRunError, match=r"no recorded run 'chekout' \(did you mean 'checkout'\?\)"):
        find_run(Wanted("chekout"))


def test_name_without_a_record_is_a_pod_if_there_is_a_kubeconfig(record, tmp_path, monkeypatch):
    record("ci")
    (tmp_path / "kubeconfig").write_text("")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    assert find_run(Wanted("build")) == PodReference("build", None, None, remark="no recorded run 'build'")
    assert find_run(Wanted("ci")).identity == "ci"
    assert find_run(Wanted("ci", context="prod")) == PodReference("ci", None, "prod")
    with pytest.raises(NoSuchRunError, match="no run of this project was recorded in this cluster"):
        find_run(Wanted(None, context="prod"))


def test_ended_run_cannot_be_cancelled(record):
    record("ci")
    with pytest.raises(NoSuchRunError, match="run 'ci' has ended"):
        find_active_run(Wanted("ci"))
    with pytest.raises(NoSuchRunError, match="no run 'nope'; you have no active run"):
        find_active_run(Wanted("nope"))
    with pytest.raises(NoSuchRunError, match="you have no active run"):
        find_active_run(Wanted(None))


def test_active_runs_are_cancelled_by_name_or_as_the_only_one(record):
    first, second = state_directory.create("one"), state_directory.create("two")
    with CancelSocket(first.path):
        assert find_active_run(Wanted(None)).name == "one"
        with CancelSocket(second.path):
            assert active_names() == ["one", "two"]
            with pytest.raises(NoSuchRunError, match="several runs are active; choose one: one, two"):
                find_active_run(Wanted(None))
            assert find_active_run(Wanted("two")).name == "two"
            with pytest.raises(NoSuchRunError, match=r"no run 'tow' \(did you mean 'two'\?\); active runs: one, two"):
                find_active_run(Wanted("tow"))
    for directory in (first, second):
        os.close(directory.lock)


def test_active_run_of_another_project_is_cancelled_only_by_name(record, tmp_path, monkeypatch):
    run, here = state_directory.create("other"), os.getcwd()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with CancelSocket(run.path):
        assert find_active_run(Wanted(None)).name == "other", "it has no record"
        monkeypatch.chdir(here)
        with pytest.raises(NoSuchRunError, match="no active run in this project; active runs: other"):
            find_active_run(Wanted(None))
        assert find_active_run(Wanted("other")).name == "other"
    os.close(run.lock)


def test_project_says_where_pods_without_a_record_are(record, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    (tmp_path / "kubeconfig").write_text("")
    (tmp_path / "monopod.yaml").write_text("context: prod\nnamespace: ci\n")
    monkeypatch.chdir(tmp_path)
    record("checkout")

    def of(name, **options):
        return wanted(argparse.Namespace(**{"context": None, "namespace": None, **options}), name)

    for find in (find_run, find_active_run):
        assert (find(of("build")).context, find(of("build")).namespace) == ("prod", "ci")
        found = find(of("build", context="test"))
        assert (found.context, found.namespace) == ("test", "ci")
        found = find(of("build", namespace="own"))
        assert (found.context, found.namespace) == ("prod", "own")
    assert find_run(of("checkout")).identity == "checkout", "records come first"
    (tmp_path / "monopod.yaml").write_text("contxt: prod\n")
    with pytest.raises(Problems, match="contxt"):
        of("build")


def test_record_says_where_its_pod_is(record, tmp_path, monkeypatch):
    (tmp_path / "monopod.yaml").write_text("context: prod\nnamespace: ci\n")
    monkeypatch.chdir(tmp_path)
    run = record("build", ended=False)
    header = run.directory / store.HEADER_FILE
    text = header.read_text().replace('"backend": "host"', '"backend": "kubernetes"')
    header.write_text(text.replace('"context": ""', '"context": "test"'))
    for options in ({"namespace": "default"}, {"context": "test"}):
        found = find_run(wanted(argparse.Namespace(**{"context": None, "namespace": None, **options}), "build"))
        assert (found.context, found.namespace) == ("test", "default")


def test_detached_run_is_cancelled_only_if_it_is_the_latest(record):
    detached = record("detached", ended=False)
    header = detached.directory / store.HEADER_FILE
    text = header.read_text().replace('"backend": "host"', '"backend": "kubernetes"')
    header.write_text(text.replace('"is_detached": false', '"is_detached": true'))
    assert store.open_record(detached.directory).status == "Detached"
    assert find_active_run(Wanted(None)).name == "detached"
    latest = record("latest")
    header = latest.directory / store.HEADER_FILE
    header.write_text(header.read_text().replace('"started": ', '"started": 1'))
    with pytest.raises(NoSuchRunError, match="you have no active run"):
        find_active_run(Wanted(None))
    assert find_active_run(Wanted("detached")).name == "detached"


def test_active_run_in_a_cluster_is_known_by_its_record(record, monkeypatch):
    started = record("build", ended=False)
    header = started.directory / store.HEADER_FILE
    header.write_text(header.read_text().replace('"backend": "host"', '"backend": "kubernetes"'))
    lock = hold(started)
    try:
        found = find_active_run(Wanted(None))
        assert (found.name, found.namespace, found.context) == ("build", "default", None)
        assert find_run(Wanted("build")).identity == "build"
    finally:
        os.close(lock)
    assert find_run(Wanted("build")).name == "build"  # its record stopped: it is read from the cluster
    assert isinstance(find_run(Wanted("build")), PodReference)
    assert find_active_run(Wanted(None)).name == "build", "its Pod may still be running"
