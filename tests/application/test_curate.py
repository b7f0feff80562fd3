"""A cohort is deleted or archived with what only it has, and orphans are pruned."""

import os
import re
import threading

import attrs
import pytest

from adapters import FilesystemGensStore, InMemoryGensStore
from adapters.batch_store.in_memory import InMemoryBatchStore
from adapters.bundles.zip_file import ZipBundle
from adapters.loop_store.in_memory import InMemoryLoopStore
from adapters.root_files.filesystem import FilesystemRootFiles
from builders import Killed, MortalStore
from calls import PATIENCE
from daydreaming_dagster.application.bundle_cohort import archive_cohort, restore_cohort
from daydreaming_dagster.application.check_data_root import check_data_root
from daydreaming_dagster.application.curate import (
    delete_cohort,
    find_orphans,
    preview_deletion,
    prune_orphans,
)
from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.domain.batch.record import BatchedQuestion, BatchRecord
from daydreaming_dagster.domain.cohort.sharing import refs_of
from daydreaming_dagster.domain.errors import (
    AnswerAwaitedError,
    CatalogError,
    CohortBusyError,
    CohortInUseError,
    GenerationBusyError,
    UnknownCohortError,
)
from daydreaming_dagster.domain.loop.gate import Threshold
from daydreaming_dagster.domain.loop.journal import Chosen, Written, WrittenText
from daydreaming_dagster.ports.errors import DataLayerError


def stored(lab):
    return {
        (stage, gen_id)
        for stage in lab.cohorts.read_pipeline()
        for gen_id in lab.store.list_generations(stage)
    }


def members(lab, cohort_id):
    return set(refs_of(lab.cohorts.read_membership(cohort_id)))


def found(lab):
    return check_data_root(lab.store, lab.cohorts, None).findings


def add_cohort(lab, cohort_id, spec=None, **axes):
    spec = spec or lab.cohorts.specs["c1"]
    lab.cohorts.specs[cohort_id] = attrs.evolve(spec, axes=attrs.evolve(spec.axes, **axes))
    plan_cohort(lab.store, lab.cohorts, cohort_id)
    return members(lab, cohort_id)


@pytest.fixture
def two(lab):
    """c1 of ant, bee and cod, and c2 of ant and bee alone, which it shares; both are run."""
    plan_cohort(lab.store, lab.cohorts, "c1")
    add_cohort(lab, "c2", concepts=["ant", "bee"])
    assert lab.run("c1").complete
    return lab


def loops_of(lab, cohort_id="", text=None):
    """Return loops of which one made a cohort and a text."""
    loops = InMemoryLoopStore(lab.cohorts, {"night": None})
    loops.record("night", 1, Chosen(cohort_id or "night-0001", "1/1", 2, ()))
    if text is not None:
        texts = (WrittenText(*text, pair=("ant", "bee"), digest=""),)
        loops.record("night", 1, Written(texts, Threshold(0.9, 0, 0), ()))
    return loops


def test_a_deletion_leaves_what_another_cohort_shares(two):
    shared, own = members(two, "c2"), members(two, "c1") - members(two, "c2")

    deletion = delete_cohort(two.store, two.cohorts, None, "c1")

    assert set(deletion.deleted) == own
    assert set(deletion.kept) == shared
    assert stored(two) == shared
    assert two.cohorts.list_cohorts() == two.cohorts.list_planned_cohorts() == ["c2"]
    assert found(two) == []
    asked = len(two.asked)
    assert two.run("c2").complete
    assert len(two.asked) == asked


def test_a_preview_says_the_same_and_changes_nothing(two):
    before = stored(two)

    preview = preview_deletion(two.store, two.cohorts, None, "c1")

    assert stored(two) == before
    assert preview == delete_cohort(two.store, two.cohorts, None, "c1")


def test_what_a_loop_wrote_stays_with_what_it_is_made_from(two):
    essay = next(ref for ref in sorted(members(two, "c1")) if ref.stage == "essay")
    draft = two.store.read_main_metadata(*essay)["parent_gen_id"]
    delete_cohort(two.store, two.cohorts, None, "c2")

    deletion = delete_cohort(two.store, two.cohorts, loops_of(two, text=essay), "c1")

    assert set(deletion.kept) == stored(two) == {essay, ("draft", draft)}


def test_what_a_generation_of_no_cohort_is_made_from_stays(two):
    draft = max(members(two, "c1") - members(two, "c2"), key=lambda ref: ref.stage == "draft")
    own = {"template_id": "story", "llm_model_id": "big", "parent_gen_id": draft.gen_id}
    two.store.write_main_metadata("essay", "e_own", own)

    deletion = delete_cohort(two.store, two.cohorts, None, "c1")

    assert draft.stage == "draft"
    assert draft in deletion.kept
    assert found(two) == []


def test_a_cohort_that_a_loop_made_is_not_deleted(two):
    with pytest.raises(CohortInUseError, match="night"):
        delete_cohort(two.store, two.cohorts, loops_of(two, "c1"), "c1")
    assert members(two, "c1") <= stored(two)


@pytest.mark.parametrize("delete", [preview_deletion, delete_cohort])
def test_a_cohort_that_is_not_there_is_named(lab, delete):
    with pytest.raises(UnknownCohortError, match="there is no cohort 'c9'"):
        delete(lab.store, lab.cohorts, None, "c9")


def test_a_cohort_that_is_not_planned_is_deleted_too(lab):
    assert delete_cohort(lab.store, lab.cohorts, None, "c1").deleted == []
    assert lab.cohorts.list_cohorts() == []


def test_a_cohort_that_a_run_holds_is_not_deleted(two):
    before = stored(two)

    with two.cohorts.hold("c1"), pytest.raises(CohortBusyError):
        delete_cohort(two.store, two.cohorts, None, "c1")
    assert stored(two) == before


def test_a_generation_that_a_run_makes_is_not_deleted(two):
    ref = min(members(two, "c1") - members(two, "c2"))
    claim = two.store.claim(*ref)

    with pytest.raises(GenerationBusyError, match=ref.gen_id):
        delete_cohort(two.store, two.cohorts, None, "c1")
    claim.release()
    delete_cohort(two.store, two.cohorts, None, "c1")

    assert stored(two) == members(two, "c2")


@attrs.frozen(eq=False)
class DistantStore(InMemoryGensStore):
    """A store that wants two threads. `stages` has the stage of each deleted generation."""

    stages: list[str] = attrs.field(factory=list)
    pair: threading.Barrier = attrs.field(factory=lambda: threading.Barrier(2))

    def threads(self):
        return 2

    def _delete(self, stage, gen_id):
        if stage != "draft":  # there are three
            self.pair.wait(PATIENCE)
        super()._delete(stage, gen_id)
        self.stages.append(stage)


def test_over_a_network_many_are_deleted_at_once_and_children_first(make_lab):
    lab = make_lab(DistantStore)
    plan_cohort(lab.store, lab.cohorts, "c1")

    delete_cohort(lab.store, lab.cohorts, None, "c1")

    assert lab.store.stages == [*["evaluation"] * 12, *["essay"] * 6, *["draft"] * 3]
    assert not stored(lab)


def test_nothing_is_deleted_if_nobody_knows_what_is_shared(two):
    ref = min(members(two, "c2"))
    two.store.write_main_metadata(*ref, {"mode": "guess"})
    before = stored(two)

    with pytest.raises(DataLayerError, match="guess"):
        delete_cohort(two.store, two.cohorts, None, "c1")
    assert stored(two) == before


@attrs.frozen(eq=False)
class FragileStore(MortalStore):
    """A store whose process is killed at a deletion: `left` counts those that are still made."""

    def _delete(self, stage, gen_id):
        if self.left[0] <= 0:
            raise Killed
        self.left[0] -= 1
        super()._delete(stage, gen_id)


@pytest.mark.parametrize("deletions", [0, 1, 7, 12])
def test_the_same_call_finishes_a_deletion_that_was_killed(make_lab, deletions):
    lab = make_lab(FragileStore)
    plan_cohort(lab.store, lab.cohorts, "c1")
    lab.run("c1")
    add_cohort(lab, "c2", concepts=["ant", "bee"])
    lab.store.left[0] = deletions

    with pytest.raises(Killed):
        delete_cohort(lab.store, lab.cohorts, None, "c1")
    assert {one.kind for one in found(lab)} == ({"not there"} if deletions else set())
    lab.store.left[0] = float("inf")
    delete_cohort(lab.store, lab.cohorts, None, "c1")

    assert stored(lab) == members(lab, "c2")
    assert found(lab) == []


def test_an_answer_that_a_batch_has_is_not_thrown_away(two):
    ref = min(members(two, "c1") - members(two, "c2"))
    question = BatchedQuestion("q", *ref)
    record = BatchRecord(written_at="2026-01-02T03:04:05+00:00", questions=[question])
    batches = InMemoryBatchStore()
    batches.write_batch("b1", record.as_document())
    before = stored(two)

    for delete in (preview_deletion, delete_cohort):
        with pytest.raises(AnswerAwaitedError, match=ref.gen_id):
            delete(two.store, two.cohorts, None, "c1", batches)
    assert stored(two) == before
    two.cohorts.delete_cohort("c1")
    with pytest.raises(AnswerAwaitedError, match=ref.gen_id):
        prune_orphans(two.store, two.cohorts, None, batches)
    batches.delete_batch("b1")
    assert ref in prune_orphans(two.store, two.cohorts, None, batches)


def test_orphans_are_what_a_new_plan_left_out(two):
    spec = two.cohorts.specs["c1"]
    two.cohorts.specs["c1"] = attrs.evolve(
        spec, axes=attrs.evolve(spec.axes, concepts=["ant", "cod"])
    )
    delete_cohort(two.store, two.cohorts, None, "c2")
    plan_cohort(two.store, two.cohorts, "c1")
    orphans = stored(two) - members(two, "c1")
    assert orphans

    assert set(find_orphans(two.store, two.cohorts, None)) == orphans
    kept = min(orphans)
    loops = loops_of(two, text=kept)
    assert set(prune_orphans(two.store, two.cohorts, loops)) == orphans - {kept}
    assert set(prune_orphans(two.store, two.cohorts, None)) == {kept}
    assert stored(two) == members(two, "c1")
    assert found(two) == []


def test_nothing_is_an_orphan_if_no_cohort_is_planned(two, make_lab):
    for cohort_id in ("c1", "c2"):
        two.cohorts.delete_cohort(cohort_id)

    with pytest.raises(CatalogError, match="no cohort is planned"):
        prune_orphans(two.store, two.cohorts, None)
    empty = make_lab()
    assert prune_orphans(empty.store, empty.cohorts, None) == []


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ("cohorts/c2 (old)", "membership.csv"),
        ("cohorts/c2 (old)", "spec/config.yaml"),
        ("cohorts/old/c2", "membership.csv"),
        ("loops/l (old)", "spec.yaml"),
    ],
)
def test_nothing_is_deleted_that_may_be_needed_where_a_name_is_unusable(
    root, data_root, place, kept
):
    root.cohorts.write_membership("c2", {})
    file = data_root / place / kept
    file.parent.mkdir(parents=True)
    file.write_text("stage,gen_id\n")
    assert prune_orphans(root.store, root.cohorts, root.loops) == []

    with pytest.raises(CatalogError, match=re.escape(f"nobody knows whether {data_root / place}")):
        delete_cohort(root.store, root.cohorts, root.loops, "c1")
    root.cohorts.write_membership("c1", {})
    with pytest.raises(CatalogError, match="give the folder a name of letters, digits, _ and -"):
        prune_orphans(root.store, root.cohorts, root.loops)
    checked = check_data_root(root.store, root.cohorts, None, loops=root.loops)
    assert [(one.kind, one.subject) for one in checked.findings] == [
        ("unusable name", str(data_root / place))
    ]
    file.unlink()
    assert len(prune_orphans(root.store, root.cohorts, root.loops)) == 21


@pytest.fixture
def root(data_root):
    opened = open_data_root(data_root)
    plan_cohort(opened.store, opened.cohorts, "c1")
    return opened


def contents(root):
    return {name: root.files.read(name) for name in root.files.list_files("gens")} | {
        name: root.files.read(name) for name in root.files.cohort_files("c1")
    }


def archived(root, bundle):
    return archive_cohort(
        root.store, root.cohorts, root.loops, root.files, cohort_id="c1", bundle=bundle
    )


def test_an_archived_cohort_comes_back_as_it_was(root, data_root, tmp_path):
    folder = data_root / "cohorts" / "c1"
    (folder / "ratings").mkdir()
    (folder / "ratings" / "anna.csv").write_text("what a person said")
    (folder / "notes.txt").write_text("what the researcher thinks")
    before, bundle = contents(root), ZipBundle(tmp_path / "c1.zip")

    archived(root, bundle)
    assert contents(root) == {}
    assert root.cohorts.list_cohorts() == []

    assert restore_cohort(bundle, root.files).kept == []
    assert contents(root) == before
    assert restore_cohort(bundle, root.files).kept == []  # again, it changes nothing
    assert contents(root) == before


def test_a_restored_cohort_leaves_the_catalogs_of_the_data_root(root, data_root, tmp_path):
    bundle, models = ZipBundle(tmp_path / "c1.zip"), data_root / "1_raw" / "llm_models.csv"
    archived(root, bundle)
    models.write_text(f"{models.read_text()}new,new-1,,,\n")

    assert restore_cohort(bundle, root.files).kept == ["1_raw/llm_models.csv"]
    assert "new-1" in models.read_text()


def test_a_cohort_of_the_same_name_is_not_mixed_with_a_restored_one(root, data_root, tmp_path):
    bundle = ZipBundle(tmp_path / "c1.zip")
    archived(root, bundle)
    spec = data_root / "cohorts" / "c1" / "spec" / "config.yaml"
    spec.parent.mkdir(parents=True)
    spec.write_text("axes: {}\n")

    with pytest.raises(CatalogError, match="another cohort 'c1'"):
        restore_cohort(bundle, root.files)
    assert not root.files.list_files("gens")


def test_an_archiving_that_was_killed_is_finished_from_the_whole_bundle(root, tmp_path):
    before, bundle = contents(root), ZipBundle(tmp_path / "c1.zip")
    archived(root, bundle)
    whole = bundle.path.read_bytes()
    restore_cohort(bundle, root.files)
    root.store.delete_generation(*max(refs_of(root.cohorts.read_membership("c1"))))

    archived(root, bundle)

    assert bundle.path.read_bytes() == whole
    restore_cohort(bundle, root.files)
    assert contents(root) == before


def test_an_archive_is_on_the_device_before_anything_is_deleted(root, tmp_path, monkeypatch):
    bundle, synced, sync = ZipBundle(tmp_path / "c1.zip"), [], os.fsync

    def record(descriptor):
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def refuse(*_arguments):
        assert {bundle.path.stat().st_ino, tmp_path.stat().st_ino} <= set(synced)
        raise Killed

    monkeypatch.setattr(os, "fsync", record)
    monkeypatch.setattr(FilesystemGensStore, "delete_generation", refuse)
    with pytest.raises(Killed):
        archived(root, bundle)


@pytest.mark.parametrize("there", [b"mine", None])
def test_a_cohort_that_cannot_be_archived_whole_is_not_deleted(root, tmp_path, there):
    bundle = ZipBundle(tmp_path / "c1.zip")
    if there is None:
        root.store.delete_generation(*max(refs_of(root.cohorts.read_membership("c1"))))
    else:
        bundle.path.write_bytes(there)
    before = contents(root)

    with pytest.raises(CatalogError):
        archived(root, bundle)
    assert contents(root) == before


def test_a_bundle_of_an_earlier_state_is_not_replaced_and_nothing_is_deleted(root, tmp_path):
    bundle = ZipBundle(tmp_path / "c1.zip")
    archived(root, bundle)
    restore_cohort(bundle, root.files)
    ref = max(refs_of(root.cohorts.read_membership("c1")))
    root.store.write_prompt(*ref, "later")

    with pytest.raises(CatalogError, match="name another file"):
        archived(root, bundle)
    assert root.store.read_prompt(*ref) == "later"


def test_nothing_is_restored_of_a_bundle_that_was_altered(root, tmp_path):
    bundle = ZipBundle(tmp_path / "c1.zip")
    archived(root, bundle)
    data = bytearray(bundle.path.read_bytes())
    data[len(data) // 3] ^= 1
    bundle.path.write_bytes(data)

    assert restore_cohort(bundle, FilesystemRootFiles(tmp_path / "new")).findings
    assert not (tmp_path / "new").exists()
