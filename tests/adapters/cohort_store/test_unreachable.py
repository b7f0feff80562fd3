"""A storage that cannot be reached says nothing of what it has: no file of it is called broken."""

import attrs
import pytest

from adapters.cohort_store.files import FileCohortStore
from adapters.loop_store.files import FileLoopStore
from adapters.root_files.in_memory import InMemoryRootFiles
from daydreaming_dagster.ports.errors import StorageUnreachableError

FILES = {
    "1_raw/stages.yaml": b"",
    "1_raw/concepts_metadata.csv": b"concept_id,name\na,A\n",
    "1_raw/concepts/descriptions-sentence/a.txt": b"A.",
    "1_raw/schemas/verdict.json": b"{}",
    "1_raw/evaluation_templates.csv": (
        b"template_id,parser,generator,schema\nj,score,llm,verdict\n"
    ),
    "cohorts/c1/membership.csv": b"stage,gen_id\n",
    "cohorts/c1/ratings/one.csv": b"",
    "loops/nap/concepts/descriptions-sentence/b.txt": b"B.",
}


@attrs.frozen(eq=False)
class UnreachableFiles(InMemoryRootFiles):
    """Lists every file, and can read only those that do not end with `lost`."""

    lost: str = ""

    def read(self, name):
        if name.endswith(self.lost):
            raise StorageUnreachableError(self.locate(name), "no answer", "read")
        return super().read(name)


@pytest.mark.parametrize(
    ("lost", "read"),
    [
        ("stages.yaml", lambda cohorts, _: cohorts.read_pipeline()),
        ("concepts_metadata.csv", lambda cohorts, _: cohorts.read_catalog()),
        ("/a.txt", lambda cohorts, _: cohorts.read_catalog()),
        ("/b.txt", lambda cohorts, _: cohorts.read_catalog()),
        ("verdict.json", lambda cohorts, _: cohorts.read_catalog()),
        ("config.yaml", lambda cohorts, _: cohorts.read_spec("c1")),
        ("membership.csv", lambda cohorts, _: cohorts.read_membership("c1")),
        ("index.jsonl", lambda cohorts, _: cohorts.read_index("c1")),
        ("one.csv", lambda cohorts, _: cohorts.read_rating_files("c1")),
        (".json", lambda _, loops: loops.read_journal("nap")),
        (".json", lambda _, loops: loops.read_embedding("nap", ("m", "p"), "0" * 64)),
    ],
)
def test_what_cannot_be_reached_is_not_called_broken(lost, read):
    files = UnreachableFiles(dict(FILES), lost=lost)
    if lost != "stages.yaml":
        del files.contents["1_raw/stages.yaml"]
    with pytest.raises(StorageUnreachableError, match="no answer"):
        read(FileCohortStore(files), FileLoopStore(files))
