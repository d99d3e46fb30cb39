"""Finding records, and removing the oldest records."""

import os

import pytest
from recorded import record_run

from monopod.runner.records import store
from monopod.runner.records.store import RecordError, choose, own_project, prune, records, records_root


@pytest.fixture
def make(tmp_path, sample):
    def make(name, started, size=0, pipeline="pipeline", project=None):
        plan = sample.plan(sample.task("a", "b"))
        plan = plan._replace(pipeline=plan.pipeline._replace(name=pipeline))
        begin = sample.run_started(name)._replace(at=started)
        record = record_run(tmp_path, plan, [begin, sample.run_finished(1)], project=project)
        (record.directory / "output.1").write_bytes(b"x" * size)
        return record

    return make


def identities(root):
    return [record.identity for record in records(root)]


def test_latest_run_comes_first(tmp_path, make):
    make("b", 2.0), make("c", 1.0), make("a", 3.0)
    assert identities(tmp_path) == ["a", "b", "c"]


def test_other_files_are_not_records(tmp_path, make):
    make("a", 1.0)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "run.json").write_text('{"format": 1, "na')
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "run.json").write_text('{"format": 99}')
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.json").write_text('{"format": 1, "files": []}')
    assert identities(tmp_path) == ["a"]
    assert records(tmp_path / "nowhere") == ()


def test_run_is_chosen_by_identity_then_name_then_pipeline(tmp_path, make):
    make("ci", 1.0, pipeline="build"), make("ci", 2.0, pipeline="build"), make("x", 3.0, pipeline="ci")
    project = own_project()
    assert choose(tmp_path, None, project).identity == "x"
    assert choose(tmp_path, "ci", project).identity == "ci"
    assert choose(tmp_path, "ci.2", project).identity == "ci.2"
    assert choose(tmp_path, "build", project).identity == "ci.2"
    with pytest.raises(RecordError, match=r"no recorded run 'ci\.3' \(did you mean 'ci"):
        choose(tmp_path, "ci.3", project)
    with pytest.raises(RecordError, match="no recorded runs"):
        choose(tmp_path / "nowhere", None, project)


def test_runs_of_the_project_come_first(tmp_path, make):
    make("a", 1.0), make("b", 2.0, project="/other"), make("c", 3.0, project="/other")
    assert choose(tmp_path, None, own_project()).identity == "a"
    assert choose(tmp_path, "pipeline", own_project()).identity == "a"
    assert choose(tmp_path, "pipeline", "/third").identity == "c"
    assert choose(tmp_path, "b", own_project()).identity == "b"
    with pytest.raises(RecordError, match=r"no recorded run of /third; `monopod runs --all` lists"):
        choose(tmp_path, None, "/third")


def test_oldest_records_are_removed(tmp_path, make):
    for number in range(5):
        make(f"run-{number}", float(number))
    prune(tmp_path, most_runs=3)
    assert identities(tmp_path) == ["run-4", "run-3", "run-2"]


def test_large_records_are_removed_before_older_small_records(tmp_path, make):
    make("small", 1.0), make("large", 2.0, size=100_000), make("latest", 3.0)
    prune(tmp_path, most_bytes=50_000)
    assert identities(tmp_path) == ["latest", "small"]


def test_record_of_an_active_run_is_never_removed(tmp_path, make):
    record = make("a", 1.0)
    make("b", 2.0)
    lock = os.open(record.directory / store.LOCK_FILE, os.O_RDWR)
    store.fcntl.flock(lock, store.fcntl.LOCK_EX)
    try:
        prune(tmp_path, most_runs=0)
    finally:
        os.close(lock)
    assert identities(tmp_path) == ["a"]


def test_location_of_the_records(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert str(records_root()) == "/state/monopod/runs"
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", ignored)
        assert str(records_root()) == "/home/ann/.local/state/monopod/runs"
