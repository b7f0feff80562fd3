"""The contract of `LoopStore` on every adapter, and what only files can be."""

import errno
import importlib.metadata
import json
import os
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.cohort_store.in_memory import InMemoryCohortStore
from adapters.loop_store import samplers
from adapters.loop_store.filesystem import FilesystemLoopStore
from adapters.loop_store.in_memory import InMemoryLoopStore
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.decisions import Ruling
from daydreaming_dagster.domain.loop.registry import SAMPLERS
from daydreaming_dagster.domain.loop.spec import LoopSpec
from daydreaming_dagster.ports.errors import StorageUnavailableError, UnsafePathError
from daydreaming_dagster.testing import LoopStoreContract
from daydreaming_dagster.testing.loop_store_contract import CHOSEN, EMBEDDING


@pytest.fixture
def files(data_root):
    for name in ("l1", "l2"):
        (data_root / "loops" / name).mkdir(parents=True)
        (data_root / "loops" / name / "spec.yaml").write_text("pairs: 3\n")
    return FilesystemLoopStore(Paths(data_root))


class TestFilesystem(LoopStoreContract[FilesystemLoopStore]):
    @pytest.fixture
    def loops(self, files):
        return files

    @pytest.fixture
    def cohorts(self, files):
        return FilesystemCohortStore(files.paths)


class TestInMemory(LoopStoreContract[InMemoryLoopStore]):
    @pytest.fixture
    def cohorts(self, data_root):
        return InMemoryCohortStore(FilesystemCohortStore(data_root).read_catalog(), {})

    @pytest.fixture
    def loops(self, cohorts):
        return InMemoryLoopStore(cohorts, {name: LoopSpec(pairs=3) for name in ("l1", "l2")})


def test_a_full_disk_is_said_when_a_round_is_recorded(files, monkeypatch):
    def write(_descriptor, _data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("adapters.atomic_write.os.write", write)
        with pytest.raises(StorageUnavailableError, match="No space"):
            files.record("l1", 1, CHOSEN)

    assert files.read_journal("l1").rounds == ()


def test_a_specification_reads_csv_files_beside_it(files, data_root):
    folder = data_root / "loops/l1"
    (folder / "spec.yaml").write_text("concepts: '@file:seeds.csv'\npairs: 2\npairs: 3\n")
    (folder / "seeds.csv").write_text("concepts\nbee\nant\n")

    spec = files.read_spec("l1")

    assert spec.concepts == ["bee", "ant"]
    assert [str(problem) for problem in spec.problems] == ["pairs: line 3: duplicate key"]


def test_an_accepted_text_leaves_the_researchers_files_alone(files, data_root):
    def contents():
        return {path: path.read_bytes() for path in data_root.glob("1_raw/**/*") if path.is_file()}

    before = contents()

    files.write_concept("l1", "paragraph", "e1", "Text.")

    assert contents() == before
    path = data_root / "loops/l1/concepts/descriptions-paragraph/e1.txt"
    assert path.read_text() == "Text."


def test_a_text_that_two_loops_accepted_has_the_levels_of_both(files, data_root):
    files.write_concept("l1", "paragraph", "e1", "Text.")
    files.write_concept("l2", "sentence", "e1", "Text.")

    concept = FilesystemCohortStore(data_root).read_catalog().concepts["e1"]

    assert concept.descriptions == {"paragraph": "Text.", "sentence": "Text."}
    assert concept.accepted


def test_verdicts_are_read_and_wrong_ones_are_named(files, data_root):
    path = data_root / "loops/l1/verdicts.csv"
    path.write_text("text_id,verdict\ne1,accept\n")
    assert files.read_verdicts("l1") == {"e1": Ruling("accept")}
    path.write_text("text_id,verdict,reason\ne1,accept,\ne2,reject,known since 1972\n")
    assert files.read_verdicts("l1") == {
        "e1": Ruling("accept"),
        "e2": Ruling("reject", "known since 1972"),
    }

    path.write_text("text_id,verdict\ne1,yes\n")
    with pytest.raises(CatalogError, match="expected accept, defer, reject, found 'yes'"):
        files.read_verdicts("l1")


@pytest.mark.parametrize("broken", ["{", "null", "[]", "{}"])
def test_a_broken_entry_is_named(files, data_root, broken):
    files.record("l1", 1, CHOSEN)
    path = data_root / "loops/l1/rounds/0001/chosen.json"
    assert json.loads(path.read_text())["cohort_id"] == "l1-0001"

    path.write_text(broken)

    with pytest.raises(CatalogError, match="chosen"):
        files.read_journal("l1")


@pytest.mark.parametrize("broken", ["{", "null", "[]", "{}"])
def test_a_broken_limit_is_named(files, data_root, broken):
    (data_root / "loops/l1/limit.json").write_text(broken)

    with pytest.raises(CatalogError, match="limit"):
        files.read_journal("l1")


def test_a_link_out_of_the_data_root_is_refused(files, data_root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (data_root / "loops/l1/rounds").symlink_to(outside)

    with pytest.raises(UnsafePathError):
        files.record("l1", 1, CHOSEN)

    assert list(outside.iterdir()) == []


def test_samplers_of_installed_packages_are_found_by_name(monkeypatch):
    points = EntryPoints(
        [
            EntryPoint("mine", f"{__name__}:MINE", samplers.SAMPLER_GROUP),
            EntryPoint("broken", "no_such_package:SAMPLER", samplers.SAMPLER_GROUP),
            EntryPoint("uniform", "no_such_package:SAMPLER", samplers.SAMPLER_GROUP),
        ]
    )
    monkeypatch.setattr(importlib.metadata, "entry_points", points.select)
    monkeypatch.setattr(
        EntryPoint, "load", lambda self: SAMPLERS["coverage"] if self.name == "mine" else 1 / 0
    )

    assert {"mine", "broken", *SAMPLERS} == {*samplers.sampler_names()}
    assert samplers.load_sampler("mine") == SAMPLERS["coverage"]
    assert samplers.load_sampler("uniform") == SAMPLERS["uniform"]
    with pytest.raises(CatalogError, match=r"'broken' \(no_such_package:SAMPLER\) does not load"):
        samplers.load_sampler("broken")


def test_a_malformed_vector_is_named_with_its_file(files, data_root):
    files.write_embedding("l1", EMBEDDING)
    (path,) = data_root.glob("loops/l1/embeddings/*/0a.json")
    for text, reason in (("{", "0a.json"), ("{}", "the text is embedded again")):
        path.write_text(text)
        with pytest.raises(CatalogError, match=reason):
            files.read_embedding("l1", ("acme", "small-1"), "0a")
