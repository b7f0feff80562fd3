"""A storage that cannot be reached says nothing of a generation: it is not called broken."""

import attrs
import pytest

from adapters import InMemoryGensStore
from builders import make_catalog
from daydreaming_dagster.domain.cohort.estimate import planned_generations
from daydreaming_dagster.domain.cohort.given_texts import read_given_texts
from daydreaming_dagster.domain.cohort.index import digest_inputs
from daydreaming_dagster.domain.cohort.manifest import Manifest
from daydreaming_dagster.domain.generation.generated import read_generated
from daydreaming_dagster.domain.generation.metadata import combined_concepts, known_parents
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.older.stored import read_older_generations
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.errors import StorageUnreachableError

CATALOG = make_catalog()


@attrs.frozen(eq=False)
class UnreachableStore(InMemoryGensStore):
    """Knows which generations there are, and cannot read them."""

    def _fail(self, *_args):
        raise StorageUnreachableError("s3://lab", "no answer", "read")

    read_main_metadata = read_raw = read_parsed = read_prompt = read_template = _fail


@pytest.mark.parametrize(
    "read",
    [
        lambda store: read_stored_generation(store, "essay", "e1"),
        lambda store: known_parents(store, GenerationRef("essay", "e1")),
        lambda store: combined_concepts(store, GenerationRef("essay", "e1")),
        lambda store: read_given_texts(store, CATALOG.pipeline, ["e1"], []),
        lambda store: digest_inputs(store, CATALOG),
        lambda store: read_generated(store, "essay", "e1"),
        lambda store: [*planned_generations(store, {"essay": ["e1"]})],
        lambda store: read_older_generations(store, CATALOG.pipeline),
        lambda store: Manifest(template={"essay/t": "digest"}).unchanged_templates(store),
    ],
)
def test_what_cannot_be_reached_is_not_taken_for_missing(read):
    store = UnreachableStore()
    store.write_main_metadata("essay", "e1", {})
    with pytest.raises(StorageUnreachableError, match="no answer"):
        read(store)
