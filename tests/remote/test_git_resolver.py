"""The resolver ``git``, with repositories on disk and behind git's own HTTP server."""

from __future__ import annotations

import math
import os
import re

import pytest

from monopod.compiler.remote.git_program import Git, GitError


def params(repository, revision="main", path="task.yaml", **more):
    return {"url": repository.url, "revision": revision, "pathInRepo": path, **more}


@pytest.mark.parametrize("revision", ["main", "refs/heads/main", "heads/main", "v1", "annotated", "HEAD", "first"])
def test_branch_tag_or_commit_is_found(ask, repository, task, revision):
    repository.git("tag", "v1")
    repository.git("tag", "--annotate", "-m", "One", "annotated")
    asked = repository.first if revision == "first" else revision
    resolved = ask("git", params(repository, asked))
    assert resolved.content.decode() == task
    assert resolved.source.to_json() == {
        "uri": f"git+{repository.url}",
        "digest": {"sha1": repository.first},
        "entryPoint": "task.yaml",
    }
    assert resolved.origin == f"git {repository.url} @ {repository.first[:12]} task.yaml"


def test_default_revision_is_main(ask, repository, task):
    assert ask("git", {"url": repository.url, "pathInRepo": "task.yaml"}).content.decode() == task


def test_tag_precedes_a_branch_of_the_same_name(ask, repository):
    repository.git("tag", "both")
    repository.git("checkout", "--quiet", "-b", "both")
    repository.commit(task__yaml="the branch")
    assert ask("git", params(repository, "both")).content != b"the branch"
    assert ask("git", params(repository, "refs/heads/both")).content == b"the branch"


def test_branch_is_requested_each_time_and_commit_is_cached(ask, repository, tmp_path):
    assert ask("git", params(repository)).source.digest == (("sha1", repository.first),)
    second = repository.commit(task__yaml="changed")
    assert ask("git", params(repository)).source.digest == (("sha1", second),)
    os.rename(repository.directory, tmp_path / "gone")
    assert ask("git", params(repository, repository.first)).content != b"changed"
    assert ask("git", params(repository, second)).content == b"changed"


def test_commit_without_a_branch_is_fetched(ask, repository, task):
    repository.commit(task__yaml="changed")
    assert ask("git", params(repository, repository.first)).content.decode() == task


def test_repository_with_sha256_commits(ask, make_repository, task):
    repository = make_repository("longer", object_format="sha256")
    commit = repository.commit(task__yaml=task)
    for revision in ("main", commit):
        resolved = ask("git", params(repository, revision, cache="never"))
        assert (resolved.content.decode(), resolved.source.digest) == (task, (("sha256", commit),))


def test_directory_of_this_machine(ask, repository, task, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    resolved = ask("git", {**params(repository), "url": "./repository"})
    assert (resolved.content.decode(), resolved.source.uri) == (task, f"git+{repository.url}")


@pytest.mark.parametrize("path", ["/task.yaml", "./task.yaml", "a/../task.yaml", "link.yaml", "linked/inner.yaml"])
def test_paths_are_relative_to_the_repository(ask, repository, task, path):
    os.symlink("task.yaml", repository.directory / "link.yaml")
    os.symlink("directory", repository.directory / "linked")
    repository.commit(directory___inner__yaml=task)
    assert ask("git", params(repository, path=path)).content.decode() == task


def test_failures_to_fetch_are_reported(refusal, repository):
    os.symlink("/etc/hostname", repository.directory / "out.yaml")
    os.symlink("nothing", repository.directory / "dangling.yaml")
    repository.git("checkout", "--quiet", "-b", "release")
    head = repository.commit(directory___inner__yaml="")
    repository.git("branch", "-f", "main")

    def error_of(param, **changes):
        message, wrong = refusal("git", {**params(repository), **changes})
        assert wrong == param
        return message.replace(repository.url, "URL").replace(head[:12], "HEAD")

    assert error_of("pathInRepo", pathInRepo="tsk.yaml") == (
        "git URL @ main tsk.yaml: there is no such file at HEAD (did you mean 'task.yaml'?)"
    )
    assert "there is no such file" in error_of("pathInRepo", pathInRepo="dangling.yaml")
    assert "a symbolic link leaves the repository" in error_of("pathInRepo", pathInRepo="out.yaml")
    assert "this is a directory; name a file in it" in error_of("pathInRepo", pathInRepo="directory")
    assert (
        error_of("pathInRepo", pathInRepo="../task.yaml") == "'../task.yaml' is not a path of a file in the repository"
    )
    assert error_of("revision", revision="relase") == (
        "git URL @ relase task.yaml: the repository has no branch or tag 'relase' (did you mean 'release'?)"
    )
    assert error_of("revision", revision=head[:8]).endswith("; write a commit with all 40 digits")
    assert error_of("revision", revision="--upload-pack=touch /tmp/x") == (
        "'--upload-pack=touch /tmp/x' is not a branch, tag or commit"
    )
    assert "not our ref" in error_of(None, revision="0123456789" * 4)
    assert error_of("url", url="--upload-pack=x").startswith("'--upload-pack=x' is not a repository; expected https://")
    assert error_of("url", url="ext::sh -c date").startswith("'ext::sh -c date' is not a repository")
    assert "; monopod does not substitute {{source_url}}; write a value" in error_of("url", url="{{source_url}}")
    assert "does not appear to be a git repository; check the url" in error_of(None, url="file:///nowhere/at/all")
    assert error_of("repo", repo="r") == "only one of url, repo may be given"
    assert refusal("git", {"url": repository.url}) == ("the resolver git needs the param 'pathInRepo'", None)


def test_too_large_file_is_rejected(refusal, repository, monkeypatch):
    monkeypatch.setattr("monopod.compiler.remote.git_resolver.MAX_DOCUMENT_BYTES", 100)
    message, _ = refusal("git", params(repository))
    assert message.endswith(" MiB")


def test_too_large_or_too_slow_repository_is_given_up(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 100)
    environment = {"PATH": os.environ["PATH"]}
    waiting = ("-c", "alias.wait=!sleep 600", "wait")
    with pytest.raises(GitError, match="is larger than"):
        Git(str(tmp_path), environment, math.inf, max_bytes=99).run(*waiting)
    with pytest.raises(GitError, match="git did not finish within 60 seconds"):
        Git(str(tmp_path), environment, -math.inf).run(*waiting)


def test_hooks_and_environment_of_git_are_ignored(ask, repository, task, tmp_path, monkeypatch):
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("reference-transaction", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f"[init]\ntemplateDir = {tmp_path}/template\n[core]\nhooksPath = {hooks}\n")
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert ask("git", params(repository)).content.decode() == task
    assert not (tmp_path / "ran").exists()


# Over HTTP


def test_repository_over_http(ask, repository, git_server, task):
    url = f"{git_server.url}/repository/.git"
    resolved = ask("git", {"url": url, "pathInRepo": "task.yaml"})
    assert (resolved.content.decode(), resolved.source.uri) == (task, f"git+{url}")
    asked = len(git_server.asked)
    ask("git", {"url": url, "pathInRepo": "task.yaml", "revision": repository.first})
    assert len(git_server.asked) == asked, "a commit is fetched once"


def test_only_the_requested_file_is_fetched(ask, repository, git_server, task, monkeypatch):
    repository.git("config", "uploadpack.allowFilter", "true")
    repository.commit(large__bin=os.urandom(300_000).hex())
    sizes = []
    run = Git.run

    def measured(self, *arguments, standard_input=b""):
        output = run(self, *arguments, standard_input=standard_input)
        packs = os.path.join(self.directory, "objects", "pack")
        sizes.append(sum(entry.stat().st_size for entry in os.scandir(packs)) if os.path.isdir(packs) else 0)
        return output

    monkeypatch.setattr(Git, "run", measured)
    assert ask("git", {"url": f"{git_server.url}/repository/.git", "pathInRepo": "task.yaml"}).content.decode() == task
    assert 0 < max(sizes) < 100_000


def test_token_comes_from_a_secret_and_is_never_shown(ask, refusal, repository, git_server, secret, task):
    git_server.token = "s3cret"
    asked = {"url": f"{git_server.url}/repository/.git", "pathInRepo": "task.yaml"}
    message, _ = refusal("git", asked)
    assert "could not read Username" in message
    assert message.endswith("; name a Secret with gitToken")
    message, _ = refusal("git", {**asked, "gitToken": "mine"}, mine=secret(token="wrong"))
    assert message.endswith("; check the token that gitToken names")
    assert ask("git", {**asked, "gitToken": "mine"}, mine=secret(token="s3cret")).content.decode() == task
    keyed = {**asked, "gitToken": "mine", "gitTokenKey": "oauth", "cache": "never"}
    assert ask("git", keyed, mine=secret(oauth="s3cret")).content.decode() == task
    assert refusal("git", keyed, mine=secret(oath="s3cret")) == (
        "the Secret 'mine' has no key 'oauth' (did you mean 'oath'?)",
        "gitToken",
    )
    assert refusal("git", keyed) == ("there is no Secret 'mine' in the documents; add its file with -f", "gitToken")
    in_url = {**asked, "url": asked["url"].replace("//", "//git:s3cret@"), "revision": repository.first}
    resolved = ask("git", {**in_url, "cache": "never"})
    assert "s3cret" not in f"{resolved.origin} {resolved.source}"
    in_url["pathInRepo"] = "missing.yaml"
    assert "s3cret" not in refusal("git", in_url)[0]


def test_token_is_not_sent_unencrypted(refusal, secret):
    asked = {"url": "http://git.example.com/a.git", "pathInRepo": "a", "gitToken": "mine"}
    message, param = refusal("git", asked, mine=secret(token="x"))
    assert (message, param) == ("a token is only sent over https; for ssh, git uses your keys", "gitToken")


@pytest.mark.parametrize(
    ("scm_type", "path", "user"),
    [
        ("github", "team/repository.git", "git"),
        ("gitlab", "team/repository.git", "oauth2"),
        ("gitea", "team/repository.git", "git"),
        ("bitbucketserver", "scm/team/repository.git", "x-token-auth"),
    ],
)
def test_org_and_repo_of_a_provider(ask, repository, git_server, secret, task, tmp_path, scm_type, path, user):
    (tmp_path / path).parent.mkdir(parents=True)
    os.symlink(repository.directory / ".git", tmp_path / path)
    git_server.token, git_server.user = "s3cret", user
    asked = {"org": "team", "repo": "repository", "pathInRepo": "task.yaml", "token": "mine"}
    asked |= {"scmType": scm_type, "serverURL": git_server.url}
    resolved = ask("git", asked, mine=secret(token="s3cret"))
    assert (resolved.content.decode(), resolved.source.uri) == (task, f"git+{git_server.url}/{path}")


def test_features_that_need_a_provider_api_are_refused(refusal):
    asked = {"repo": "r", "org": "o", "pathInRepo": "a"}
    assert refusal("git", {**asked, "org": ""}) == ("it needs the param 'org' too", "repo")
    assert refusal("git", {**asked, "scmType": "gitlap"}) == (
        "'gitlap' is not one of github, gitlab, gitea, bitbucketcloud, bitbucketserver (did you mean 'gitlab'?)",
        "scmType",
    )
    assert refusal("git", {**asked, "scmType": "gitea"}) == (
        "a repository of gitea needs the param 'serverURL' too",
        "scmType",
    )
    message, param = refusal("git", {**asked, "serverURL": "api.example.com"})
    assert (message, param) == ("'api.example.com' is not the URL of a server; expected https://…", "serverURL")


def test_error_without_a_network_names_a_remedy(refusal, nowhere):
    message, _ = refusal("git", {"url": f"{nowhere}/a.git", "pathInRepo": "a"})
    assert re.search(r"Failed to connect|Could not connect|Connection refused", message)
    assert message.endswith("; offline, only a full commit as revision comes from the cache")
