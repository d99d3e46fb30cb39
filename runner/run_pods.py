"""`monopod run`: runs Pods one after another and reports how they ended.

Rules:

- Several runs run in order. If one fails, the next one still runs, because runs are independent. If one is cancelled or
  cannot be started, the remaining runs are not started.
- With the output ``human``, everything goes to standard output. Otherwise, standard output has only the requested data:
  the document of one run, or a List of several, as in kubectl.

``follow_pod`` follows a Pod that was started; ``backend`` is where it runs.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from monopod.compiler.compilation import Compilation
from monopod.runner.backend import Backend
from monopod.runner.backend_errors import BackendUnavailableError, PodRefusedError
from monopod.runner.display.background_output import background_output
from monopod.runner.display.ci_log import write_json, write_yaml
from monopod.runner.display.printable import printable
from monopod.runner.display.problem_report import print_problems, warnings_of
from monopod.runner.exit_codes import CANCELLED, WRONG_INPUT
from monopod.runner.run_options import Ended, Options, Output
from monopod.runner.signals import ENDING, READER_GONE, received, signal_pipe
from monopod.schemas.formats.visible_text import visible_lines


def run_pods(compilations: Sequence[Compilation], backend: Backend, options: Options) -> int:
    """Run compiled Pods, show them, and return the exit code of the command.

    Raises PodRefusedError or BackendUnavailableError if the first Pod cannot be started, and another backend is used
    then.
    """
    with background_output() as output:
        warnings = warnings_of(compilations)
        print_problems([each for each in warnings if each not in options.shown_warnings], sys.stderr)
        _report_ignored_objects(backend, compilations[0].passed_through)
        ended: list[Ended] = []
        with signal_pipe(*ENDING, signal.SIGWINCH) as signals, output.on_loss(signals.report_reader_gone):
            for number, compilation in enumerate(compilations):
                ended.append(_run_one(compilation, backend, options, signals.reader, number))
                if ended[-1].leaves_out_rest:
                    output.hurry()
                if ended[-1].is_last:
                    break
        left = compilations[len(ended) :]
        if left:
            print(f"Not started: {', '.join(map(_described, left))}", file=options.stream)
        documents = [run.document for run in ended if run.document is not None]
        write_documents(documents, len(compilations), options.output)
        records = [run.record for run in ended if run.record is not None]
        options.report(records, [run.record_problem for run in ended if run.record_problem])
    if (left and ended[-1].was_interrupted) or output.leaves_out_rest:
        return CANCELLED
    return _exit_code([run.exit_code for run in ended])


def _exit_code(codes: Sequence[int]) -> int:
    """Combine exit codes: 130 if a run was cancelled, 2 if nothing was run, else 0 or 1."""
    if CANCELLED in codes:
        return CANCELLED
    return codes[0] if len(codes) == 1 else int(any(codes))


def _report_ignored_objects(backend: Backend, objects: Iterable[dict[str, Any]]) -> None:
    names = [f"{item.get('kind', '?')} '{_name(item)}'" for item in objects]
    if names:
        text = f"The {backend.name} backend ignores {', '.join(names)}."
        print(printable(text, colours=False), file=sys.stderr)


def _described(compilation: Compilation) -> str:
    document = compilation.plan.document
    return f"{document['kind']} '{_name(document)}'"


def _name(document: dict[str, Any]) -> str:
    metadata = document.get("metadata") or {}
    return str(metadata.get("name") or metadata.get("generateName") or "")


def _run_one(compilation: Compilation, backend: Backend, options: Options, wake_up: int, number: int) -> Ended:
    with backend.pod(compilation, keep=options.keep) as pod:
        try:
            running = pod.start()
        except (PodRefusedError, BackendUnavailableError) as error:
            if _is_interrupted(wake_up):  # Ctrl-C ends what the backend waits for, such as a pull
                print("monopod run: cancelled before it was started", file=sys.stderr)
                return Ended(CANCELLED, was_interrupted=True)
            if options.falls_back and number == 0:
                raise
            problems = error.problems if isinstance(error, PodRefusedError) else [f"monopod run: {error}"]
            print(*map(visible_lines, problems), sep="\n", file=sys.stderr)
            return Ended(WRONG_INPUT)
        if number:
            print(file=options.stream)
        elif backend.notice and not options.lines.selection.quiet:
            print(backend.notice, file=sys.stderr)
        from monopod.runner.follow_pod import follow_run  # noqa: PLC0415  # while the Pod starts: it takes long

        repeated_by = options.repetitions[number] if options.repetitions else None
        return follow_run(pod, running, compilation, options, wake_up, backend=backend, repeated_by=repeated_by)


def _is_interrupted(wake_up: int) -> bool:
    """Return whether this process received a signal to end. Consumes all received signals."""
    return any(number in (*ENDING, READER_GONE) for number in received(wake_up))


def write_documents(documents: Sequence[dict[str, Any]], wanted: int, output: Output) -> None:
    """Write finished runs to standard output in the requested format; several runs as a List."""
    if output not in ("json", "yaml") or not documents:
        return
    document = documents[0] if wanted == 1 else {"apiVersion": "v1", "kind": "List", "items": list(documents)}
    if output == "yaml":
        write_yaml([document])
    else:
        write_json(json.dumps(document, indent=2) + "\n")
