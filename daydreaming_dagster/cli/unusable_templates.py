"""What commands say of templates that cannot be used."""

from contextlib import suppress

from daydreaming_dagster.application.cohort_status import unusable_templates
from daydreaming_dagster.bootstrap import DataRoot
from daydreaming_dagster.cli.console import note
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.errors import CatalogError


def note_unusable_templates(root: DataRoot, cohort_id: str, catalog: Catalog) -> None:
    """Say of which templates nothing tells whether the answers to them are stale."""
    with suppress(CatalogError):  # planning says what is wrong with the specification
        for problem in unusable_templates(root.store, root.cohorts, cohort_id, catalog):
            until = "until that is mended, nothing tells which answers to it are stale"
            note(f"{problem.rstrip('.')}; {until}")
