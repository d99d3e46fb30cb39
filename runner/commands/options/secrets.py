"""The options that give Secrets to a run."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from monopod.runner.commands.options.parsed import argument
from monopod.runner.commands.options.project import workspaces_of

if TYPE_CHECKING:
    from monopod.compiler.compilation import Compilation
    from monopod.compiler.documents.documents import Documents
    from monopod.runner.secrets.given_secrets import GivenSecrets
    from monopod.runner.secrets.secret_option import SecretOption


def add_secret_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--secret`` and ``--secret-file``."""
    parser.add_argument(
        "--secret",
        action="append",
        default=[],
        dest="secrets",
        type=argument(_secret),
        metavar="NAME[/KEY]=SOURCE",
        help="give the run a Secret, or a key of it (repeatable). SOURCE is @FILE, @DIRECTORY, @- (standard input) or "
        "env:VARIABLE; without KEY, the key is the name of the file or variable, and each line KEY=VALUE of a .env or "
        ".secrets file is a key. In a cluster, the Secret is deleted with the Pod",
    )
    parser.add_argument(
        "--secret-file",
        metavar="FILE",
        help="read Secrets from lines SECRET/KEY=VALUE; lines KEY=VALUE are for all Secrets that the run refers to and "
        "that nothing else has (default on this machine: .secrets, if such a Secret is missing)",
    )


def _secret(text: str) -> SecretOption:
    """Return what ``--secret`` means. Raises ValueError."""
    from monopod.runner.secrets.secret_option import parse_secret_option  # noqa: PLC0415  # not needed for --help

    return parse_secret_option(text)


def with_given_secrets(documents: Documents, arguments: argparse.Namespace, *, local: bool) -> Documents:
    """Return the documents with the Secrets that the command line gives; say which files were used. Raises Problems.

    `local`: the run is on this machine, so the project's ``.secrets`` counts.
    """
    if not (arguments.secrets or arguments.secret_file or local):
        return documents
    from monopod.runner.secrets.given_secrets import read_secrets, report_files, with_secrets  # noqa: PLC0415

    given: GivenSecrets | None = getattr(arguments, "read_secrets", None)
    if given is None:  # once: standard input cannot be read again for another backend
        bindings = [binding for _, binding in workspaces_of(arguments)]
        bound = [binding.removeprefix("secret:") for binding in bindings if binding.startswith("secret:")]
        given = read_secrets(arguments.secrets, arguments.secret_file, documents, bound, automatic=local)
        report_files(given)
        arguments.read_secrets = given
    arguments.given_secrets = frozenset(given.values)
    return with_secrets(documents, given)


def report_unused_secrets(compilations: Iterable[Compilation], arguments: argparse.Namespace) -> None:
    """Say, once, which Secrets of ``--secret`` none of the runs uses."""
    from monopod.runner.secrets.given_secrets import report_unused  # noqa: PLC0415  # only with --secret

    names, arguments.unreported_secrets = getattr(arguments, "unreported_secrets", arguments.secrets), []
    report_unused((option.name for option in names), [compilation.pod for compilation in compilations])
