"""The Workspaces whose files are copied between this machine and the Pod, with their volumes.

Rules: a folder of this machine is copied to its Workspace before the first Step, where the Pod cannot mount it. Files
can be fetched from every Workspace that has a volume.

Left to others: copying (``monopod.runner``), mounting the volumes for that (``pod.assembly``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monopod.compiler.diagnostics import Report, did_you_mean
from monopod.compiler.documents.places import OptionPlace
from monopod.compiler.documents.run_selection import BoundByRun
from monopod.compiler.pod.draft import PodDraft
from monopod.compiler.pod.files_container import ExchangedWorkspace
from monopod.compiler.tasks.workspaces import Bindings, name_in_pod


def exchanged_workspaces(
    run: Iterable[BoundByRun], bound: Bindings, fetched: Iterable[str], draft: PodDraft, report: Report
) -> tuple[ExchangedWorkspace, ...]:
    """Return the Workspaces with a folder or in `fetched`; their volumes are added to the draft of the Pod."""
    folders = {binding.name: binding.folder for binding in run if binding.folder is not None}
    known = list(_known(fetched, bound, report))
    result = []
    for name in dict.fromkeys([*folders, *known]):
        volume = bound.get(name)
        if volume is not None:  # otherwise a folder is bound to an unknown Workspace, which is reported
            in_pod = name_in_pod(volume, draft)
            workspace = ExchangedWorkspace(name, in_pod, volume.sub_path, folders.get(name), name in known)
            result.append(workspace)
    return tuple(result)


def _known(fetched: Iterable[str], bound: Bindings, report: Report) -> Iterator[str]:
    for name in fetched:
        place = OptionPlace(f"--fetch {name}")
        if name not in bound:
            message = f"there is no Workspace '{name}'{did_you_mean(name, bound)}"
            report.add(place.problem("unknown-workspace", message))
        elif bound[name] is None:
            message = f"nothing is bound to the Workspace '{name}'; bind something with -w {name}=…"
            report.add(place.problem("unbound-workspace", message))
        else:
            yield name
