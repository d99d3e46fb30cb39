"""The rules: what can be wrong with the input, each with a short name that never changes.

Rules:

- Each problem has the name of a rule. The names are a type, so a name that is not in this list is a type error.
  docs/rules.md says for each rule how severe it is and how to follow it.

Left to others: finding what breaks a rule (all of the compiler), problems as such (``diagnostics``).
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
    "missing-result",
    "param-type",
    "param-enum",
    "object-keys",
    "default-cycle",
    "param-in-script",
    "unquoted-cel",
    "no-cel",
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
    # Advice, given only by `monopod check`
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
    "packing",
    "no-requests",
    "request-over-limit",
    "never-true",
    "script-injection",
    "unknown-annotation",
    "unknown-ignore",
]

SUMMARIES: dict[Rule, str] = {
    "no-input": "No file was given.",
    "nothing-to-run": "The files contain nothing to run, or nothing with the name given.",
    "several-runs": "The files define several Pipelines or several Tasks, and any of them could be meant.",
    "unreadable-file": "A file does not exist or cannot be read.",
    "empty-directory": (
        "A directory has no file that ends in `.yaml`, `.yml` or `.json`; as in kubectl, subdirectories do not count."
    ),
    "empty-file": "A file contains no documents, which is rarely intended.",
    "file-too-large": "A file is larger than 10 MiB, which no Pipeline is.",
    "encoding": "A file is not UTF-8, or contains characters that YAML does not allow.",
    "foreign-file": (
        "A file belongs to another system, such as a GitHub workflow, a Helm template or a docker-compose file."
    ),
    "yaml-syntax": "The text is not valid YAML; the rest of the file is not checked.",
    "yaml-tab": "A tab is used for indentation, which YAML does not allow.",
    "yaml-key": "A key is empty, or is a list or mapping, as in an unrendered template.",
    "yaml-duplicate-key": "A mapping has the same key twice.",
    "yaml-scalar": (
        "A value does not match its tag, or is a number that JSON cannot represent. A warning if the value of a param "
        "becomes another text, as `1.20`, which YAML reads as 1.2, does."
    ),
    "yaml-alias": "An alias has no anchor before it, or contains itself.",
    "yaml-merge": "The value of a merge key `<<` is not a mapping or a list of mappings.",
    "yaml-too-deep": "Values are nested more than 100 levels deep.",
    "yaml-too-large": "Aliases expand the file to more than a million values.",
    "not-an-object": "A document is not a mapping with apiVersion and kind.",
    "unknown-api-version": "The kind does not have this apiVersion.",
    "unknown-kind": "Tekton has no such kind.",
    "duplicate-object": "Two objects of the same kind have the same name, so references to them are ambiguous.",
    "missing-field": "A required field is missing.",
    "unknown-field": "The field does not exist.",
    "wrong-type": "A value has the wrong type.",
    "invalid-value": "The field does not accept this value.",
    "invalid": (
        "Each field is valid, but the combination is not: a name occurs twice, or two fields exclude each other."
    ),
    "gone-from-v1": "The document is v1beta1 and uses what v1 no longer has.",
    "unknown-reference": "A `$(…)` or the name of a Task, Pipeline or StepAction refers to nothing.",
    "reference-type": "An array or object is used where only a string is allowed.",
    "unknown-task": "`runAfter`, or a run's `taskRunSpecs`, names a Task that does not exist.",
    "unknown-param": "A param is set that is not declared: a warning, and an error for `-p` and for a StepAction.",
    "undeclared-result": "A Step writes a Result that is used but not declared.",
    "unknown-workspace": "A Workspace is bound that is not declared.",
    "unknown-volume": "A volumeMount names a volume that the Task does not have.",
    "unknown-port": "A probe names a port that its Sidecar does not have.",
    "missing-object": "A ConfigMap or Secret, or a key of one, is not in the files.",
    "remote": "A resolver cannot fetch what it should (an error), or has a warning about it.",
    "cycle": "Tasks wait for each other, or a Pipeline contains itself, so none of them can start.",
    "too-deep": "More than 100 Pipelines (20 if fetched) contain one another, or 100 defaults refer to one another.",
    "missing-param": "A Task, Pipeline or StepAction needs a param that has no default and no value.",
    "missing-result": "A Task that runs needs a Result of a Task that `--only`, `--from` or `--skip` leaves out.",
    "param-type": "The value does not have the declared type, such as a string for an array.",
    "param-enum": "A value is not in the param's `enum`; a warning if some value is not known yet.",
    "object-keys": "An object lacks a key that its declaration requires.",
    "default-cycle": "Defaults refer to each other in a cycle.",
    "param-in-script": "The script of a StepAction contains `$(params.x)`, which Tekton does not allow.",
    "unquoted-cel": "A CEL expression refers to a variable outside quotes, which Tekton rejects.",
    "no-cel": "CEL is used, which the default image of the coordinator does not have.",
    "known-too-late": (
        "The Pod itself (an image, a volume) depends on a value that is known only at run time, such as a Result."
    ),
    "missing-workspace": "A Task or Pipeline needs a Workspace that is not bound.",
    "workspace-binding": (
        "The value of `-w` is not a folder (`.`, `./DIRECTORY`), `emptyDir`, `pvc:CLAIM`, `hostPath:DIRECTORY`, "
        "`secret:NAME` or `configMap:NAME`, or the folder does not exist."
    ),
    "unbound-workspace": (
        "Nothing is bound to a Workspace, and there is no run to bind it, so it is an empty directory."
    ),
    "mount-path": "Two mounts have the same path, or one is at a path of monopod's.",
    "shebang": "The first line of a script names an interpreter that the kernel cannot start.",
    "unsupported": "A field requests what one Pod cannot do.",
    "custom-task": "A custom task needs its own controller in a cluster.",
    "cluster-task": "A ClusterTask is read as the Task of that name.",
    "injected-credentials": (
        "Tekton would copy credentials from the Secrets of the ServiceAccount into every Step's home; monopod does not."
    ),
    "no-command": (
        "A Step or Sidecar has neither `script` nor `command`, and its image's ENTRYPOINT cannot be looked up."
    ),
    "image-config": "A file of `--image-config` says nothing about an image, or contradicts itself.",
    "image-platforms": "An image runs something else on another platform.",
    "no-effect": "A run configures a Step, Sidecar or Task that does not exist or cannot have it.",
    "pod-conflict": (
        "Two parts of a run need different settings of their one Pod; a warning if it is only a label or annotation, "
        "where the first one wins."
    ),
    "pod-size": "The Pod is larger than the Kubernetes API accepts (1.5 MiB).",
    "pod-security": "The profile of `--pod-security` forbids a setting.",
    "limit-range": "A container or the Pod exceeds a LimitRange of its namespace, or is below its minimum.",
    "workload": "The options of `monopod compile`, or the name of the run, do not fit its `--kind`.",
    "port-clash": (
        "Sidecars that can run at the same time use the same port of the Pod: an error if the port is declared, a "
        "warning if they only seem to listen on it."
    ),
    "startup-probe": "The startupProbe of a Sidecar with a readinessProbe has no effect.",
    "timeouts": "`--timeout` is shorter than `timeouts.tasks` or `timeouts.finally` of the run.",
    "too-large": (
        "The input expands to more than any machine can hold: params that multiply, Pipelines in Pipelines, or more "
        "than 5,000 containers."
    ),
    "too-many-combinations": "A matrix has more than 256 combinations, Tekton's default limit.",
    "idle-include": "An entry of `matrix.include` neither extends a combination nor adds one.",
    "annotation": "An annotation of monopod has an invalid value.",
    "parallel-writers": (
        "Tasks that can run at the same time may all write the same Workspace, and may overwrite each other's files."
    ),
    "unpinned-image": (
        "An image without a digest can change at any time: a warning without a tag or with `latest`, a note with "
        "another tag."
    ),
    "no-timeout": (
        "A note if no run, Task or Step of a Pipeline has a timeout, so that only the default of one hour applies; a "
        "warning where `0` removes a limit."
    ),
    "misspelt-reference": "A `$(…)` or `${…}` looks like a Tekton variable but is not one, so it stays as text.",
    "left-as-text": "A placeholder of another system stays as text: `{{ revision }}`, `${GITHUB_SHA}`, `<no value>`.",
    "unused-param": "A param is declared but never used, or a run sets one that is neither declared nor used.",
    "unused-workspace": "No Step mentions a Workspace, its variables or its path; in a Pipeline, no Task uses it.",
    "unused-result": "Nothing in the Pipeline reads a Result of an embedded Task.",
    "unwritten-result": (
        "A Task declares a Result, but no Step mentions its file, so Tasks that use the Result will fail."
    ),
    "unused-document": "Nothing in the files refers to a Pipeline, Task or StepAction, though something could.",
    "packing": "Many Steps could share a container, so that the Pod starts sooner.",
    "no-requests": (
        "Steps or Sidecars have no cpu and memory requests, so the Pod may be scheduled where it does not fit."
    ),
    "request-over-limit": "A request is above its limit, and the Kubernetes API would reject the Pod.",
    "never-true": "A when-expression can never be true, so the Task or Step never runs.",
    "script-injection": "`$(params.x)` and Results are pasted into a script as text, before anything interprets it.",
    "unknown-annotation": "An annotation `monopod.dev/…` is not one that monopod knows, so it has no effect.",
    "unknown-ignore": "A comment or annotation ignores a rule that does not exist, or none.",
}
"""What breaks each rule, as docs/rules.md says it."""

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
