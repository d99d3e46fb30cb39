"""The rules: what can be wrong with the input, each by a short name that stays the same.

Rules:

- Each problem has the name of a rule. The type checker knows of each place that tells of one, so that no name is told
  that is not here; docs/rules.md says of each how bad it is and how to keep it.

Left to others: what breaks a rule (all of the compiler), what is told of it (``diagnostics``).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Rule: TypeAlias = Literal[
    # The command line and the files
    "no-input",
    "nothing-to-run",
    "several-runs",
    "unreadable-file",
    "empty-directory",
    "empty-file",
    "file-too-large",
    "encoding",
    "foreign-file",
    # YAML
    "yaml-syntax",
    "yaml-tab",
    "yaml-key",
    "yaml-duplicate-key",
    "yaml-scalar",
    "yaml-alias",
    "yaml-merge",
    "yaml-too-deep",
    "yaml-too-large",
    # Objects and their fields
    "not-an-object",
    "unknown-api-version",
    "unknown-kind",
    "duplicate-object",
    "missing-field",
    "unknown-field",
    "wrong-type",
    "invalid-value",
    "invalid",
    "gone-from-v1",
    # What refers to what
    "unknown-reference",
    "reference-type",
    "unknown-task",
    "unknown-param",
    "undeclared-result",
    "unknown-workspace",
    "unknown-volume",
    "unknown-port",
    "missing-object",
    "remote",
    "cycle",
    "too-deep",
    # Params and Workspaces
    "missing-param",
    "param-type",
    "param-enum",
    "object-keys",
    "default-cycle",
    "param-in-script",
    "unquoted-cel",
    "known-too-late",
    "missing-workspace",
    "workspace-binding",
    "unbound-workspace",
    "mount-path",
    "shebang",
    # What one Pod cannot do, or does otherwise
    "unsupported",
    "custom-task",
    "cluster-task",
    "injected-credentials",
    "no-command",
    "image-config",
    "image-platforms",
    "no-effect",
    "pod-conflict",
    "pod-size",
    "pod-security",
    "limit-range",
    "workload",
    "port-clash",
    "startup-probe",
    "timeouts",
    "too-large",
    "too-many-combinations",
    "idle-include",
    "annotation",
    # Advice, given by `monopod check` alone
    "parallel-writers",
    "unpinned-image",
    "no-timeout",
    "misspelt-reference",
    "left-as-text",
    "unused-param",
    "unused-workspace",
    "unused-result",
    "unwritten-result",
    "unused-document",
    "no-requests",
    "request-over-limit",
    "never-true",
    "script-injection",
    "unknown-ignore",
]

SUMMARIES: dict[Rule, str] = {
    "no-input": "No file was given.",
    "nothing-to-run": "The files hold nothing that could be run, or nothing of the name asked for.",
    "several-runs": "Several Pipelines, or several Tasks, could be meant.",
    "unreadable-file": "A file is not there or may not be read.",
    "empty-directory": (
        "A directory has no file that ends in `.yaml`, `.yml` or `.json`; those in its subdirectories do not count, "
        "as with kubectl."
    ),
    "empty-file": "A file has no documents, which is hardly ever meant.",
    "file-too-large": "A file has more than 10 MiB, which no Pipeline has.",
    "encoding": "A file is not UTF-8, or has characters that YAML does not allow.",
    "foreign-file": "A file is for another system: a workflow of GitHub, a template of Helm, a docker-compose file.",
    "yaml-syntax": "The text is no YAML; what follows is not looked at.",
    "yaml-tab": "A tab is used for indentation, which YAML does not allow.",
    "yaml-key": "A key is empty, or is a list or mapping, as in a template that was not rendered.",
    "yaml-duplicate-key": "A key is there twice in a mapping; only one of the values could count.",
    "yaml-scalar": "A value does not fit its tag, or is a number that JSON does not have.",
    "yaml-alias": "An alias has no anchor before it, or stands for what it is part of.",
    "yaml-merge": "A merge key `<<` has a value that is no mapping and no list of mappings.",
    "yaml-too-deep": "Values are nested deeper than 100 levels.",
    "yaml-too-large": "Aliases make more than a million values of the file.",
    "not-an-object": "A document is no mapping with apiVersion and kind.",
    "unknown-api-version": "The apiVersion is not one that the kind has.",
    "unknown-kind": "Tekton has no such kind.",
    "duplicate-object": "Two objects of one kind have one name, so a reference could mean either.",
    "missing-field": "A field that is required is not there.",
    "unknown-field": "There is no such field, so what it asks for would be ignored.",
    "wrong-type": "A value is of another type than the field has.",
    "invalid-value": "A value is none of those that the field can have.",
    "invalid": "Each field is right, but not together: a name is there twice, or of two fields only one may be given.",
    "gone-from-v1": "The document is v1beta1 and uses what v1 no longer has.",
    "unknown-reference": "A `$(…)` or the name of a Task, Pipeline or StepAction refers to nothing.",
    "reference-type": "An array or object is used where only a string can stand.",
    "unknown-task": "`runAfter`, or a run's `taskRunSpecs`, names a Task that is not there.",
    "unknown-param": (
        "A param is given that what it is given to does not declare: a warning, and an error for `-p` and for a "
        "StepAction."
    ),
    "undeclared-result": "A Step writes a Result that is used, and does not declare it.",
    "unknown-workspace": "A Workspace is bound that is not declared.",
    "unknown-volume": "A volumeMount names no volume of the Task.",
    "unknown-port": "A probe of a Sidecar names a port that the Sidecar does not have.",
    "missing-object": "A ConfigMap, a Secret or a key of one that is referred to is not in the files.",
    "remote": "What a resolver should fetch cannot be had (an error), or something is to be said of it (a warning).",
    "cycle": "Tasks wait for each other, or a Pipeline stands within itself, so that none could ever start.",
    "too-deep": "More than 100 Pipelines (fetched: 20) stand in one another, or 100 defaults refer to one another.",
    "missing-param": "A Task, Pipeline or StepAction needs a param that has no default and is not given.",
    "param-type": "A string is given for an array, or the like.",
    "param-enum": "A value is none of those in the `enum` of the param; a warning if some value is not known yet.",
    "object-keys": "An object lacks a key that its declaration names.",
    "default-cycle": "Defaults refer to each other in a circle.",
    "param-in-script": "The script of a StepAction holds `$(params.x)`, which Tekton does not allow.",
    "unquoted-cel": "A CEL expression refers to a variable outside of quotes, which Tekton refuses.",
    "known-too-late": (
        "The Pod itself (an image, a volume) depends on a value that is known only while running, such as a Result."
    ),
    "missing-workspace": "A Task or Pipeline needs a Workspace that nothing is bound to.",
    "workspace-binding": (
        "What `-w` binds is none of `emptyDir`, `pvc:CLAIM`, `hostPath:DIRECTORY`, `secret:NAME` and `configMap:NAME`."
    ),
    "unbound-workspace": "Nothing is bound to a Workspace and there is no run that would, so it is an empty directory.",
    "mount-path": "Two things are mounted at one path, or one where monopod has its own.",
    "shebang": "The first line of a script names an interpreter that no kernel can start.",
    "unsupported": "A field asks for what cannot be done in one Pod.",
    "custom-task": "A custom task needs a controller of its own in a cluster.",
    "cluster-task": "A ClusterTask is read as the Task of that name.",
    "injected-credentials": (
        "Tekton would put credentials from the Secrets of the ServiceAccount into the home of every Step; monopod "
        "does not."
    ),
    "no-command": (
        "A Step or Sidecar has neither `script` nor `command`, and what its image says to run cannot be looked up."
    ),
    "image-config": "A file of `--image-config` tells nothing of an image, or two things.",
    "image-platforms": "An image that is looked up runs something else on another platform.",
    "no-effect": "A run asks something of a Step, Sidecar or Task that is not there or cannot have it.",
    "pod-conflict": (
        "Two parts of a run ask for different things of their one Pod; a warning if it is only a label or "
        "annotation, of which the first counts."
    ),
    "pod-size": "The Pod is larger than the Kubernetes API takes (1.5 MiB).",
    "pod-security": "Something asks for what the profile of `--pod-security` forbids.",
    "limit-range": "A container, or the Pod, is over what a LimitRange of its namespace allows, or below its minimum.",
    "workload": "The options of `monopod compile`, or the name of the run, do not go with its `--kind`.",
    "port-clash": (
        "Sidecars that can run at the same time use one port, which the Pod has only once: an error if it is declared, "
        "a warning if it is what they seem to listen on."
    ),
    "startup-probe": "A Sidecar is ready when its readinessProbe says so; a startupProbe beside it has no effect.",
    "timeouts": "`--timeout` is shorter than `timeouts.tasks` or `timeouts.finally` of the run.",
    "too-large": (
        "More comes of it than any machine has room for: params in params that multiply, Pipelines in Pipelines, or "
        "more than 5,000 containers."
    ),
    "too-many-combinations": "A matrix has more than 256 combinations, as many as Tekton takes by default.",
    "idle-include": "An entry of `matrix.include` neither extends a combination nor is one of its own.",
    "annotation": "An annotation of monopod's has a value that means nothing.",
    "parallel-writers": (
        "Tasks that can run at the same time may all write one Workspace: a file that two of them write is a matter "
        "of luck."
    ),
    "unpinned-image": (
        "An image without a digest can be another one tomorrow, and so can what it does: a warning without a tag "
        "and with `latest`, a note with another tag."
    ),
    "no-timeout": (
        "A note if no run, Task or Step of a Pipeline has a timeout, so that only the default of one hour stops "
        "what hangs; a warning where a limit is given up with `0`."
    ),
    "misspelt-reference": "A `$(…)` or `${…}` looks like a Tekton variable and is not one, so it stays as it is.",
    "left-as-text": "A placeholder of another system stays as it is: `{{ revision }}`, `${GITHUB_SHA}`, `<no value>`.",
    "unused-param": (
        "A param is declared and never used, or a run gives one that is neither declared nor used: often a slip in "
        "a name."
    ),
    "unused-workspace": (
        "Nothing mentions a Workspace, neither its variables nor its path; in a Pipeline, no Task uses it."
    ),
    "unused-result": "Nothing in the Pipeline reads a Result of a Task that is embedded in it.",
    "unwritten-result": "A Task declares a Result, and no Step mentions its file; who needs the Result will fail.",
    "unused-document": "Nothing in the files refers to a Pipeline, Task or StepAction, though something could.",
    "no-requests": (
        "Steps or Sidecars do not say how much cpu and memory they need, so the Pod may be put where it finds too "
        "little."
    ),
    "request-over-limit": "A request is above its limit, and the Kubernetes API would refuse the Pod.",
    "never-true": (
        "A when-expression can never hold, so the Task or Step never runs: its input is a fixed text that is not "
        "among the values (a `$(…)` was forgotten), a status that Tekton does not have, the reason `Failed` that a "
        "Task had before Tekton 1.12, not in the `enum` of the param, or ruled out by an expression before it."
    ),
    "script-injection": "`$(params.x)` and Results are pasted into a script as text, before anything reads it.",
    "unknown-ignore": "A comment or annotation ignores a rule that there is not, or none.",
}
"""What breaks each rule, in the words of docs/rules.md."""

CAUSES: frozenset[Rule] = frozenset(
    {
        "unreadable-file",
        "empty-directory",
        "empty-file",
        "file-too-large",
        "encoding",
        "foreign-file",
        "yaml-syntax",
        "yaml-tab",
        "not-an-object",
        "unknown-api-version",
        "unknown-kind",
        "remote",
    }
)
"""Rules about what cannot be read or fetched: reported first, since other problems may follow from them."""
