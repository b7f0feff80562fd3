"""The researcher's catalog of concepts after a concept was renamed."""

import pytest

from adapters.cohort_store.concept_rows import with_other_id
from adapters.cohort_store.filesystem import FilesystemCohortStore
from daydreaming_dagster.domain.errors import CatalogError


def test_all_else_stays_as_it_was():
    data = '\ufeffname,concept_id,note\r\n"An ant, small",ant,"é ""x"""\r\n\r\nBee,bee,\r\n'

    renamed = with_other_id(data.encode(), "ant", "zebra")

    assert renamed.decode() == (
        '\ufeffname,concept_id,note,formerly\r\n"An ant, small",zebra,"é ""x""",ant\r\n'
        "Bee,bee,,\r\n"
    )
    assert with_other_id(renamed, "ant", "aphid").decode() == renamed.decode().replace(
        "zebra", "aphid"
    )


def test_a_description_may_have_the_name_of_either_id(data_root):
    cohorts = FilesystemCohortStore(data_root)
    folder = data_root / "1_raw" / "concepts" / "descriptions-sentence"

    cohorts.rename_concept("ant", "zebra")
    assert cohorts.read_catalog().concepts["ant"].descriptions == {"sentence": "Ants build."}
    (folder / "ant.txt").rename(folder / "zebra.txt")
    assert cohorts.read_catalog().concepts["ant"].descriptions == {"sentence": "Ants build."}


@pytest.mark.parametrize("rows", ["zebra,Z,ant\nant,A,\n", "zebra,Z,ant\nyak,Y,ant\n"])
def test_two_concepts_with_one_history_are_refused(data_root, rows):
    (data_root / "1_raw" / "concepts_metadata.csv").write_text(f"concept_id,name,formerly\n{rows}")

    with pytest.raises(CatalogError, match="is or was the id of another concept"):
        FilesystemCohortStore(data_root).read_catalog()
