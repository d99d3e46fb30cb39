"""What a record keeps so that its run can be repeated: the command line, the documents, and a digest of each Task.

Rules:

- The file is written when the record is created. It is written again at the end if other volumes are kept.
- The values of Secrets are left out of the documents (``unrecorded_secrets``).

Left to others: the record itself (``recorder``), what is reused (``runner.repeating``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monopod.runner.records.store import RecordError

FILE = "repetition.json"
FORMAT = 1
CLAIM = "pvc:"
"""The beginning of a binding to a claim."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """How a run was started.

    - ``words`` follow ``monopod run`` on the command line, ``directory`` is where it was typed, ``project`` the
      root of its project.
    - ``files`` are the files that were read, ``texts`` their contents by name. ``index``: which of their runs it is.
    - ``digests`` are those of the Tasks of the Pipeline (``repeating.task_digests``).
    - ``kept`` are the directories of the volumes that were kept, or `CLAIM` and a claim, by their names in the Pod.
    - ``inputs`` names the files that it read from outside its Pod (``repeating.inputs``), empty if they are unknown.
    """

    words: tuple[str, ...]
    directory: str
    project: str
    files: tuple[str, ...]
    texts: Mapping[str, str]
    index: int
    digests: Mapping[str, str]
    kept: Mapping[str, str] = field(default_factory=dict)
    inputs: str = ""


def text_of(repetition: Repetition) -> str:
    """Return the content of the file."""
    return json.dumps({"format": FORMAT, **dataclasses.asdict(repetition)}, ensure_ascii=False)


def read_repetition(directory: Path) -> Repetition:
    """Return how the run of a record was started. Raises RecordError."""
    try:
        content = json.loads((directory / FILE).read_text("utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError("it has another format")
        return Repetition(**{**content, "words": tuple(content["words"]), "files": tuple(content["files"])})
    except FileNotFoundError as error:
        message = f"the record of '{directory.name}' has no command line; only runs of `monopod run` can be repeated"
        raise RecordError(message) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RecordError(f"cannot read how '{directory.name}' was started: {error}") from error
