"""What a project is made of: one building block, a Task of its first Pipeline, for each language or tool.

Rules:

- Only the project's own directory is looked at, and only a few small files in it are read.
- What a Task installs goes to ``$HOME``, which is its own, or to where the tool keeps it in the project.
- A block has a cache if its tool downloads packages, and a Sidecar if the packages have the driver of a database.

Left to others: the YAML (``first_pipeline``).
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monopod.system import foreign_json

_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Database:
    """A Sidecar, and the environment in which the Steps find it. ``ready`` is a command that succeeds when it is up."""

    name: str
    image: str
    command: tuple[str, ...]
    settings: Mapping[str, str]
    ready: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Block:
    """A Task: its Steps with the lines of their scripts. ``found`` is the file that it is there for.

    ``hashed`` are the files whose content is the key of the cache, ``cached`` the directories that it keeps.
    """

    name: str
    found: str
    image: str
    steps: tuple[tuple[str, tuple[str, ...]], ...]
    environment: Mapping[str, str]
    hashed: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    database: Database | None = None


POSTGRES = Database(
    "postgres",
    "docker.io/library/postgres:17-alpine",
    ("docker-entrypoint.sh", "postgres"),
    {"POSTGRES_PASSWORD": "postgres"},
    ("pg_isready", "-U", "postgres", "-h", "127.0.0.1"),
    {"DATABASE_URL": "postgresql://postgres:postgres@127.0.0.1:5432/postgres"},
)
MYSQL = Database(
    "mysql",
    "docker.io/library/mysql:8.4",
    ("docker-entrypoint.sh", "mysqld"),
    {"MYSQL_ROOT_PASSWORD": "mysql", "MYSQL_DATABASE": "test"},
    ("mysqladmin", "ping", "-h", "127.0.0.1", "-pmysql"),
    {"DATABASE_URL": "mysql://root:mysql@127.0.0.1:3306/test"},
)
REDIS = Database(
    "redis",
    "docker.io/library/redis:7-alpine",
    ("redis-server",),
    {},
    ("redis-cli", "ping"),
    {"REDIS_URL": "redis://127.0.0.1:6379/0"},
)
_DRIVERS = (
    (re.compile(r"\b(psycopg(2|\[|-|\b)|asyncpg|pg8000|lib/pq|jackc/pgx|org\.postgresql)|\"pg\"\s*:"), POSTGRES),
    (re.compile(r"\b(mysqlclient|pymysql|mysql-connector|go-sql-driver/mysql|mysql2?\"\s*:)", re.IGNORECASE), MYSQL),
    (re.compile(r"(^|[\s\"'/])(redis|ioredis|go-redis)\b", re.IGNORECASE | re.MULTILINE), REDIS),
)


def building_blocks(directory: Path) -> tuple[Block, ...]:
    """Return the blocks of a project, in the order in which they run; none if nothing is recognized."""
    found = (_python(directory), _node(directory), _go(directory), _java(directory), _image(directory))
    return tuple(block for block in found if block is not None)


def _text(path: Path) -> str:
    """Return the content of a small file; empty if it cannot be read."""
    with contextlib.suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        return file.read(_MAX_BYTES)
    return ""


def _first(directory: Path, names: Iterable[str]) -> str | None:
    return next((name for name in names if (directory / name).is_file()), None)


def _database(text: str) -> Database | None:
    return next((database for pattern, database in _DRIVERS if pattern.search(text)), None)


def _version(text: str, pattern: str, default: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else default


# Python


def _python(directory: Path) -> Block | None:
    requirements = sorted(path.name for path in directory.glob("requirements*.txt"))
    names = ("pyproject.toml", "setup.py", "tox.ini")
    found = _first(directory, (*names, *requirements))
    if found is None:
        return None
    text = "\n".join(_text(directory / name) for name in (*names, *requirements))
    environment = {} if (database := _database(text)) is None else database.environment
    pip = '"$HOME/venv/bin/pip" install --quiet'
    python = '"$HOME/venv/bin/python" -m'
    installs = [f"{pip} -r {name}" for name in requirements]
    if (directory / "tox.ini").is_file():
        tests, installs = f"{python} tox", [f"{pip} tox"]
    elif "pytest" in text or (directory / "tests").is_dir():
        tests = f"{python} pytest"
        installs += [f"{pip} {_package(directory)}pytest"]
    else:
        tests = f"{python} unittest discover"
        installs += [f"{pip} {_package(directory)}"] if _package(directory) else []
    version = _version(_text(directory / ".python-version"), r"^(3[.]\d+)", "3.13")
    return Block(
        "python",
        found,
        f"docker.io/library/python:{version}-slim",
        (("install", ('python3 -m venv "$HOME/venv"', *installs)), ("test", (tests,))),
        environment,
        hashed=("pyproject.toml", "requirements*.txt"),
        cached=("~/.cache/pip",),
        database=database,
    )


def _package(directory: Path) -> str:
    """Return the argument that makes pip install the project itself, with its extras for tests; or an empty text."""
    try:
        project: Any = tomllib.loads(_text(directory / "pyproject.toml")).get("project")
    except tomllib.TOMLDecodeError:
        project = None
    if not isinstance(project, dict):
        return ". " if (directory / "setup.py").is_file() else ""
    known = project.get("optional-dependencies")
    extras = [name for name in ("test", "tests", "dev") if isinstance(known, dict) and name in known]
    return f'".[{",".join(extras)}]" ' if extras else ". "


# Node


_LOCKS = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "package-lock.json": "npm"}
_INSTALL = {"pnpm": "install --frozen-lockfile", "yarn": "install --frozen-lockfile", "npm": "ci --no-audit --no-fund"}
_STORES = {"pnpm": "~/.local/share/pnpm/store", "yarn": "~/.cache/yarn", "npm": "~/.npm"}


def _node(directory: Path) -> Block | None:
    if not (directory / "package.json").is_file():
        return None
    text = _text(directory / "package.json")
    try:
        content = foreign_json.loads(text)
    except ValueError:
        content = {}
    scripts = content.get("scripts") if isinstance(content, dict) else None
    scripts = scripts if isinstance(scripts, dict) else {}
    lock = _first(directory, _LOCKS)
    manager = "npm" if lock is None else _LOCKS[lock]
    program = {"pnpm": "corepack pnpm"}.get(manager, manager)
    install = "install --no-audit --no-fund" if lock is None else _INSTALL[manager]
    steps = [("install", (f"{program} {install}",))]
    steps += [
        (name, (f"{program} run {name}",))
        for name in ("lint", "typecheck", "test", "build")
        if name in scripts and "no test specified" not in str(scripts[name])
    ]
    if len(steps) == 1:
        steps.append(("check", ("node --version",)))
    database = _database(text)
    version = _version(_text(directory / ".nvmrc"), r"^v?(\d+)", "22")
    return Block(
        "node",
        "package.json",
        f"docker.io/library/node:{version}-slim",
        tuple(steps),
        {} if database is None else database.environment,
        hashed=(lock or "package.json",),
        cached=(_STORES[manager],),
        database=database,
    )


# Go, Java, images


def _go(directory: Path) -> Block | None:
    text = _text(directory / "go.mod")
    if not text:
        return None
    database = _database(text)
    version = _version(text, r"^go (1[.]\d+)", "1.24")
    environment = {"GOMODCACHE": "/tekton/home/go/pkg/mod", "GOCACHE": "/tekton/home/.cache/go-build"}
    return Block(
        "go",
        "go.mod",
        f"docker.io/library/golang:{version}",
        (
            ("vet", ("go vet ./...",)),
            ("test", ("go test ./...",)),
            ("build", ("go build -buildvcs=false ./...",)),
        ),
        environment | (dict(database.environment) if database is not None else {}),
        hashed=("go.sum", "go.mod"),
        cached=("~/go/pkg/mod", "~/.cache/go-build"),
        database=database,
    )


def _java(directory: Path) -> Block | None:
    if (directory / "pom.xml").is_file():
        database = _database(_text(directory / "pom.xml"))
        program = "sh mvnw" if (directory / "mvnw").is_file() else "mvn"
        return Block(
            "maven",
            "pom.xml",
            "docker.io/library/maven:3.9-eclipse-temurin-21",
            (("verify", (f'{program} --batch-mode -Dmaven.repo.local="$HOME/.m2/repository" verify',)),),
            {} if database is None else database.environment,
            hashed=("**/pom.xml",),
            cached=("~/.m2/repository",),
            database=database,
        )
    found = _first(directory, ("build.gradle", "build.gradle.kts"))
    if found is None:
        return None
    database = _database(_text(directory / found))
    program = "sh gradlew" if (directory / "gradlew").is_file() else "gradle"
    return Block(
        "gradle",
        found,
        "docker.io/library/gradle:8-jdk21",
        (("build", (f"{program} --no-daemon build",)),),
        {"GRADLE_USER_HOME": "/tekton/home/.gradle"} | (dict(database.environment) if database is not None else {}),
        hashed=("**/*.gradle*",),
        cached=("~/.gradle/caches",),
        database=database,
    )


def _image(directory: Path) -> Block | None:
    found = _first(directory, ("Containerfile", "Dockerfile"))
    if found is None:
        return None
    command = f"buildah --storage-driver vfs build --isolation chroot --file {found} --tag localhost/app:latest ."
    return Block("image", found, "quay.io/buildah/stable:v1.41", (("build", (command,)),), {"STORAGE_DRIVER": "vfs"})
