"""The slot's /tekton: each attempt starts clean, and no file of a Step leads outside."""

import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.coordinator import slot_directory
from monopod.coordinator.slot_directory import MAX_RESULT_BYTES, SlotDirectory


@pytest.fixture
def tekton(tmp_path):
    path = tmp_path / "slot" / "tekton"
    path.mkdir(parents=True)
    (tmp_path / "slot" / "scripts").mkdir()
    return path


@pytest.fixture
def slot(tekton):
    return SlotDirectory(str(tekton.parent))


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "outside"
    path.mkdir()
    (path / "secret").write_text("secret")
    return path


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def make_huge(path):
    path.touch()
    os.truncate(path, 1 << 40)


class TestBeginAttempt:
    @pytest.mark.parametrize("umask", [0o000, 0o077])
    def test_makes_directories_that_any_user_can_write(self, slot, tekton, umask):
        before = os.umask(umask)
        slot.begin_attempt()
        os.umask(before)
        assert {path.name: mode(path) for path in tekton.iterdir()} == dict.fromkeys(
            ("results", "steps", "home", "artifacts", "run"), 0o777
        )

    def test_removes_files_of_an_earlier_attempt(self, slot, tekton):
        slot.begin_attempt()
        (tekton / "results" / "digest").write_text("old")
        (tekton / "steps" / "step-a" / "results").mkdir(parents=True)
        (tekton / "home" / ".config").mkdir()
        (tekton / "artifacts" / "provenance.json").write_text("{}")
        slot.begin_attempt()
        assert sorted(os.listdir(tekton)) == ["artifacts", "home", "results", "run", "steps"]
        assert not any(os.listdir(tekton / name) for name in os.listdir(tekton))

    def test_symbolic_links_are_removed_and_not_followed(self, slot, tekton, outside):
        slot.begin_attempt()
        (tekton / "results" / "link").symlink_to(outside)
        (tekton / "steps").rmdir()
        (tekton / "steps").symlink_to(outside)
        (tekton / "home").rmdir()
        (tekton / "home").write_text("a file")
        slot.begin_attempt()
        assert (outside / "secret").read_text() == "secret"
        assert sorted(os.listdir(tekton)) == ["artifacts", "home", "results", "run", "steps"]
        assert not (tekton / "steps").is_symlink()
        assert not any(os.listdir(tekton / name) for name in os.listdir(tekton))

    def test_directory_that_may_be_a_mount_point_is_kept(self, slot, tekton):
        slot.begin_attempt()
        before = (tekton / "home").stat().st_ino
        (tekton / "home" / ".profile").write_text("x")
        slot.begin_attempt()
        assert (tekton / "home").stat().st_ino == before
        assert os.listdir(tekton / "home") == []

    def test_very_deep_tree_is_removed(self, slot, tekton, monkeypatch, request):
        # pytest's own clean-up recurses, and would fail on the leftovers of this test
        request.addfinalizer(lambda: subprocess.run(["rm", "-rf", tekton], check=True))
        monkeypatch.setattr(slot_directory, "_REMOVALS", 10_000)
        slot.begin_attempt()
        monkeypatch.chdir(tekton / "results")
        for _ in range(2000):
            os.mkdir("d" * 100)
            os.chdir("d" * 100)
        os.chdir("/")
        slot.begin_attempt()
        assert sorted(os.listdir(tekton)) == ["artifacts", "home", "results", "run", "steps"]

    def test_very_wide_tree_is_removed_in_parts(self, slot, tekton, monkeypatch):
        monkeypatch.setattr(slot_directory, "_REMOVALS", 10)
        slot.begin_attempt()
        for number in range(25):
            (tekton / "results" / str(number)).write_text("")
        slot.begin_attempt()
        assert os.listdir(tekton / "results") == []
        assert len(os.listdir(tekton)) == 6
        for _ in range(6):
            slot.begin_attempt()
        assert sorted(os.listdir(tekton)) == ["artifacts", "home", "results", "run", "steps"]


class TestWriting:
    def test_directories(self, slot, tekton):
        slot.make_directories(["/tekton/steps/step-a/results", "/tekton/steps/step-a/results", "/tekton/x"])
        assert mode(tekton / "steps" / "step-a" / "results") == 0o777
        assert mode(tekton / "steps") == 0o777
        assert (tekton / "x").is_dir()

    def test_file_in_the_way_of_a_directory_is_removed(self, slot, tekton, outside):
        (tekton / "steps").symlink_to(outside)
        (tekton / "a").write_text("")
        slot.make_directories(["/tekton/steps/step-a", "/tekton/a/b"])
        assert os.listdir(outside) == ["secret"]
        assert (tekton / "steps" / "step-a").is_dir()
        assert (tekton / "a" / "b").is_dir()

    @pytest.mark.parametrize("umask", [0o000, 0o077])
    def test_scripts_can_be_run_by_any_user(self, slot, tekton, umask):
        before = os.umask(umask)
        slot.write_script("build-1", "#!/bin/sh\necho é\n")
        os.umask(before)
        script = tekton.parent / "scripts" / "build-1"
        assert script.read_text() == "#!/bin/sh\necho é\n"
        assert mode(script) == 0o755

    def test_exit_codes_replace_what_is_there(self, slot, tekton, outside):
        slot.write_exit_code("step-a", 0, 0)
        slot.write_exit_code("step-a", 0, 1)
        path = tekton / "steps" / "step-a" / "exitCode"
        assert path.read_text() == "1"
        assert mode(path) == 0o644
        path.unlink()
        path.symlink_to(outside / "secret")
        slot.write_exit_code("step-a", 0, 2)
        assert path.read_text() == "2"
        path.unlink()
        path.mkdir()
        slot.write_exit_code("step-a", 0, 3)
        assert path.read_text() == "3"
        assert (outside / "secret").read_text() == "secret"

    @pytest.mark.parametrize("blocker", ["file", "directory", "link", "dangling"])
    def test_position_of_a_step_is_a_link_to_its_directory(self, slot, tekton, outside, blocker):
        steps = tekton / "steps"
        position = steps / "1"
        steps.mkdir()
        match blocker:
            case "file":
                position.write_text("x")
            case "directory":
                (position / "results").mkdir(parents=True)
            case "link":
                position.symlink_to(outside)
            case "dangling":
                position.symlink_to("step-z")
        slot.write_exit_code("step-b", 1, 4)
        assert position.readlink() == Path("step-b")
        assert (position / "exitCode").read_text() == "4"
        assert not (outside / "exitCode").exists()

    @pytest.mark.parametrize("path", ["/etc/passwd", "/tekton", "/tekton/../x", "/tekton//x", "x", "/tekton/a\0b"])
    def test_other_paths_are_refused(self, slot, path):
        with pytest.raises(ValueError, match="is not a path below /tekton"):
            slot.make_directories([path])


class TestReading:
    def read(self, slot, *names):
        return slot.read_files([f"/tekton/results/{name}" for name in names])[:2]

    @pytest.fixture
    def results(self, slot, tekton):
        slot.begin_attempt()
        return tekton / "results"

    def test_reading_files(self, slot, results):
        (results / "a").write_text("one\n")
        (results / "b").write_text("")
        assert self.read(slot, "a", "b", "c") == ({"/tekton/results/a": "one\n", "/tekton/results/b": ""}, {})

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda p: p.symlink_to("/etc/passwd"), "is a symbolic link"),
            (lambda p: p.symlink_to("nowhere"), "is a symbolic link"),
            (os.mkfifo, "is not a regular file"),
            (lambda p: p.mkdir(), "is not a regular file"),
            (make_huge, "is larger than 1024 KiB"),
        ],
    )
    def test_reasons_for_not_reading_a_file(self, slot, results, make, words):
        make(results / "bad")
        (results / "good").write_text("yes")
        path = "/tekton/results/bad"
        assert self.read(slot, "bad", "good") == ({"/tekton/results/good": "yes"}, {path: f"{path} {words}"})

    def test_a_socket(self, slot, results, monkeypatch):
        monkeypatch.chdir(results)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("bad")
            path = "/tekton/results/bad"
            assert self.read(slot, "bad") == ({}, {path: f"{path} is not a regular file"})

    def test_links_in_the_path_are_not_followed(self, slot, results, tekton, outside):
        results.rmdir()
        results.symlink_to(outside)
        path = "/tekton/results/secret"
        problem = f"{path} has something other than a directory on its path"
        assert self.read(slot, "secret") == ({}, {path: problem})

    def test_missing_directory(self, slot):
        assert slot.read_files(["/tekton/steps/step-a/results/x"])[:2] == ({}, {})

    def test_largest_file(self, slot, results):
        (results / "a").write_bytes(b"x" * MAX_RESULT_BYTES)
        files, problems = self.read(slot, "a")
        assert len(files["/tekton/results/a"]) == MAX_RESULT_BYTES
        assert not problems

    @pytest.mark.parametrize(
        ("content", "text"),
        [(b"\xff\xfe", "\ufffd\ufffd"), (b"caf\xe9 \xe2\x82\xac", "caf\ufffd \u20ac"), (b"\xed\xa0\x80", "\ufffd" * 3)],
    )
    def test_invalid_utf8_is_replaced_as_in_go(self, slot, results, content, text):
        (results / "a").write_bytes(content)
        assert slot.read_files(["/tekton/results/a"]) == (
            {"/tekton/results/a": text},
            {},
            False,
            ("/tekton/results/a",),
        )

    @pytest.mark.parametrize(("size", "too_large"), [(MAX_RESULT_BYTES, False), (MAX_RESULT_BYTES + 1, True)])
    def test_too_large_files_are_reported_as_such(self, slot, results, size, too_large):
        (results / "a").write_bytes(b"x" * size)
        (results / "b").symlink_to("nowhere")
        assert slot.read_files(["/tekton/results/a", "/tekton/results/b"]).too_large is too_large

    def test_many_large_files(self, slot, results):
        for number in range(10):
            (results / str(number)).write_bytes(b"x" * MAX_RESULT_BYTES)
        files, problems = self.read(slot, *map(str, range(10)))
        assert len(files) == 8
        assert problems["/tekton/results/8"].endswith("makes the Results of the Task larger than 8192 KiB together")

    @pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
    def test_unreadable_file(self, slot, results):
        (results / "a").write_text("x")
        (results / "a").chmod(0)
        assert "Permission denied" in self.read(slot, "a")[1]["/tekton/results/a"]

    @given(st.text(st.characters(codec="utf-8")))
    def test_any_text_is_read_back(self, tmp_path_factory, text):
        path = tmp_path_factory.mktemp("slot")
        (path / "tekton").mkdir()
        slot = SlotDirectory(str(path))
        slot.make_directories(["/tekton/results"])
        (path / "tekton" / "results" / "a").write_bytes(text.encode())
        assert slot.read_files(["/tekton/results/a"]) == ({"/tekton/results/a": text}, {}, False, ())
