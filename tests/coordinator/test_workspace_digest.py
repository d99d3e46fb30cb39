"""The digest of a Workspace, compared with those that other programs compute."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.coordinator.workspaces import digest
from monopod.coordinator.workspaces.tree import open_root

SHELL = r"""
cd "$1"
export LC_ALL=C
find . -mindepth 1 -printf '%P\0' | sort -z | while IFS= read -r -d '' path; do
    if [ -L "$path" ]; then content=$(readlink -n -- "$path" | sha256sum); kind=l
    elif [ -d "$path" ]; then content=-; kind=d
    elif [ -p "$path" ]; then content=-; kind=p
    else
        content=$(sha256sum < "$path"); kind=f
        case $(stat -c %A -- "$path") in ???x*|???s*) kind=x;; esac
    fi
    printf '%s %s %s\0' "$kind" "${content%% *}" "$path"
done | sha256sum | cut -d ' ' -f 1
"""

NAMES = st.sampled_from(["a", "b", "a.b", "a-b", "ä", "x y", "new\nline", "-n", "\udcff"])
CONTENT = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=20), st.sampled_from([0o644, 0o755, 0o600, 0o4755])),
    st.tuples(st.just("link"), st.sampled_from([b"a", b"../x", b"/nowhere", b"\xff\n"])),
    st.tuples(st.just("fifo")),
)
TREES = st.recursive(CONTENT, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


def make(path: Path, content: object) -> None:
    match content:
        case dict():
            path.mkdir(exist_ok=True)
            for name, inner in content.items():
                make(path / name, inner)
        case ("file", data, mode):
            path.write_bytes(data)
            path.chmod(mode)
        case ("link", target):
            os.symlink(target, os.fsencode(path))
        case ("fifo",):
            os.mkfifo(path)


def expected(root: Path) -> str:
    """Return the digest of a directory, by its definition."""
    records = []
    for path in sorted(root.rglob("*"), key=os.fsencode):
        content = "-"
        if path.is_symlink():
            kind, content = "l", hashlib.sha256(os.readlink(os.fsencode(path))).hexdigest()
        elif path.is_dir():
            kind = "d"
        elif path.is_fifo():
            kind = "p"
        else:
            kind = "x" if path.stat().st_mode & 0o100 else "f"
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        records.append(os.fsencode(f"{kind} {content} {path.relative_to(root)}\0"))
    return hashlib.sha256(b"".join(records)).hexdigest()


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_digest_is_that_of_the_sorted_records(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, object]):
    root = tmp_path_factory.mktemp("tree")
    make(root, tree)
    descriptor = open_root(str(root))
    try:
        assert digest.tree_digest(descriptor)[0] == expected(root)
    finally:
        os.close(descriptor)


def test_find_and_sha256sum_compute_the_same(tmp_path: Path):
    file = ("file", b"hello\n", 0o755)
    make(tmp_path, {"a": {"b": {}, "link": ("link", b"../x")}, "a.b": file, "x\ny": ("file", b"", 0o600), "-n": file})
    found = subprocess.run(["bash", "-c", SHELL, "oracle", tmp_path], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == expected(tmp_path)


def test_times_and_other_modes_do_not_change_the_digest(tmp_path: Path):
    def of_root() -> str:
        descriptor = open_root(str(tmp_path))
        try:
            return digest.tree_digest(descriptor)[0]
        finally:
            os.close(descriptor)

    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("x")
    before = of_root()
    os.utime(tmp_path / "file", (1, 1))
    (tmp_path / "file").chmod(0o666)
    (tmp_path / "directory").chmod(0o2770)
    (tmp_path / "lost+found").mkdir()
    assert of_root() == before
    (tmp_path / "file").chmod(0o744)
    assert of_root() != before


def test_artifact_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one").write_text("1")
    path = tmp_path / "step" / "artifacts" / "provenance.json"
    assert digest.main(["source", str(tmp_path / "files"), str(path)]) == 0
    (output,) = json.loads(path.read_text())["outputs"]
    said = capsys.readouterr().out
    assert said == f"sha256:{output['values'][0]['digest']['sha256']} (1 path)\n"
    assert (output["name"], output["values"][0]["uri"]) == ("source", "workspace:source")


def test_missing_directory_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert digest.main(["source", str(tmp_path / "none"), str(tmp_path / "file")]) == 1
    assert capsys.readouterr().out.startswith(f"cannot read {tmp_path}/none: No such file or directory; ")
