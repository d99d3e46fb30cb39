"""Scripts with which bash, zsh and fish complete the command line.

Rules:

- Commands, options, their choices and files are in the script, so that they complete without starting a process. They
  are read from the parsers.
- Values that only a program can list (runs, Tasks, params, contexts …) come from ``monopod __complete``.
- The scripts need only what the shells bring along; bash-completion is not needed.

Left to others: what a command takes (``words``), the answers of ``monopod __complete`` (``answers``).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

from monopod.runner.completion.words import Option, Values, Words

Shell: TypeAlias = Literal["bash", "zsh", "fish"]


def script(shell: Shell, commands: Mapping[str, Words], further: Mapping[str, str]) -> str:
    """Return the script for a shell.

    `commands` are the commands of ``monopod``; `further` maps other programs to their command: ``compile-pipeline``.
    """
    return "".join(f"{line}\n" for line in _SCRIPTS[shell](commands, further))


def _argument(words: Words) -> Values | None:
    """Return what any positional argument of a command can be: if one of several must be listed, all are."""
    return next((values for values in words.arguments if _is_listed(values)), (words.arguments or (None,))[-1])


def _is_listed(values: Values | None) -> bool:
    return isinstance(values, str) and values not in {"file", "unknown"}


# bash


_BASH = """\
_monopod() {  # $1: the command, if the program is a command; $2: what bash replaces, a part of the last word
    local command=$1 line=${COMP_LINE:0:COMP_POINT} words values= options= arguments= head=
    read -ra words <<< "$line"
    if [[ $line == *[[:blank:]] ]]; then words+=(''); fi
    while [[ ${words[0]} == *=* ]]; do words=("${words[@]:1}"); done
    words=(${command:+"$command"} "${words[@]:1}")
    if [[ -z $command ]] && ((${#words[@]} > 1)); then command=${words[0]}; fi
    local typed=${words[-1]} previous=
    local current=$typed
    if ((${#words[@]} > 1)); then previous=${words[-2]}; fi
    if [[ $typed == --*=* ]]; then
        previous=${typed%%=*} current=${typed#*=}
        head=$previous=
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
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        @listed)
            local word
            while IFS=$'\\t' read -r word _; do
                if [[ $word != :* ]]; then COMPREPLY+=("$word"); fi
            done < <(monopod __complete "${words[@]}" 2> /dev/null) ;;
        *)
            mapfile -t COMPREPLY < <(compgen -W "$values" -- "$current")
            COMPREPLY=("${COMPREPLY[@]/#/$head}") ;;
    esac
    COMPREPLY=("${COMPREPLY[@]#"${typed%"$2"}"}")
    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[=:] ]]; then compopt -o nospace; fi
}"""


def _bash(commands: Mapping[str, Words], further: Mapping[str, str]) -> Iterator[str]:
    yield "# bash completion of monopod, from `monopod completion bash`"
    yield _BASH
    yield f"        '') arguments={_quoted_words(commands)} options='--help --version' ;;"
    for name, words in commands.items():
        yield f"        {name})"
        yield f"            options={_quoted_words(name for option in words.options for name in option.names)}"
        yield f"            arguments={_bash_values(_argument(words))}"
        yield "            case $previous in"
        for option in words.options:
            if option.values is not None:
                yield f"                {' | '.join(option.names)}) values={_bash_values(option.values)} ;;"
        yield "            esac ;;"
    yield _BASH_END
    yield "_monopod_command() { _monopod '' \"$2\"; }"
    yield "complete -F _monopod_command monopod"
    for program, name in further.items():
        function = f"_monopod_{name}"
        yield f'{function}() {{ _monopod {name} "$2"; }}'
        yield f"complete -F {function} {program}"


def _bash_values(values: Values | None) -> str:
    if values is None:
        return "''"
    if isinstance(values, tuple):
        return _quoted_words(values)
    return {"file": "@file", "unknown": "'?'"}.get(values, "@listed")


def _quoted_words(words: Iterable[str]) -> str:
    return shlex.quote(" ".join(words))


# zsh


_ZSH_LISTED = """\
_monopod_listed() {  # $name: the command
    local -a lines plain shown open; local line word
    lines=("${(@f)$(monopod __complete $name "${(@)words[2,CURRENT-1]}" "$IPREFIX$PREFIX" 2> /dev/null)}")
    for line in "${(@)lines[1,-2]}"; do
        word=${${line%%$'\\t'*}#"$IPREFIX"}
        if [[ $word == *[=:] ]]; then
            open+=("$word")
        else
            plain+=("$word") shown+=("${line/$'\\t'/  -- }")
        fi
    done
    compadd -S '' -a open
    compadd -l -d shown -a plain
}"""


def _zsh(commands: Mapping[str, Words], further: Mapping[str, str]) -> Iterator[str]:
    yield f"#compdef monopod {' '.join(f'{program}={program}' for program in further)}".rstrip()
    yield "# zsh completion of monopod, from `monopod completion zsh`"
    yield _ZSH_LISTED
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
    programs = {name: [program for program, command in further.items() if command == name] for name in commands}
    for name, words in commands.items():
        yield f"        {' | '.join([name, *programs[name]])})"
        yield f"            name={name}"
        yield "            _arguments -s \\"
        for option in words.options:
            for spelling in option.names:
                yield f"                {shlex.quote(_zsh_option(spelling, option))} \\"
        yield f"                {shlex.quote('*:' + _zsh_value('argument', _argument(words)))} ;;"
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
    if _is_listed(values):
        return f"{values}:_monopod_listed"
    if values is None or isinstance(values, str):
        return f"{what}: "
    return f"{what}:({' '.join(values)})"


# fish


_FISH_LISTED = """\
function __monopod_listed  # the argument is the command, if the program is a command
    set -l words $argv (commandline -opc)[2..] (commandline -ct)
    string match --quiet --regex '^-[^=]*$' -- $words[-1]; and return  # an option
    monopod __complete $words 2> /dev/null | string match --invert --regex '^:\\d+$' | \
string replace --regex '^--[\\w-]+=' ''
end"""


def _fish(commands: Mapping[str, Words], further: Mapping[str, str]) -> Iterator[str]:
    yield "# fish completion of monopod, from `monopod completion fish`"
    yield _FISH_LISTED
    yield "complete -c monopod -f"
    yield "complete -c monopod -n __fish_use_subcommand -s h -l help -d 'say how it is used'"
    yield "complete -c monopod -n __fish_use_subcommand -l version -d 'say which version this is'"
    for name, words in commands.items():
        yield f"complete -c monopod -n __fish_use_subcommand -a {name} -d {_fish_quoted(words.summary)}"
    for name, words in commands.items():
        yield from _fish_words(f"complete -c monopod -n '__fish_seen_subcommand_from {name}'", words, "")
    for program, name in further.items():
        yield f"complete -c {program} -f"
        yield from _fish_words(f"complete -c {program}", commands[name], name)


def _fish_words(start: str, words: Words, command: str) -> Iterator[str]:
    if words.arguments:
        yield f"{start} {_fish_values(_argument(words), ('-F', '-f', '-k'), command)}"
    for option in words.options:
        names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
        values = "" if option.values is None else f" {_fish_values(option.values, ('-r -F', '-x', '-x'), command)}"
        yield f"{start} {names}{values} -d {_fish_quoted(option.help)}"


def _fish_values(values: Values | None, flags: tuple[str, str, str], command: str) -> str:
    """Return what fish offers for a value; `flags` are those for files, for nothing, and for a list."""
    files, nothing, listed = flags
    if isinstance(values, tuple):
        return f"{listed} -a {_fish_quoted(' '.join(values))}"
    if _is_listed(values):
        return f"{listed} -a {_fish_quoted(f'(__monopod_listed {command})'.replace(' )', ')'))}"
    return files if values == "file" else nothing


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPTS: dict[Shell, Callable[[Mapping[str, Words], Mapping[str, str]], Iterator[str]]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
