"""docs/importing-fields.md has a row for each field that an importer reads, with the status that its type says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from schema_models import models_in

from monopod.schemas import foreign
from monopod.schemas.foreign.support import NoEffect, Refused
from monopod.schemas.model import Model, field_names

PAGE = (Path(__file__).parents[1] / "docs" / "importing-fields.md").read_text()
BASES = {"ArgoPodFields", "ForeignObject"}
"""Models that are only parts of others."""
MODELS = [model for model in models_in(foreign) if model.__name__ not in BASES]


def rows(model: type[Model]) -> dict[str, str]:
    """Return the status of each field in the table of a model."""
    (table,) = re.findall(rf"^#+ .*\(`{model.__name__}`\)\n((?:(?!#).*\n)*)", PAGE, re.MULTILINE)
    return dict(re.findall(r"^\| `(\w+)` \| ([a-z ]+) \|", table, re.MULTILINE))


def status(model: type[Model], name: str) -> str:
    (field,) = (each for key, each in model.model_fields.items() if (each.alias or key) == name)
    kinds = {type(each) for each in field.metadata}
    return "refused" if Refused in kinds else "no effect" if NoEffect in kinds else "works"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_has_a_row_with_its_status(model: type[Model]):
    assert rows(model) == {name: status(model, name) for name in field_names(model)}


def test_the_page_has_no_tables_of_other_models():
    named = re.findall(r"^#+ .*\(`(\w+)`\)$", PAGE, re.MULTILINE)
    assert sorted(named) == sorted(model.__name__ for model in MODELS)
