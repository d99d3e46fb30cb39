"""Furiko's documents: a JobConfig is a Pipeline with a template of its runs, a Job is a PipelineRun.

Rules (Furiko's pkg/execution/mutation):

- An option of a JobConfig is a param of the Pipeline. Its default is the text that the option's default becomes.
- A Job with a ``configName`` refers to that Pipeline, with the texts that its ``optionValues`` become as params. ``-p``
  takes a value of an option too, and wins.
- ``substitutions`` of a Job win over all variables. If they hold anything but values of options, the Pipeline is
  embedded in the run, with these texts in it.
- A Job without a JobConfig has its Pipeline embedded; its variables ``${option.…}`` are from its ``substitutions``.

Left to others: which fields exist and which are refused (``schemas.foreign.furiko``), the Task (``tasks``), the values
of options (``options``), the schedule (``schedules``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.documents import yaml_tree
from monopod.compiler.documents.own_annotations import TTL
from monopod.compiler.documents.validation import Complaint, validate
from monopod.compiler.importers.furiko.context_variables import ContextVariables
from monopod.compiler.importers.furiko.options import MissingValueError, choices, text_of, value_in
from monopod.compiler.importers.furiko.schedules import annotations_of
from monopod.compiler.importers.furiko.tasks import (
    TaskTranslation,
    indices,
    labels_and_annotations,
    param_name,
    reference,
    task_variables,
)
from monopod.compiler.importers.imported import (
    Imported,
    ImportedDocument,
    Sourced,
    Surroundings,
    unfold,
    without_nothing,
)
from monopod.compiler.importers.support import unsupported
from monopod.schemas.foreign.furiko import FurikoJob, FurikoJobConfig, FurikoOption
from monopod.schemas.formats.duration import to_text
from monopod.schemas.kubernetes.metadata import ObjectMeta
from monopod.schemas.model import Path

_CONFIG_TEMPLATE: Path = ("spec", "template", "spec")
_OPTIONS: Path = ("spec", "option", "options")
_OPTION = "option."
_NAMES = ("name", "generateName", "namespace", "labels", "annotations")


def to_tekton(document: dict[str, Any], surroundings: Surroundings) -> Imported:
    """Return what a Job or a JobConfig means; the JobConfigs of Jobs are in the `surroundings`."""
    if document["kind"] == "JobConfig":
        config, complaints = validate(FurikoJobConfig, document)
        return Imported(complaints=tuple(complaints)) if config is None else _of_config(config, surroundings)
    job, complaints = validate(FurikoJob, document)
    return Imported(complaints=tuple(complaints)) if job is None else _of_job(job, surroundings)


@dataclass(slots=True)
class _Report:
    """What is wrong with a document, and what has no effect."""

    errors: list[Complaint] = field(default_factory=list)
    warnings: list[Complaint] = field(default_factory=list)

    def imported(self, *documents: ImportedDocument, params: Iterable[str] = ()) -> Imported:
        """Return the result of an import of these documents."""
        return Imported(documents, tuple(self.errors), tuple(self.warnings), frozenset(params))


# JobConfigs


def _of_config(config: FurikoJobConfig, surroundings: Surroundings) -> Imported:
    report = _Report(*unsupported(config.spec, ("spec",), "a JobConfig"))
    name, options = _name_of(config), config.spec.option.options
    translation = _ConfigTranslation(config, name, {}, surroundings.split)
    pipeline = translation.pipeline(report)
    schedule = annotations_of(config, name)
    report.errors += schedule.complaints
    report.warnings += schedule.warnings
    values = _from_command_line(options, surroundings.params, report)
    namespace = {} if config.metadata.namespace is None else {"namespace": config.metadata.namespace}
    metadata = {"generateName": Sourced(f"{name}-", ("metadata", "name")), **namespace}
    run = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {**metadata, "annotations": schedule.annotations},
        "spec": without_nothing(
            {
                "pipelineRef": {"name": Sourced(name, ("metadata", "name"))},
                "params": _params(values),
                "timeouts": {"pipeline": "0s"},
                "taskRunTemplate": translation.template.run_template(),
            }
        ),
    }
    template = replace(unfold(run), is_template=True)
    return report.imported(unfold(pipeline), template, params=(option.name for option in options))


def _name_of(config: FurikoJobConfig) -> str:
    return config.metadata.name or (config.metadata.generate_name or "").rstrip("-.")


class _ConfigTranslation:
    """Makes the Pipeline of a JobConfig from its `template`; `literals` are substitutions that a Job brings."""

    def __init__(
        self, config: FurikoJobConfig, name: str, literals: Mapping[str, str], split: str, job_type: str = ""
    ) -> None:
        self._config = config
        self._name = name
        options = config.spec.option.options
        self._params = {option.name: param_name(option.name) for option in options}
        template = config.spec.template.spec
        path: Path = (*_CONFIG_TEMPLATE, "parallelism")
        parts = indices(template.parallelism, path, frozenset(self._params.values()), split)
        known = task_variables(template, parts)
        known |= {
            "job.type": job_type or "Adhoc",
            "jobconfig.name": name,
            "jobconfig.namespace": known["job.namespace"],
            **{f"{_OPTION}{option}": reference(param) for option, param in self._params.items()},
        }
        self._variables = ContextVariables(known, literals)
        self._parts = parts
        self.template = TaskTranslation(template, _CONFIG_TEMPLATE, parts, self._variables)

    def pipeline(self, report: _Report) -> dict[str, Any]:
        """Return the Pipeline."""
        of_jobs = labels_and_annotations(self._config.spec.template.metadata, ("spec", "template", "metadata"))
        own = _metadata(self._config.metadata, ("namespace", "labels", "annotations"))
        metadata = _merged(own, of_jobs, self.template.metadata())
        return {
            "apiVersion": "tekton.dev/v1",
            "kind": "Pipeline",
            "metadata": {"name": Sourced(self._name, ("metadata", "name")), **metadata},
            "spec": self.spec(report),
        }

    def spec(self, report: _Report) -> dict[str, Any]:
        """Return the spec of the Pipeline."""
        params = [
            self._declared(option, (*_OPTIONS, index), report)
            for index, option in enumerate(self._config.spec.option.options)
        ]
        params += [part.declared() for part in self._parts if part.is_split]
        spec = without_nothing({"params": params, "tasks": [self.template.task()]})
        report.errors += [*self.template.complaints, *self._variables.complaints]
        report.warnings += self._variables.warnings
        return spec

    def _declared(self, option: FurikoOption, path: Path, report: _Report) -> Sourced:
        fields = {"name": self._params[option.name], "type": "string", "description": option.label}
        declared: dict[str, Any] = without_nothing({**fields, "enum": choices(option)})
        try:
            declared["default"] = text_of(option, None)
        except MissingValueError:
            pass  # a run needs a value
        except ValueError as error:
            report.errors.append(Complaint(path, str(error), "invalid-value"))
        return Sourced(declared, path)


# Jobs


def _of_job(job: FurikoJob, surroundings: Surroundings) -> Imported:
    report = _Report(*unsupported(job.spec, ("spec",), "a Job"))
    policy = job.spec.start_policy.concurrency_policy if job.spec.start_policy is not None else ""
    if policy not in ("", "Allow"):
        message = "concurrencyPolicy has no effect: monopod starts a run at once, also beside others"
        report.warnings.append(
            Complaint(("spec", "startPolicy", "concurrencyPolicy"), message, "no-effect", at_key=True)
        )
    if not job.spec.config_name:
        return _of_independent_job(job, surroundings, report)
    configs = {_named(each): each for each in surroundings.documents if each["kind"] == "JobConfig"}
    name = job.spec.config_name
    if name not in configs:
        message = f"the files have no JobConfig '{name}'{did_you_mean(name, configs)}; give it with -f"
        report.errors.append(Complaint(("spec", "configName"), message, "unknown-reference"))
        return report.imported()
    config, _ = validate(FurikoJobConfig, configs[name])
    if config is None:
        return report.imported()  # what is wrong is reported there
    if job.spec.template is not None:
        message = f"template has no effect: the JobConfig '{name}' has the template"
        report.warnings.append(Complaint(("spec", "template"), message, "no-effect", at_key=True))
    return _of_job_with_config(job, config, name, surroundings, report)


def _named(document: dict[str, Any]) -> str:
    metadata = document.get("metadata")
    fields = metadata if isinstance(metadata, dict) else {}
    return str(fields.get("name") or str(fields.get("generateName") or "").rstrip("-."))


def _of_job_with_config(
    job: FurikoJob, config: FurikoJobConfig, name: str, surroundings: Surroundings, report: _Report
) -> Imported:
    origin: Path = ("spec", "configName")
    options = config.spec.option.options
    values = _from_option_values(job, options, report)
    literals = dict(job.spec.substitutions)
    for option in options:
        if (text := literals.pop(f"{_OPTION}{option.name}", None)) is not None:
            values[option.name] = Sourced(text, ("spec", "substitutions", f"{_OPTION}{option.name}"))
    values |= _from_command_line(options, surroundings.params, report, origin)
    translation = _ConfigTranslation(config, name, literals, surroundings.split, job.spec.type)
    definition: dict[str, Any] = {"pipelineRef": {"name": Sourced(name, origin)}}
    if literals:
        unused = _Report()  # the JobConfig reports what is wrong with it
        made = unfold(translation.spec(unused)).data
        definition = {"pipelineSpec": Sourced(made, origin)}
    template = translation.template
    spec = {**definition, "params": _params(values), "taskRunTemplate": template.run_template(origin)}
    run = _run(job, spec, template.metadata(origin))
    return report.imported(unfold(run), params=(option.name for option in options))


def _of_independent_job(job: FurikoJob, surroundings: Surroundings, report: _Report) -> Imported:
    template = job.spec.template
    assert template is not None
    if job.spec.option_values:
        message = "optionValues has no effect: only a JobConfig has options; write substitutions"
        report.warnings.append(Complaint(("spec", "optionValues"), message, "no-effect", at_key=True))
    path: Path = ("spec", "template")
    literals = dict(job.spec.substitutions)
    names = {key.removeprefix(_OPTION) for key in literals if key.startswith(_OPTION)}
    literals |= {f"{_OPTION}{name}": surroundings.params[name] for name in names & surroundings.params.keys()}
    parts = indices(template.parallelism, (*path, "parallelism"), frozenset(), surroundings.split)
    known = {**task_variables(template, parts), "job.type": job.spec.type or "Adhoc"}
    variables = ContextVariables(known, literals)
    translation = TaskTranslation(template, path, parts, variables)
    spec = {
        "pipelineSpec": Sourced(
            without_nothing(
                {
                    "params": [part.declared() for part in parts if part.is_split],
                    "tasks": [translation.task()],
                }
            ),
            path,
        ),
        "taskRunTemplate": translation.run_template(),
    }
    report.errors += [*translation.complaints, *variables.complaints]
    report.warnings += variables.warnings
    run = _run(job, spec, translation.metadata())
    return report.imported(unfold(run), params=names)


def _run(job: FurikoJob, spec: Mapping[str, Any], of_pod: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    metadata = _merged(_metadata(job.metadata, _NAMES), of_pod)
    seconds = job.spec.ttl_seconds_after_finished
    if seconds is not None:
        ttl = Sourced(to_text(seconds), ("spec", "ttlSecondsAfterFinished"))
        metadata["annotations"] = {**metadata.get("annotations", {}), TTL: ttl}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": metadata,
        "spec": without_nothing({**spec, "timeouts": {"pipeline": "0s"}}),
    }


def _metadata(metadata: ObjectMeta, names: tuple[str, ...]) -> dict[str, Any]:
    """Return these fields of an object's metadata; labels and annotations key by key."""
    fields = metadata.to_kubernetes()
    return {
        name: {key: Sourced(text, ("metadata", name, key)) for key, text in fields[name].items()}
        if isinstance(fields[name], dict)
        else Sourced(fields[name], ("metadata", name))
        for name in names
        if name in fields
    }


def _merged(own: Mapping[str, Any], *others: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return metadata with the labels and annotations of others, the last of which takes precedence."""
    merged = {
        field: {key: text for each in (own, *others) for key, text in each.get(field, {}).items()}
        for field in ("labels", "annotations")
    }
    return without_nothing({**own, **merged})


# Values of options


def _params(values: Mapping[str, Sourced]) -> list[Sourced]:
    return [Sourced({"name": param_name(name), "value": value.value}, value.path) for name, value in values.items()]


def _from_command_line(
    options: tuple[FurikoOption, ...], given: Mapping[str, str], report: _Report, origin: Path | None = None
) -> dict[str, Sourced]:
    """Return the texts of the options that ``-p`` sets; all are from `origin`, if it is given."""
    values = {}
    for index, option in enumerate(options):
        if option.name not in given:
            continue
        path = origin or (*_OPTIONS, index)
        try:
            values[option.name] = Sourced(text_of(option, value_in(option, given[option.name])), path)
        except ValueError as error:
            message = f"-p {option.name}={given[option.name]}: {error}"
            report.errors.append(Complaint(path, message, "invalid-value"))
    return values


def _from_option_values(job: FurikoJob, options: tuple[FurikoOption, ...], report: _Report) -> dict[str, Sourced]:
    """Return the texts of the options that the ``optionValues`` of a Job set."""
    path: Path = ("spec", "optionValues")
    trees, problems = yaml_tree.parse(job.spec.option_values, "optionValues")
    data = trees[0].data if trees and trees[0].data is not None else {}
    if problems or not isinstance(data, dict):
        message = problems[0].message if problems else "expected a mapping of options to values, as YAML or JSON"
        report.errors.append(Complaint(path, message, "invalid-value"))
        return {}
    by_name = {option.name: option for option in options}
    values = {}
    for name, value in data.items():
        if name not in by_name:
            message = f"unknown option '{name}'{did_you_mean(str(name), by_name)}; its value has no effect"
            report.warnings.append(Complaint(path, message, "unknown-param"))
            continue
        try:
            values[name] = Sourced(text_of(by_name[name], value), path)
        except ValueError as error:
            report.errors.append(Complaint(path, f"{name}: {error}", "invalid-value"))
    return values
