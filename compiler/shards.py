"""Compiles a run for an Indexed Job: each index runs the Pipeline, or its part of an array param, in a Pod of its own.

Rules:

- The Pods of a Job are equal, so each carries the Plans of all indexes. The coordinator executes the one of
  ``JOB_COMPLETION_INDEX``, an environment variable that Kubernetes sets, also for Steps.
- The run is compiled once for each index, with the index's part of the values. Parts are as equal as they can be, and
  keep the order.
- What is in the Pod itself must not depend on the part: containers, images, volumes. If it does, that is an error.
- What a matrix that is split says of its combinations holds for the indexes, unless an option says otherwise: with
  ``completion: any``, one index has to succeed; with ``fail-fast``, the first that fails stops the others.

Left to others: the fields of the Job (``pod.indexed_job``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from monopod.compiler.compilation import Compilation, compile_runs
from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents.documents import Document, Documents
from monopod.compiler.documents.option_values import parse_param
from monopod.compiler.documents.run_selection import choose
from monopod.compiler.grouping.partition import of_one_pod
from monopod.compiler.options import Options
from monopod.compiler.pod.assembly import size_problem, with_plans
from monopod.compiler.pod.indexed_job import MOST_SHARDS, SUCCESS_POLICY_SINCE, Shards, longest_name
from monopod.compiler.pod.kube_version import KubeVersion
from monopod.compiler.pod.restarts import RESTART_FIELDS
from monopod.compiler.pod.workload import make_workload
from monopod.compiler.tasks.views import merged_volumes
from monopod.schemas.plan import Matrix, Pipeline, Value, encode_shards
from monopod.schemas.variables import references_in


def compile_shards(documents: Documents, options: Options, shards: Shards) -> Compilation:
    """Return the run that the options select, with an Indexed Job as its workload. Raises Problems."""
    _raise(shards.problems(options.kube_version))
    chosen = choose(documents, options.name)
    if len(chosen) > 1:
        _raise([f"--shards is for one run, and these files have {len(chosen)}; choose one with --name"])
    values = None if shards.by is None else _values(chosen[0], documents, options, shards.by)
    count = shards.count if shards.count is not None else len(values or ())
    _raise(shards.late_problems(count))
    if values is None:
        (first,) = compile_runs(documents, options)
        pod = first.pod
    else:
        first, *others = _each(documents, options, shards, values, count)
        shards = _as_matrices_say(shards, _split_matrices(first.plan.pipeline, str(shards.by)))
        _raise(_too_old(shards, options.kube_version))
        pod = with_plans(first.pod, encode_shards([first.plan, *(each.plan for each in others)]))
        if (too_large := size_problem(pod)) is not None:
            _raise([f"--shard-by: {too_large}"])
    if (too_long := _name_problem(first, count)) is not None:
        _raise([too_long])
    if count > 1 and (problems := list(_merged_by_all(first))):
        raise Problems(problems)
    workload = replace(options.workload, shards=replace(shards, count=count))
    return replace(first, pod=pod, workload=make_workload(pod, workload, options.kube_version))


def _each(
    documents: Documents, options: Options, shards: Shards, values: Sequence[str], count: int
) -> list[Compilation]:
    """Compile the run once for each index."""
    if count > len(values):
        _raise([f"--shards {count}: '{shards.by}' has {len(values)} values, so some indexes would have none"])
    compilations = []
    for index in range(count):
        part = values[len(values) * index // count : len(values) * (index + 1) // count]
        compilations.append(_with_values(documents, options, str(shards.by), part))
    known = [not any(references_in(value)) for value in values]
    for index, compiled in enumerate(compilations):
        if (difference := _difference(compilations[0].pod, compiled.pod)) is not None:
            if len(set(known)) > 1:
                late = values[known.index(False)]
                _raise(
                    [
                        f"--shard-by: the value '{late}' of '{shards.by}' is known only while running, and others "
                        "are known now, so the Pods of a Job would differ; write out all values"
                    ]
                )
            _raise([f"--shard-by: the Pods of a Job are equal, but index {index} differs from index 0: {difference}"])
    return compilations


def _merged_by_all(compilation: Compilation) -> Iterator[Problem]:
    """Yield each private view that the Pods of all indexes would merge into one claim at the same time."""
    lowered = compilation.lowered
    assert lowered is not None
    sources = {volume["name"]: volume for volume in lowered.contents.volumes}
    for volume, _, place in merged_volumes(lowered.pipeline, lowered.contents):
        if of_one_pod(sources[volume]) in (None, "hostPath"):
            message = (
                f"the private view of the Workspace '{lowered.contents.workspaces[volume]}' would be merged by the "
                "Pods of all indexes at the same time, and none sees the changes of the others; use copy:discard, or "
                "no view but a directory for each index"
            )
            yield place.problem("workload", message)


def _split_matrices(pipeline: Pipeline, name: str) -> list[Matrix]:
    """Return the matrices of a Pipeline whose combinations are split among the indexes, by a param."""
    return [
        task.matrix
        for task in pipeline.all_tasks
        if task.matrix is not None
        and any(each.path == ("params", name) for param in task.matrix.params for each in references_in(param.value))
    ]


def _as_matrices_say(shards: Shards, matrices: Sequence[Matrix]) -> Shards:
    if shards.successes is None and matrices and all(matrix.completion == "any" for matrix in matrices):
        shards = replace(shards, successes=1)
    if shards.max_failed is None and matrices and all(matrix.fail_fast for matrix in matrices):
        shards = replace(shards, max_failed=0)
    return shards


def _too_old(shards: Shards, kube_version: KubeVersion) -> Iterator[str]:
    if shards.successes is not None and kube_version < SUCCESS_POLICY_SINCE:
        yield f"--shard-by: completion 'any' of the matrix needs --kube-version 1.31 or later, not {kube_version}"


def _with_values(documents: Documents, options: Options, name: str, values: Sequence[str]) -> Compilation:
    """Compile the run with these values of a param. Raises Problems."""
    others = [param for param in options.params if param[0] != name]
    (compilation,) = compile_runs(documents, replace(options, params=(*others, (name, json.dumps(values)))))
    return compilation


def _values(chosen: Document, documents: Documents, options: Options, name: str) -> list[str]:
    """Return the values of an array param of the run, which may be too many for one Pod. Raises Problems."""
    try:
        compilation = _with_values(documents, options, name, ["any"])
    except Problems as error:
        option = f"-p {name}={json.dumps(['any'])}"
        found = [replace(each, message=each.message.replace(option, f"--shard-by {name}")) for each in error.problems]
        raise Problems(found) from error
    declared = {param["name"]: param for param in _declared(compilation)}
    of_run = {
        param["name"]: param["value"]
        for param in (chosen.data.get("spec") or {}).get("params") or ()
        if "value" in param
    }
    declaration = declared.get(name, {})  # a remote Pipeline's is not looked up
    value = of_run.get(name, declaration.get("default"))
    is_array = isinstance(value, list) or declaration.get("type") == "array"
    if not is_array and not (isinstance(value, str) and any(references_in(value))):
        _raise([f"--shard-by: the param '{name}' is not an array; use a param whose values a matrix combines"])
    for option, text in options.params:
        if option == name:
            value = _parsed(name, text)
    if isinstance(value, str):
        _raise([f"--shard-by: the value of '{name}' is the text '{value}', not an array; write out its values"])
    values = [str(each) for each in value or ()]
    if not 1 <= len(values) <= MOST_SHARDS:
        _raise([f"--shard-by: '{name}' has {len(values)} values; an Indexed Job needs 1 to {MOST_SHARDS}"])
    return values


def _parsed(name: str, text: str) -> Value:
    try:
        return parse_param(text, "array")
    except ValueError as error:
        raise Problems([Problem(None, f"-p {name}={text}: {error}", "param-type")]) from error


def _declared(compilation: Compilation) -> Sequence[Mapping[str, Any]]:
    """Return the params that the Pipeline or Task of a run declares."""
    spec = compilation.plan.document["spec"]
    for kind in ("pipeline", "task"):
        if f"{kind}Spec" in spec:
            return spec[f"{kind}Spec"].get("params") or ()
        if name := (spec.get(f"{kind}Ref") or {}).get("name"):
            source = compilation.plan.sources.get(f"{kind.capitalize()}/{name}") or {}
            return (source.get("spec") or source).get("params") or ()
    return ()


def _difference(first: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Return in what two Pods differ apart from their Plans, and what to do; None if they do not."""
    first, other = with_plans(first, ()), with_plans(other, ())
    if first == other:
        return None
    containers = [{each["name"]: each for each in pod["spec"]["containers"]} for pod in (first, other)]
    if containers[0].keys() != containers[1].keys():
        numbers = " and ".join(f"{len(each)} containers" for each in containers)
        return f"{numbers}. {_EQUAL}, or set --max-concurrency"
    for name, container in containers[0].items():
        fields = {key for key in container if container[key] != containers[1][name].get(key)}
        if fields & {"command", *RESTART_FIELDS}:  # another combination may need the container
            return f"only one of them runs several combinations in the container '{name}'. {_EQUAL}"
        if fields:
            return f"the field '{min(fields)}' of the container '{name}' depends on the param. {_HOW}"
    return f"a field of the Pod depends on the param. {_HOW}"


_EQUAL = "Choose a number of --shards that divides the values"


def _name_problem(compilation: Compilation, count: int) -> str | None:
    name = compilation.pod["metadata"].get("name")
    if name is None or len(name) <= longest_name(count):
        return None
    longest = longest_name(count)
    return f"--shards: '{name}' has {len(name)} characters; the name of a Job with {count} indexes may have {longest}"


_HOW = "Use it in scripts, args and the values of a matrix only"


def _raise(messages: Iterable[str]) -> None:
    problems = [Problem(None, message, "workload") for message in messages]
    if problems:
        raise Problems(problems)
