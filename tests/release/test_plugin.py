"""What krew installs: the manifest follows krew's rules, and an archive depends only on what is in it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from monopod.release import plugin

URL = "https://example.com/releases/v1.2.3"


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """The manifest that the command writes for two archives."""
    for architecture in plugin.PLATFORMS:
        (tmp_path / plugin.archive_name(architecture)).write_text(architecture)
    output = tmp_path / "monopod.yaml"
    options = ["--version", "1.2.3", "--url", f"{URL}/", "--homepage", "https://example.com", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["plugin.py", "manifest", "--archives", str(tmp_path), *options])
    assert plugin.main() == 0
    return yaml.safe_load(output.read_text())


def test_the_manifest_follows_the_rules_of_krew(manifest: dict):
    """The rules: https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/ and krew's validation."""
    assert manifest["apiVersion"] == "krew.googlecontainertools.github.com/v1alpha2"
    assert manifest["kind"] == "Plugin"
    assert re.fullmatch(r"[a-z][a-z0-9-]*", manifest["metadata"]["name"])
    spec = manifest["spec"]
    assert re.fullmatch(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", spec["version"])
    assert 0 < len(spec["shortDescription"]) <= 50
    assert not spec["shortDescription"].endswith(".")
    assert spec["homepage"].startswith("https://")
    assert spec["platforms"]
    selectors = [platform["selector"]["matchLabels"] for platform in spec["platforms"]]
    assert len({tuple(sorted(each.items())) for each in selectors}) == len(selectors)
    for platform in spec["platforms"]:
        assert platform.keys() == {"selector", "uri", "sha256", "bin"}
        assert platform["uri"].startswith(f"{URL}/kubectl-monopod-linux-")
        assert re.fullmatch("[0-9a-f]{64}", platform["sha256"])
        assert not Path(platform["bin"]).is_absolute()
        assert ".." not in platform["bin"]
        assert platform["selector"]["matchLabels"].keys() == {"os", "arch"}


def test_the_manifest_has_the_digests_of_the_archives(manifest: dict):
    digests = {each["selector"]["matchLabels"]["arch"]: each["sha256"] for each in manifest["spec"]["platforms"]}
    assert digests == {name: hashlib.sha256(name.encode()).hexdigest() for name in plugin.PLATFORMS}


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    """Replaces pip: installs a package that is the same for all versions, and one that is not."""

    def install(_wheel, _architecture, python, target):
        (target / "same").mkdir(parents=True)
        (target / "same/__init__.py").write_text("")
        (target / "differs").mkdir()
        (target / "differs/__init__.py").write_text(python)

    monkeypatch.setattr(plugin, "_install", install)


def test_an_archive_holds_each_package_once_and_is_reproducible(install, tmp_path: Path):
    first = plugin.build_archive(Path("x.whl"), "amd64", tmp_path / "first", ("3.11", "3.12"))
    again = plugin.build_archive(Path("x.whl"), "amd64", tmp_path / "again", ("3.11", "3.12"))
    assert first.read_bytes() == again.read_bytes()
    with tarfile.open(first) as archive:
        names = [each.name for each in archive.getmembers() if each.isfile()]
        assert archive.getmember("kubectl-monopod").mode == 0o755
    assert sorted(names) == [
        "LICENSE",
        "kubectl-monopod",
        "lib/3.11/differs/__init__.py",
        "lib/3.12/differs/__init__.py",
        "lib/any/same/__init__.py",
    ]


def test_the_program_names_the_pythons_that_it_works_with(install, tmp_path: Path):
    path = plugin.build_archive(Path("x.whl"), "amd64", tmp_path, ("3.0", "3.1"))
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path / "plugin", filter="data")
    command = [sys.executable, tmp_path / "plugin/kubectl-monopod", "version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    version = ".".join(map(str, sys.version_info[:2]))
    assert done.returncode == 1
    assert done.stderr == f"kubectl monopod: python3 is Python {version}; this plugin needs one of: 3.0, 3.1\n"
