"""Scripts with which bash, zsh and fish complete the command line: commands, options, their choices, and files.

Rules:

- What there is to complete comes from the parsers themselves, so that it cannot be out of date.
- A value is one of the parser's choices, a file if its metavar says so, or something that only the user knows.
- The scripts need nothing that the shells do not bring along; bash-completion is not needed.

Left to others: the options (``commands``).
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Shell: TypeAlias = Literal["bash", "zsh", "fish"]
Values: TypeAlias = tuple[str, ...] | Literal["file", "unknown"]
"""What can stand for a value: choices, a file, or what nobody knows here."""

_FILES = frozenset({"FILE", "DIRECTORY", "PATH"})


@dataclass(frozen=True, slots=True)
class Option:
    """An option by its names; `values` is None if it takes none."""

    names: tuple[str, ...]
    values: Values | None
    help: str


@dataclass(frozen=True, slots=True)
class Words:
    """What a command takes: options, and arguments without a name (None: it takes none)."""

    summary: str
    options: tuple[Option, ...]
    arguments: Values | None


def words_of(parser: argparse.ArgumentParser, summary: str) -> Words:
    """Return what the command with this parser takes."""
    options: list[Option] = []
    arguments: Values | None = None
    for action in parser._actions:  # noqa: SLF001  # argparse has no other way to ask
        if action.help == argparse.SUPPRESS:
            continue
        values = _values(action)
        if action.option_strings:
            options.append(Option(tuple(action.option_strings), values, _short(action)))
        else:
            arguments = values
    return Words(summary, tuple(options), arguments)


def words_of_command(name: str) -> Words:
    """Return what one of monopod's commands takes."""
    from monopod.runner.command_line import command_named, parser_of  # noqa: PLC0415  # its commands import this

    return words_of(parser_of(f"monopod {name}", name), command_named(name).SUMMARY)


def _values(action: argparse.Action) -> Values | None:
    if action.nargs == 0:
        return None
    if action.choices is not None:
        return tuple(map(str, action.choices))
    return "file" if action.metavar in _FILES else "unknown"


def _short(action: argparse.Action) -> str:
    """Return what an option is for, without what more there is to say of it."""
    text = (action.help or "") % {**vars(action), "prog": "monopod"}
    return re.split(r"[;:(]|\. ", text, maxsplit=1)[0].strip()


def script(shell: Shell, commands: Mapping[str, Words], further: Mapping[str, str]) -> str:
    """Return the script for a shell.

    `commands` are those of ``monopod``; `further` are programs that are one of them each: ``compile-pipeline``.
    """
    return "".join(f"{line}\n" for line in _SCRIPTS[shell](commands, further))


# bash


_BASH = """\
_monopod() {
    local command=$1 current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local values= options= arguments=
    if [[ -z $command ]]; then
        if ((COMP_CWORD > 1)); then command=${COMP_WORDS[1]}; fi
    fi
    if [[ $current == '=' ]]; then  # to bash, --option=value is three words
        current=
    elif [[ $previous == '=' ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $command in"""
_BASH_END = """\
    esac
    COMPREPLY=()
    if [[ -z $values ]]; then
        if [[ $current == -* ]]; then values=$options; else values=$arguments; fi
    fi
    case $values in
        '' | '?') ;;
        @file)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$values" -- "$current") ;;
    esac
}"""


def _bash(commands: Mapping[str, Words], further: Mapping[str, str]) -> Iterator[str]:
    yield "# bash completion of monopod, made by `monopod completion bash`"
    yield _BASH
    yield f"        '') arguments={_quoted_words(commands)} options='--help --version' ;;"
    for name, words in commands.items():
        yield f"        {name})"
        yield f"            options={_quoted_words(each for option in words.options for each in option.names)}"
        yield f"            arguments={_bash_values(words.arguments)}"
        yield "            case $previous in"
        for option in words.options:
            if option.values is not None:
                yield f"                {' | '.join(option.names)}) values={_bash_values(option.values)} ;;"
        yield "            esac ;;"
    yield _BASH_END
    yield "_monopod_command() { _monopod ''; }"
    yield "complete -F _monopod_command monopod"
    for program, name in further.items():
        function = f"_monopod_{name}"
        yield f"{function}() {{ _monopod {name}; }}"
        yield f"complete -F {function} {program}"


def _bash_values(values: Values | None) -> str:
    if values is None:
        return "''"
    return {"file": "@file", "unknown": "'?'"}[values] if isinstance(values, str) else _quoted_words(values)


def _quoted_words(words: Iterable[str]) -> str:
    return shlex.quote(" ".join(words))


# zsh


def _zsh(commands: Mapping[str, Words], further: Mapping[str, str]) -> Iterator[str]:
    yield f"#compdef monopod {' '.join(f'{program}={program}' for program in further)}".rstrip()
    yield "# zsh completion of monopod, made by `monopod completion zsh`"
    yield "_monopod() {"
    yield "    local context state state_descr line name=$service"
    yield "    typeset -A opt_args"
    yield "    if [[ $service == monopod ]]; then"
    yield "        _arguments -C '(- *)'{-h,--help}'[say how it is used]' \\"
    yield "            '(- *)--version[say which version this is]' \\"
    yield "            '1: :->command' '*:: :->argument' && return 0"
    yield "        if [[ $state == command ]]; then"
    yield "            local -a commands=("
    for name, words in commands.items():
        yield f"                {shlex.quote(f'{name}:{words.summary}')}"
    yield "            )"
    yield "            _describe command commands; return"
    yield "        fi"
    yield "        name=$words[1]"
    yield "    fi"
    yield "    case $name in"
    programs = {name: [program for program, each in further.items() if each == name] for name in commands}
    for name, words in commands.items():
        yield f"        {' | '.join([name, *programs[name]])})"
        yield "            _arguments -s \\"
        for option in words.options:
            for each in option.names:
                yield f"                {shlex.quote(_zsh_option(each, option))} \\"
        yield f"                {shlex.quote('*:' + _zsh_value('argument', words.arguments))} ;;"
    yield "    esac"
    yield "}"
    yield 'if [[ $funcstack[1] == _monopod ]]; then _monopod "$@"; else compdef _monopod monopod ' + (
        f"{' '.join(f'{program}={program}' for program in further)}; fi"
    )


def _zsh_option(name: str, option: Option) -> str:
    text = re.sub(r"([\[\]:\\])", r"\\\1", option.help)
    if option.values is None:
        return f"*{name}[{text}]"
    separator = "=" if name.startswith("--") else "+"
    return f"*{name}{separator}[{text}]:{_zsh_value('value', option.values)}"


def _zsh_value(what: str, values: Values | None) -> str:
    if values == "file":
        return "file:_files"
    if values is None or isinstance(values, str):
        return f"{what}: "
    return f"{what}:({' '.join(values)})"


# fish


def _fish(commands: Mapping[str, Words], further: Mapping[str, str]) -> Iterator[str]:
    yield "# fish completion of monopod, made by `monopod completion fish`"
    yield "complete -c monopod -f"
    yield "complete -c monopod -n __fish_use_subcommand -s h -l help -d 'say how it is used'"
    yield "complete -c monopod -n __fish_use_subcommand -l version -d 'say which version this is'"
    for name, words in commands.items():
        yield f"complete -c monopod -n __fish_use_subcommand -a {name} -d {_fish_quoted(words.summary)}"
    for name, words in commands.items():
        yield from _fish_words(f"complete -c monopod -n '__fish_seen_subcommand_from {name}'", words)
    for program, name in further.items():
        yield f"complete -c {program} -f"
        yield from _fish_words(f"complete -c {program}", commands[name])


def _fish_words(start: str, words: Words) -> Iterator[str]:
    if words.arguments is not None:
        yield f"{start} {_fish_values(words.arguments, '-k ')}"
    for option in words.options:
        names = " ".join(f"-l {each[2:]}" if each.startswith("--") else f"-s {each[1:]}" for each in option.names)
        values = "" if option.values is None else f" {_fish_values(option.values, '-x ')}"
        yield f"{start} {names}{values} -d {_fish_quoted(option.help)}"


def _fish_values(values: Values, choice: str) -> str:
    if isinstance(values, str):
        return {"file": "-r -F" if choice == "-x " else "-F", "unknown": "-x" if choice == "-x " else "-f"}[values]
    return f"{choice}-a {_fish_quoted(' '.join(values))}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPTS: dict[Shell, Callable[[Mapping[str, Words], Mapping[str, str]], Iterator[str]]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
