"""The resolver ``git``: a file at one revision of a repository (Tekton docs/git-resolver.md).

Rules:

- One revision is fetched, without history and, if the server supports it, without other files. A branch or tag is
  looked up each time; a file at a commit is fetched once.
- A path may contain symbolic links, but must not leave the repository.

Unlike in Tekton, the repository may be a local directory, and ``org`` with ``repo`` is fetched with git, not through
the provider's API: only private repositories need a token.
"""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.remote.git_program import Git, GitError
from monopod.compiler.remote.reference import (
    MAX_DOCUMENT_BYTES,
    TIMEOUT,
    Address,
    RefSource,
    RemoteError,
    RemoteReference,
    Resolved,
    ResolverOptions,
)
from monopod.compiler.remote.urls import browsable, without_credentials
from monopod.schemas.formats.object_names import placeholder_advice
from monopod.system.http_login import basic, is_loopback

PARAMS = frozenset({
    "url", "repo", "org", "token", "tokenKey", "gitToken", "gitTokenKey", "revision", "pathInRepo", "serverURL",
    "scmType", "cache",
})  # fmt: skip

DEFAULT_URL = "https://github.com/tektoncd/catalog.git"
DEFAULT_REVISION = "main"
_ENTRY_OF_LISTING = re.compile(r"([0-9a-f]{40,64})\t(.+)")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REMOTE_URL = re.compile(r"(https?|ssh|git|file)://.+|[\w.-]+@[\w.-]+:.+")


@dataclass(frozen=True, slots=True)
class _Provider:
    """A provider's server for repositories, and the user name to send with a token."""

    server: str
    path: str = "{org}/{repo}.git"
    user: str = "git"


_PROVIDERS = {
    "github": _Provider("https://github.com"),
    "gitlab": _Provider("https://gitlab.com", user="oauth2"),
    "gitea": _Provider(""),
    "bitbucketcloud": _Provider("https://bitbucket.org", user="x-token-auth"),
    "bitbucketserver": _Provider("", "scm/{org}/{repo}.git", user="x-token-auth"),
}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file in a repository. `shown` is the URL without passwords."""

    url: str
    shown: str
    revision: str
    path: str
    authorization: str
    token_param: str

    def __str__(self) -> str:
        return f"git {self.shown} @ {self.revision} {self.path}"


def resolve(reference: RemoteReference, options: ResolverOptions) -> Resolved:
    """Return a file in a repository at a revision. Raises RemoteError."""
    wanted = _wanted(reference, options)
    commit = wanted.revision if _COMMIT.fullmatch(wanted.revision) else ""
    content = options.cache.get("git", wanted.shown, commit, wanted.path) if commit else None
    if content is None:
        commit, content = _fetch(wanted, options)
    algorithm = "sha1" if len(commit) == 40 else "sha256"
    source = RefSource(f"git+{wanted.shown}", ((algorithm, commit),), wanted.path)
    return Resolved(content, f"git {wanted.shown} @ {commit[:12]} {wanted.path}", source)


def address(reference: RemoteReference) -> Address:
    """Return the repository and the path in it. Raises RemoteError."""
    path, _ = _path(reference.required("pathInRepo")), _revision(reference)
    url, _, _ = _repository(reference)
    shown = without_credentials(url)
    names = dict.fromkeys((browsable(shown).removesuffix(".git"), shown))
    return Address("git", tuple(names), "path", "pathInRepo", path)


# The request


def _wanted(reference: RemoteReference, options: ResolverOptions) -> _Wanted:
    path = _path(reference.required("pathInRepo"))
    revision = _revision(reference)
    url, user, token_param = _repository(reference)
    authorization = _authorization(reference, options, token_param, url, user)
    return _Wanted(url, without_credentials(url), revision, path, authorization, token_param)


def _revision(reference: RemoteReference) -> str:
    revision = reference.get("revision", DEFAULT_REVISION)
    if revision.startswith("-") or not re.fullmatch(r"[^\x00-\x20\x7f~^:?*\[\\]+", revision):
        raise RemoteError(f"'{revision}' is not a branch, tag or commit", "revision")
    return revision


def _repository(reference: RemoteReference) -> tuple[str, str, str]:
    """Return the URL, the user name to send with a token, and the param that names the token."""
    if not reference.get("repo"):
        return _url(reference.get("url", DEFAULT_URL)), "git", "gitToken"
    if reference.get("url"):
        raise RemoteError("only one of url, repo may be given", "repo")
    return *_of_provider(reference), "token"


def _path(text: str) -> str:
    path = posixpath.normpath(text.lstrip("/"))
    if path in {".", ""} or path.startswith("../") or path == ".." or re.search(r"[\x00-\x1f\x7f]", path):
        raise RemoteError(f"'{text}' is not a path of a file in the repository", "pathInRepo")
    return path


def _url(text: str) -> str:
    if os.path.isdir(text):
        return Path(text).absolute().as_uri()
    if not _REMOTE_URL.fullmatch(text) or re.search(r"[\x00-\x20\x7f]", text):
        expected = "expected https://…, ssh://…, git@host:path, file://… or a local directory"
        advice = placeholder_advice(text) or expected
        raise RemoteError(f"'{without_credentials(text)}' is not a repository; {advice}", "url")
    return text


def _of_provider(reference: RemoteReference) -> tuple[str, str]:
    """Return the URL of the repository ``org``/``repo``, and the user name to send with a token."""
    if not reference.get("org"):
        raise RemoteError("it needs the param 'org' too", "repo")
    scm_type = reference.one_of("scmType", tuple(_PROVIDERS), "github")
    provider = _PROVIDERS[scm_type]
    server = reference.get("serverURL", provider.server).rstrip("/")
    if not server:
        raise RemoteError(f"a repository of {scm_type} needs the param 'serverURL' too", "scmType")
    if not server.startswith("https://") and not (server.startswith("http://") and is_loopback(server)):
        raise RemoteError(f"'{server}' is not the URL of a server; expected https://…", "serverURL")
    names = {name: quote(reference.get(name), safe="/") for name in ("org", "repo")}
    names["repo"] = names["repo"].removesuffix(".git")
    return f"{server}/{provider.path.format(**names)}", provider.user


def _authorization(reference: RemoteReference, options: ResolverOptions, param: str, url: str, user: str) -> str:
    secret = reference.get(param)
    if not secret:
        return ""
    if urlsplit(url).scheme != "https" and not (url.startswith("http://") and is_loopback(url)):
        raise RemoteError("a token is only sent over https; for ssh, git uses your keys", param)
    return basic(user, options.secret_value(secret, reference.get(f"{param}Key", "token"), param))


# Fetching


def _fetch(wanted: _Wanted, options: ResolverOptions) -> tuple[str, bytes]:
    """Return the commit of the revision, and the content of the file."""
    with _explained(wanted), tempfile.TemporaryDirectory(prefix="monopod-git-") as directory:
        git = Git(directory, options.environment, time.monotonic() + TIMEOUT, wanted.authorization)
        name, commit = _looked_up(git, wanted)
        content = options.cache.get("git", wanted.shown, commit, wanted.path)
        if content is None:
            commit = _fetch_commit(git, wanted, name, commit)
            content = _file(git, wanted, commit)
            options.cache.put(content, "git", wanted.shown, commit, wanted.path)
        return commit, content


def _looked_up(git: Git, wanted: _Wanted) -> tuple[str, str]:
    """Return the full name of a revision and its commit, by git's rules of precedence."""
    revision = wanted.revision
    if _COMMIT.fullmatch(revision):
        return revision, revision
    names = (revision, f"refs/{revision}", f"refs/tags/{revision}", f"refs/heads/{revision}")
    commits = _listed(git, wanted.url, *names, f"refs/tags/{revision}^{{}}")
    for name in names:
        if name in commits:
            return name, commits.get(f"{name}^{{}}", commits[name])  # an annotated tag points to its commit
    known = {
        re.sub(r"^refs/(heads|tags)/", "", name) for name in _listed(git, wanted.url, "refs/heads/*", "refs/tags/*")
    }
    known = {name for name in known if not name.endswith("^{}")}
    short = re.fullmatch(r"[0-9a-f]{7,63}", revision)
    hint = "; write a commit with all 40 digits" if short else did_you_mean(revision, known)
    raise RemoteError(f"{wanted}: the repository has no branch or tag '{revision}'{hint}", "revision")


def _listed(git: Git, url: str, *patterns: str) -> dict[str, str]:
    listing = git.run("ls-remote", "--", url, *patterns).decode("utf-8", "replace")
    matches = map(_ENTRY_OF_LISTING.fullmatch, listing.splitlines())
    return {match[2]: match[1] for match in matches if match is not None}


def _fetch_commit(git: Git, wanted: _Wanted, name: str, commit: str) -> str:
    """Return the commit that was fetched; it is another than `commit` if the branch moved in between."""
    object_format = "sha1" if len(commit) == 40 else "sha256"
    git.run("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}", ".")
    git.run("config", "remote.origin.url", wanted.url)
    git.run("fetch", "--quiet", "--no-tags", "--depth=1", "--filter=blob:none", "origin", name)
    return git.run("rev-parse", "--verify", "FETCH_HEAD^{commit}").decode("ascii").strip()


def _file(git: Git, wanted: _Wanted, commit: str) -> bytes:
    query = f"{commit}:{wanted.path}\n".encode()
    answer = git.run("cat-file", "--batch-check", "--follow-symlinks", standard_input=query).decode("utf-8", "replace")
    words = answer.splitlines()[0].split()
    if words[-1:] == ["missing"] or words[:1] in (["dangling"], ["notdir"]):
        files = git.run("ls-tree", "-r", "--name-only", "-z", commit).decode("utf-8", "replace").split("\0")
        raise RemoteError(
            f"{wanted}: there is no such file at {commit[:12]}{did_you_mean(wanted.path, files)}", "pathInRepo"
        )
    if words[:1] in (["symlink"], ["loop"]):
        raise RemoteError(f"{wanted}: a symbolic link leaves the repository or loops", "pathInRepo")
    if words[1:2] != ["blob"]:
        raise RemoteError(f"{wanted}: this is a directory; name a file in it", "pathInRepo")
    if int(words[2]) > MAX_DOCUMENT_BYTES:
        size = f"{int(words[2]) / 2**20:.1f} MiB"
        raise RemoteError(f"{wanted}: the file has {size}; the limit is {MAX_DOCUMENT_BYTES / 2**20:g} MiB")
    return git.run("cat-file", "blob", words[0])


@contextmanager
def _explained(wanted: _Wanted) -> Iterator[None]:
    """Turn git's message into a RemoteError, with what to do."""
    try:
        yield
    except GitError as error:
        message = str(error).replace(wanted.url, wanted.shown)
        raise RemoteError(f"{wanted}: {message}{_hint(message, wanted)}") from error


def _hint(message: str, wanted: _Wanted) -> str:
    if any(words in message for words in _TOKEN_NEEDED):
        param = wanted.token_param
        return f"; check the token that {param} names" if wanted.authorization else f"; name a Secret with {param}"
    otherwise = "" if _COMMIT.fullmatch(wanted.revision) else _OTHERWISE
    return next((hint for words, hint in _HINTS.items() if words in message), otherwise)


_TOKEN_NEEDED = ("could not read Username", "could not read Password", "Authentication failed", "error: 403")
_HINTS = {
    "Permission denied (publickey)": "; git has no key for it: add one to ssh-agent, or use https",
    "not our ref": "; the server does not provide this commit: name a branch or tag",
    "install git": "",
    "not found": "; check the url, and whether it needs a token",
    "does not appear to be a git repository": "; check the url",
    "dubious ownership": "; add it to git's safe.directory",
}
_OTHERWISE = "; offline, only a full commit as revision comes from the cache"
