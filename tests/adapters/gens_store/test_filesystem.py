"""What the store on disk does beyond the contract: its layout, and what a disk can do to it."""

import errno
import itertools
import json
import os
import pickle
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyfakefs.fake_filesystem import OSType

from adapters import (
    FilesystemGensStore,
    InMemoryGensStore,
    ReadOnlyGensStore,
    UnsyncedFilesystemGensStore,
)
from adapters.gens_store import filesystem as filesystem_gens_store
from adapters.gens_store import folder_versions
from adapters.gens_store import in_memory as in_memory_gens_store
from adapters.gens_store.folder_versions import FolderVersions
from daydreaming_dagster.data_layer import GensDataLayer, Paths
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES
from daydreaming_dagster.ports.errors import (
    InvalidIdError,
    MalformedArtifactError,
    MissingArtifactError,
    StorageUnavailableError,
    UnsafePathError,
)
from daydreaming_dagster.ports.ids import are_ids, is_id
from daydreaming_dagster.testing.gens_store.observation import watched_io
from daydreaming_dagster.testing.gens_store_contract import (
    ARTIFACTS,
    HOSTILE_IDS,
    METHODS,
    READERS,
    UNUSUAL_IDS,
    WRITERS,
    call,
    contents,
    read,
    sample,
    write,
)

OF_A_GENERATION = sorted(m for m in METHODS if "gen_id" in METHODS[m].parameters and m != "locate")
GENERATION = "gens/draft/sample"


@pytest.fixture
def store(tmp_path):
    return UnsyncedFilesystemGensStore(tmp_path / "data")


def fill(store):
    for artifact in ARTIFACTS:
        write(store, "draft", "sample", artifact, sample(artifact, "old"))
    template = store.paths.template_file("draft", "sample")
    template.parent.mkdir(parents=True)
    template.write_bytes(b"a template")


def files(root):
    """Return the path and content of every file below `root`, whatever its name."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in Path(root).rglob("*")
        if path.is_file()
    }


# Layout


def test_every_file_lies_where_people_look_for_it(store):
    fill(store)
    assert sorted(files(store.data_root)) == [
        "1_raw/templates/draft/sample.txt",
        "gens/draft/sample/metadata.json",
        "gens/draft/sample/parsed.txt",
        "gens/draft/sample/parsed_metadata.json",
        "gens/draft/sample/prompt.txt",
        "gens/draft/sample/raw.txt",
        "gens/draft/sample/raw_metadata.json",
    ]


def test_path_helpers_and_paths_agree_with_where_files_lie(store):
    fill(store)
    paths = Paths.from_str(str(store.data_root))
    helpers = [
        (store.prompt_path, paths.prompt_path, "prompt"),
        (store.raw_path, paths.raw_path, "raw"),
        (store.parsed_path, paths.parsed_path, "parsed"),
        (store.main_metadata_path, paths.main_metadata_path, "main_metadata"),
        (store.main_metadata_path, paths.metadata_path, "main_metadata"),
        (store.raw_metadata_path, paths.raw_metadata_path, "raw_metadata"),
        (store.parsed_metadata_path, paths.parsed_metadata_path, "parsed_metadata"),
    ]
    for of_store, of_paths, artifact in helpers:
        path = of_store("draft", "sample")
        assert path == of_paths("draft", "sample")
        value = sample(artifact, "old")
        data = path.read_bytes()
        assert (data.decode() if isinstance(value, str) else json.loads(data)) == value
    assert store.generation_dir("draft", "sample") == store.data_root / GENERATION
    assert store.reserve_generation("draft", "sample") == store.data_root / GENERATION


def test_path_helpers_refuse_what_the_store_refuses(store):
    for helper in (store.generation_dir, store.prompt_path, store.main_metadata_path):
        with pytest.raises(InvalidIdError):
            helper("draft", "../evil")


@pytest.mark.parametrize(
    ("helper", "arguments", "kind"),
    [
        ("template_file", ("../draft", "a"), "stage"),
        ("template_file", ("draft", "../a"), "template_id"),
        ("stage_templates_csv", ("../a",), "stage"),
        ("concept_description_file", ("../a", "a"), "description level"),
        ("concept_description_file", ("a", "../a"), "concept_id"),
        ("cohort_spec_file", ("../a",), "cohort_id"),
        ("cohort_reports_dir", ("../a",), "cohort_id"),
    ],
)
def test_no_path_leads_out_of_the_data_root(helper, arguments, kind):
    with pytest.raises(InvalidIdError) as raised:
        getattr(Paths.from_str("data"), helper)(*arguments)
    assert raised.value.kind == kind


def test_gens_data_layer_is_the_store_on_disk(tmp_path):
    assert GensDataLayer is FilesystemGensStore
    layer = GensDataLayer.from_root(str(tmp_path))
    assert layer == GensDataLayer(tmp_path)
    assert layer.data_root == tmp_path
    assert layer.paths == Paths(tmp_path)


def test_a_store_survives_pickling(store):
    store.write_raw("draft", "a", "text")
    assert pickle.loads(pickle.dumps(store)).read_raw("draft", "a") == "text"  # noqa: S301


def test_the_first_write_creates_the_root_and_no_read_does(store):
    for method in sorted(READERS):
        try:
            call(store, method)
        except FileNotFoundError:
            continue
    store.reserve_generation("draft", "a", create=False)
    store.delete_generation("draft", "a")
    assert not store.data_root.exists()
    store.write_raw("draft", "a", "text")
    assert store.read_raw("draft", "a") == "text"


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"flat": "Grüße 🚀", "n": 1},
        {"n": 1, "nested": [{"Grüße": ["🚀", {}]}, []]},
        {"a": None, "b": {"c": {"d": "null,\n  ", "e": {}}, "f": None}, "null,\n  ": [1], "g": "x"},
    ],
    ids=["empty", "flat", "nested", "nested with nulls and line breaks"],
)
def test_a_document_lies_there_indented_and_in_its_own_letters(store, document):
    store.write_main_metadata("draft", "a", document)
    text = store.main_metadata_path("draft", "a").read_bytes().decode()
    assert text == json.dumps(document, ensure_ascii=False, indent=2) + "\n"


@pytest.mark.parametrize(("umask", "file", "folder"), [(0o027, 0o640, 0o750), (0, 0o666, 0o777)])
def test_new_files_and_folders_have_the_permissions_of_the_users_umask(store, umask, file, folder):
    before = os.umask(umask)
    try:
        store.write_raw("draft", "a", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.raw_path("draft", "a").stat().st_mode) == file
    assert stat.S_IMODE(store.generation_dir("draft", "a").stat().st_mode) == folder


def test_a_template_that_is_no_utf8_is_an_error_that_names_the_file(store):
    fill(store)
    path = store.paths.template_file("draft", "sample")
    path.write_bytes(b"\xff")
    with pytest.raises(MalformedArtifactError, match="malformed template") as raised:
        store.read_template("draft", "sample")
    assert f"{path}: not UTF-8 (byte 0 is 0xff); save it as UTF-8" in str(raised.value)
    assert "delete" not in str(raised.value), "nothing writes a template again"


def test_a_template_in_memory_that_has_no_utf8_form_is_the_same_error():
    store = InMemoryGensStore({("draft", "a"): "\ud800"})
    with pytest.raises(MalformedArtifactError, match="malformed template"):
        store.read_template("draft", "a")


@pytest.mark.parametrize("key", [("draft", "../evil"), ("Draft", "a")])
def test_templates_in_memory_have_ids_that_a_disk_would_take(key):
    with pytest.raises(InvalidIdError, match=r"invalid (stage|template_id)"):
        InMemoryGensStore({key: "source"})


def test_a_listing_in_memory_takes_writes_between_any_two_of_its_steps():
    """Which other threads make by chance only, so that they seldom show it."""
    store = InMemoryGensStore()
    store.write_prompt("draft", "a", "")
    new_ids = (f"b{i}" for i in itertools.count())

    def write_at_each_step(frame, event, _argument):
        frame.f_trace_opcodes = frame.f_code.co_filename == in_memory_gens_store.__file__
        if event == "opcode":
            store._generations["draft", next(new_ids)] = {}  # noqa: SLF001  a back door
        return write_at_each_step

    before = sys.gettrace()
    sys.settrace(write_at_each_step)
    try:
        listed = store.list_generations("draft")
    finally:
        sys.settrace(before)
    assert "a" in listed
    assert next(new_ids) != "b0"


def test_a_claim_in_memory_meets_another_at_any_of_its_steps_and_one_alone_has_it():
    for step in itertools.count():
        store, others = InMemoryGensStore(), []
        seen = itertools.count()

        def claim_at_the_step(frame, event, _argument, store=store, others=others, seen=seen):
            frame.f_trace_opcodes = frame.f_code.co_filename == in_memory_gens_store.__file__
            if event == "opcode" and next(seen) == step:  # noqa: B023  of this round
                others.append(store.claim("draft", "a"))
            return claim_at_the_step

        before = sys.gettrace()
        sys.settrace(claim_at_the_step)
        try:
            mine = store.claim("draft", "a")
        finally:
            sys.settrace(before)
        if not others:
            break
        assert (mine is None) != (others[0] is None)
    assert step > 0


# Foreign and temporary files


def test_what_an_interrupted_write_or_deletion_leaves_is_not_seen(store):
    fill(store)
    before = contents(store)
    (store.data_root / GENERATION / ".tmp-0123456789abcdef").write_bytes(b"torn")
    leftover = store.data_root / "gens/draft/.deleted-0123456789abcdef"
    leftover.mkdir()
    (leftover / "raw.txt").write_bytes(b"deleted")
    assert contents(store) == before


def test_a_deletion_takes_foreign_files_along(store):
    fill(store)
    (store.data_root / GENERATION / "notes.txt").write_bytes(b"mine")
    (store.data_root / GENERATION / "more").mkdir()
    store.delete_generation("draft", "sample")
    assert list((store.data_root / "gens/draft").iterdir()) == []


def test_a_deletion_that_fails_half_way_leaves_no_half_generation(store, monkeypatch):
    fill(store)

    def fail_half_way(folder):
        (Path(folder) / "raw.txt").unlink()
        raise PermissionError

    monkeypatch.setattr(shutil, "rmtree", fail_half_way)
    with pytest.raises(PermissionError):
        store.delete_generation("draft", "sample")
    assert contents(store) == {}
    assert not store.exists("draft", "sample")


def test_many_names_are_judged_as_each_alone_is():
    """A listing is checked in one go; see `are_ids`."""
    names = [name for name in HOSTILE_IDS if isinstance(name, str)] + list(UNUSUAL_IDS)
    for name in names:
        assert are_ids([name]) == are_ids(["a", name, "b"]) == is_id(name), ascii(name)
        assert are_ids([*["a"] * 2_500, name]) == is_id(name), ascii(name)
    assert are_ids([])


# What leads elsewhere


@pytest.fixture
def outside(tmp_path):
    """A whole data root that links may point into."""
    store = UnsyncedFilesystemGensStore(tmp_path / "outside")
    fill(store)
    return store.data_root


def put_link(store, outside, place):
    path = store.data_root / place
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    path.symlink_to(outside / place)


@pytest.mark.parametrize("method", OF_A_GENERATION)
@pytest.mark.parametrize("place", ["gens", "gens/draft", GENERATION])
def test_a_link_above_an_artifact_is_refused_by_every_method(store, outside, place, method):
    fill(store)
    put_link(store, outside, place)
    before = files(outside)
    with pytest.raises(UnsafePathError, match="symbolic link") as raised:
        call(store, method)
    assert raised.value.location == str(store.data_root / place)
    assert files(outside) == before


def test_reserving_without_creating_only_computes(store, outside):
    fill(store)
    put_link(store, outside, "gens")
    place = store.reserve_generation("draft", "sample", create=False)
    assert place == store.data_root / GENERATION


@pytest.mark.parametrize("place", ["gens", "gens/draft"])
def test_nothing_is_listed_through_a_link(store, outside, place):
    fill(store)
    put_link(store, outside, place)
    with pytest.raises(UnsafePathError):
        store.list_generations("draft")


def test_a_link_in_the_place_of_a_generation_is_not_listed(store, outside):
    fill(store)
    put_link(store, outside, GENERATION)
    assert store.list_generations("draft") == []


@pytest.mark.parametrize("artifact", ARTIFACTS)
def test_a_link_in_the_place_of_an_artifact_is_not_read_and_not_written_through(
    store, outside, artifact
):
    fill(store)
    place = store.paths.artifact_path("draft", "sample", artifact).relative_to(store.data_root)
    put_link(store, outside, place)
    before = files(outside)
    with pytest.raises(UnsafePathError, match="symbolic link"):
        read(store, "draft", "sample", artifact)
    write(store, "draft", "sample", artifact, sample(artifact, "new"))
    assert read(store, "draft", "sample", artifact) == sample(artifact, "new")
    assert files(outside) == before


def test_a_link_in_the_place_of_a_temporary_file_is_not_written_through(
    store, outside, monkeypatch
):
    fill(store)
    before = files(outside)

    def open_after_planting(path, flags, mode=0o777, open_=os.open):
        if ".tmp-" in path:
            Path(path).symlink_to(outside / GENERATION / "raw.txt")
        return open_(path, flags, mode)

    monkeypatch.setattr(os, "open", open_after_planting)
    with pytest.raises(FileExistsError):
        store.write_raw("draft", "sample", "new")
    assert files(outside) == before


@pytest.mark.parametrize(
    "place",
    ["1_raw", "1_raw/templates", "1_raw/templates/draft", "1_raw/templates/draft/sample.txt"],
)
def test_a_link_on_the_way_to_a_template_is_refused(store, outside, place):
    fill(store)
    put_link(store, outside, place)
    with pytest.raises(UnsafePathError, match="symbolic link") as raised:
        store.read_template("draft", "sample")
    assert raised.value.location == str(store.data_root / place)


def test_a_deletion_does_not_follow_links_inside_a_generation(store, outside):
    fill(store)
    before = files(outside)
    (store.data_root / GENERATION / "folder").symlink_to(outside)
    (store.data_root / GENERATION / "file").symlink_to(outside / GENERATION / "raw.txt")
    store.delete_generation("draft", "sample")
    assert files(outside) == before


def test_the_root_itself_may_be_a_link(store, outside, tmp_path):
    (tmp_path / "link").symlink_to(outside)
    linked = FilesystemGensStore(tmp_path / "link")
    assert linked.read_raw("draft", "sample") == "raw old"
    linked.write_raw("draft", "sample", "new")
    assert (outside / GENERATION / "raw.txt").read_text() == "new"


@pytest.fixture
def at_most_a_minute():
    def give_up(_signal, _frame):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_not_read(store, make, at_most_a_minute):
    """A pipe would keep a reader waiting for ever."""
    store.reserve_generation("draft", "a")
    make(store.raw_path("draft", "a"))
    with pytest.raises(UnsafePathError, match="not a regular file"):
        store.read_raw("draft", "a")


def test_a_reserved_generation_exists_without_artifacts(store):
    assert not store.exists("draft", "a")
    first = store.reserve_generation("draft", "a")
    assert store.exists("draft", "a")
    assert not store.exists("essay", "a")
    assert store.list_generations("draft") == ["a"]
    with pytest.raises(MissingArtifactError):
        store.read_raw("draft", "a")
    store.write_raw("draft", "a", "text")
    assert store.reserve_generation("draft", "a") == first
    assert store.read_raw("draft", "a") == "text"


def test_reserving_without_creating_says_where_and_creates_nothing(store):
    assert store.reserve_generation("draft", "a", create=False) == store.data_root / "gens/draft/a"
    assert not store.data_root.exists()


@pytest.mark.parametrize("create", [True, False])
def test_reserving_refuses_a_hostile_id_before_any_io(store, create):
    with watched_io() as io_calls, pytest.raises(InvalidIdError, match="invalid gen_id"):
        store.reserve_generation("draft", "../evil", create=create)
    assert io_calls == []


def test_a_file_in_the_place_of_a_generation_is_none(store):
    store.reserve_generation("draft", "a")
    (store.data_root / "gens/draft/file").write_bytes(b"")
    assert not store.exists("draft", "file")
    with pytest.raises(FileExistsError):
        store.reserve_generation("draft", "file")
    with pytest.raises(NotADirectoryError):
        store.write_raw("draft", "file", "text")


# File systems that ignore case


@pytest.fixture(params=[OSType.MACOS, OSType.WINDOWS, "casefold"])
def ignoring_case(fs, request):
    if request.param == "casefold":
        fs.is_case_sensitive = False
    else:
        fs.os = request.param
    return UnsyncedFilesystemGensStore("C:/data")


@pytest.mark.parametrize("method", OF_A_GENERATION)
def test_an_id_in_another_case_is_refused_by_every_method(ignoring_case, method):
    for artifact in ARTIFACTS:
        write(ignoring_case, "draft", "sample", artifact, sample(artifact, "old"))
    before = contents(ignoring_case)
    with pytest.raises(UnsafePathError, match="'SAMPLE' in the folder of 'sample'"):
        call(ignoring_case, method, gen_id="SAMPLE")
    assert contents(ignoring_case) == before


def test_ids_are_what_they_were_written_as_where_case_is_ignored(ignoring_case):
    for gen_id in ("Mixed", "other", "UPPER"):
        ignoring_case.write_raw("draft", gen_id, gen_id)
    assert ignoring_case.list_generations("draft") == ["Mixed", "UPPER", "other"]
    for gen_id in ("Mixed", "other", "UPPER"):
        assert ignoring_case.read_raw("draft", gen_id) == gen_id
    ignoring_case.delete_generation("draft", "Mixed")
    ignoring_case.write_raw("draft", "mixed", "free again")
    assert ignoring_case.read_raw("draft", "mixed") == "free again"


def test_ids_that_differ_in_case_are_kept_apart_where_case_counts(fs):
    store = UnsyncedFilesystemGensStore(fs.create_dir("/data").path)
    for gen_id in ("case", "CASE"):
        store.write_raw("draft", gen_id, gen_id)
    assert [store.read_raw("draft", gen_id) for gen_id in ("case", "CASE")] == ["case", "CASE"]


# Writes that fail


@contextmanager
def old_text_stays(store):
    """Check that nothing changed on disk, and that the store works afterwards."""
    fill(store)
    before = files(store.data_root)
    yield
    assert files(store.data_root) == before
    store.write_raw("draft", "sample", "after")
    assert store.read_raw("draft", "sample") == "after"


@pytest.fixture(params=[FilesystemGensStore, UnsyncedFilesystemGensStore])
def either(request, tmp_path):
    return request.param(tmp_path / "data")


def half_written_then(failure):
    def write_half(descriptor, data, write=os.write):
        write(descriptor, data[: len(data) // 2])
        raise failure

    return write_half


def failing_with(failure):
    def fail(*_arguments):
        raise failure

    return fail


@pytest.mark.parametrize(
    "failure", [OSError(errno.EIO, "failed"), KeyboardInterrupt(), SystemExit()]
)
@pytest.mark.parametrize("call_that_fails", ["write", "replace", "close"])
def test_a_write_that_fails_leaves_the_old_text_and_no_file(
    either, monkeypatch, call_that_fails, failure
):
    with old_text_stays(either), monkeypatch.context() as patched:
        fail = half_written_then if call_that_fails == "write" else failing_with
        patched.setattr(os, call_that_fails, fail(failure))
        with pytest.raises(type(failure)):
            either.write_raw("draft", "sample", "new" * 1000)
        patched.undo()


def test_a_write_over_a_folder_fails_and_leaves_no_file(store):
    store.reserve_generation("draft", "a")
    store.raw_path("draft", "a").mkdir()
    with pytest.raises(IsADirectoryError):
        store.write_raw("draft", "a", "text")
    assert files(store.data_root) == {}


def test_a_write_that_the_system_takes_in_pieces_is_whole(store, monkeypatch):
    pieces = []

    def write_seven(descriptor, data, write=os.write):
        pieces.append(write(descriptor, data[:7]))
        return pieces[-1]

    monkeypatch.setattr(os, "write", write_seven)
    store.write_raw("draft", "a", "0123456789" * 5)
    assert len(pieces) == 8
    assert store.read_raw("draft", "a") == "0123456789" * 5


def test_a_file_that_the_system_hands_out_in_pieces_is_read_whole(store, monkeypatch):
    store.write_raw("draft", "a", "0123456789" * 5)
    monkeypatch.setattr(os, "read", lambda descriptor, _n, read=os.read: read(descriptor, 7))
    assert store.read_raw("draft", "a") == "0123456789" * 5


def test_a_write_that_races_a_deletion_is_done_after_it(store, monkeypatch):
    fill(store)

    def delete_before_replacing(source, target, replace=os.replace):
        monkeypatch.undo()
        store.delete_generation("draft", "sample")
        replace(source, target)

    monkeypatch.setattr(os, "replace", delete_before_replacing)
    store.write_raw("draft", "sample", "new")
    assert contents(store) == {("draft", "sample"): {"raw": "new"}}


def test_a_write_that_loses_every_race_is_an_error(store, monkeypatch):
    monkeypatch.setattr(os, "replace", failing_with(FileNotFoundError()))
    with pytest.raises(FileNotFoundError):
        store.write_raw("draft", "a", "text")


def test_a_deletion_that_races_a_write_is_done_after_it(store, monkeypatch):
    """The writer found the folder before it was renamed, and puts its file in late."""
    fill(store)

    def write_before_removing(path, *, dir_fd=None, rmdir=os.rmdir):
        monkeypatch.undo()
        (Path(path) / ".tmp-0123456789abcdef").write_bytes(b"late")
        rmdir(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", write_before_removing)
    store.delete_generation("draft", "sample")
    assert list((store.data_root / "gens/draft").iterdir()) == []


def test_a_deletion_that_races_a_replacement_is_done_after_it(store, monkeypatch):
    """The writer found the folder before it was renamed, and replaces its file late."""
    fill(store)
    (store.data_root / GENERATION / ".tmp-0123456789abcdef").write_bytes(b"late")

    def replace_before_unlinking(name, *, dir_fd=None, unlink=os.unlink):
        if name == ".tmp-0123456789abcdef":
            monkeypatch.undo()
            os.replace(name, "raw.txt", src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", replace_before_unlinking)
    store.delete_generation("draft", "sample")
    assert list((store.data_root / "gens/draft").iterdir()) == []


def test_a_reservation_that_races_another_finds_it_done(store, monkeypatch):
    """It found not even the folder above, and the other was faster from there on."""

    def reserve_after_failing(path, mode=0o777, mkdir=os.mkdir):
        try:
            mkdir(path, mode)
        except FileNotFoundError:
            monkeypatch.undo()
            store.reserve_generation("draft", "a")
            raise

    monkeypatch.setattr(os, "mkdir", reserve_after_failing)
    store.reserve_generation("draft", "a")
    assert store.list_generations("draft") == ["a"]


def test_a_reservation_that_races_a_deletion_is_done_before_it(store, monkeypatch):
    store.reserve_generation("draft", "a")

    def delete_after_failing(path, mode=0o777, mkdir=os.mkdir):
        try:
            mkdir(path, mode)
        except FileExistsError:
            if Path(path).name == "a":
                store.delete_generation("draft", "a")
            raise

    monkeypatch.setattr(os, "mkdir", delete_after_failing)
    store.reserve_generation("draft", "a")
    assert not store.exists("draft", "a")


# Durability


@pytest.fixture
def device_calls(store, monkeypatch):
    """The calls of fsync and replace, in their order, with what they are about."""
    calls = []

    def fsync(descriptor, fsync=os.fsync):
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        name = os.path.relpath(target, store.data_root)
        calls.append("fsync file" if ".tmp-" in name else f"fsync {name}")
        fsync(descriptor)

    def replace(source, target, replace=os.replace):
        calls.append(f"replace {Path(target).name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return calls


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux names a descriptor")
class TestDurability:
    @pytest.mark.parametrize("artifact", ["raw", "raw_metadata"])
    def test_what_was_paid_for_is_on_the_device_with_its_name_when_the_write_returns(
        self, store, device_calls, artifact
    ):
        synced = FilesystemGensStore(store.data_root)
        write(synced, "draft", "sample", artifact, sample(artifact, "new"))
        name = store.paths.artifact_path("draft", "sample", artifact).name
        assert device_calls[:3] == ["fsync file", f"replace {name}", f"fsync {GENERATION}"]
        above = [f"fsync {folder}" for folder in ("gens/draft", "gens", ".")]
        assert device_calls[3:] == (above if artifact == "raw" else [])

    def test_a_text_is_found_on_the_device_though_its_metadata_made_the_folder(
        self, store, device_calls
    ):
        synced = FilesystemGensStore(store.data_root)
        synced.write_raw_metadata("draft", "sample", {})
        synced.write_raw("draft", "sample", "one")
        assert device_calls[-3:] == [f"fsync {folder}" for folder in ("gens/draft", "gens", ".")]

    def test_the_folders_of_a_stage_are_synced_once(self, store, device_calls):
        synced = FilesystemGensStore(store.data_root)
        synced.write_raw("draft", "sample", "one")
        del device_calls[:]
        synced.write_raw("draft", "sample", "two")
        assert device_calls[2:] == [f"fsync {GENERATION}", "fsync gens/draft"]

    def test_the_folders_of_a_stage_that_had_to_be_made_again_are_synced_again(
        self, store, device_calls
    ):
        synced = FilesystemGensStore(store.data_root)
        synced.write_raw("draft", "sample", "one")
        shutil.rmtree(store.data_root / "gens")
        del device_calls[:]
        synced.write_raw("draft", "sample", "two")
        assert device_calls[2:] == [f"fsync {p}" for p in (GENERATION, "gens/draft", "gens", ".")]

    @pytest.mark.parametrize("artifact", ["prompt", "main_metadata", "parsed", "parsed_metadata"])
    def test_what_can_be_computed_again_waits_for_no_device(self, store, device_calls, artifact):
        synced = FilesystemGensStore(store.data_root)
        write(synced, "draft", "sample", artifact, sample(artifact, "new"))
        assert not [call for call in device_calls if call.startswith("fsync")]

    def test_the_unsynced_store_waits_for_no_device(self, store, device_calls):
        for artifact in ARTIFACTS:
            write(store, "draft", "sample", artifact, sample(artifact, "new"))
        assert not [call for call in device_calls if call.startswith("fsync")]


# Full disks


def test_a_full_disk_leaves_the_old_text_and_no_file(fs):
    store = FilesystemGensStore(fs.create_dir("/data").path)
    with old_text_stays(store):
        fs.set_disk_usage(fs.get_disk_usage("/").used + 1000)
        with pytest.raises(StorageUnavailableError, match="/data: No space left"):
            store.write_raw("draft", "sample", "new" * 1000)
        fs.set_disk_usage(10_000_000)


def test_a_file_beyond_the_users_limit_leaves_the_old_text_and_no_file(either):
    """The system takes the first 64 KB and refuses the rest."""
    with old_text_stays(either):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, hard))
        try:
            with pytest.raises(StorageUnavailableError, match="too large"):
                either.write_raw("draft", "sample", "new" * 100_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def mount(*arguments):
    """Mount, or skip the test where that is not allowed."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root may mount")
    done = subprocess.run(["/bin/mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.strip()}")


@contextmanager
def mounted(target, *arguments):
    target.mkdir(exist_ok=True)
    mount(*arguments, str(target))
    try:
        yield target
    finally:
        subprocess.run(["/bin/umount", str(target)], check=True)


def test_a_full_device_leaves_the_old_text_and_no_file(tmp_path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=256k", "tmpfs") as root:
        store = FilesystemGensStore(root)
        full = pytest.raises(StorageUnavailableError, match="No space left")
        with old_text_stays(store), full:
            store.write_raw("draft", "sample", "new" * 200_000)


# Roots without write permission


@pytest.fixture
def unwritable(tmp_path):
    """A store that was filled, and whose root nobody can write to any more."""
    store = FilesystemGensStore(tmp_path / "data")
    fill(store)
    if os.geteuid() == 0:
        # Permissions do not bind root; a mount that is read-only does.
        with mounted(tmp_path / "mounted", "--bind", str(store.data_root)) as root:
            mount("-o", "remount,bind,ro", str(root))
            yield FilesystemGensStore(root)
        return
    for path in [store.data_root, *store.data_root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield store
    for path in [store.data_root, *store.data_root.rglob("*")]:
        path.chmod(0o755)


def test_everything_is_read_from_a_root_without_write_permission(unwritable):
    for view in (unwritable, ReadOnlyGensStore(unwritable)):
        assert contents(view) == {
            ("draft", "sample"): {artifact: sample(artifact, "old") for artifact in ARTIFACTS}
        }
        assert view.read_template("draft", "sample") == "a template"
        assert not view.exists("essay", "a")
        with pytest.raises(MissingArtifactError):
            view.read_raw("essay", "a")


@pytest.mark.parametrize("method", sorted(WRITERS))
def test_a_writer_fails_with_the_systems_reason_on_such_a_root(unwritable, method):
    before = files(unwritable.data_root)
    with pytest.raises(OSError, match=r"Read-only|Permission"):
        call(unwritable, method)
    assert files(unwritable.data_root) == before


SECOND = 1_000_000_000


def versions_at(store, monkeypatch, now):
    with monkeypatch.context() as patched:
        patched.setattr(folder_versions.time, "time_ns", lambda: now)
        return store.generation_versions("draft")


@pytest.mark.parametrize(
    ("age", "told"), [(-3600, False), (-1, False), (0, False), (2, False), (4, True), (3600, True)]
)
def test_a_generation_has_a_version_once_its_last_change_is_seconds_old(
    store, monkeypatch, age, told
):
    """Before, the next change may fall into the same step of the file system's clock."""
    fill(store)
    changed = store.generation_dir("draft", "sample").stat().st_ctime_ns

    versions = versions_at(store, monkeypatch, changed + age * SECOND)

    assert (versions.keys() == {"sample"}) is told


def test_an_edit_of_a_file_counts_as_the_last_change(store, monkeypatch):
    fill(store)
    changed = store.generation_dir("draft", "sample").stat().st_ctime_ns
    time.sleep(0.1)
    with store.raw_path("draft", "sample").open("a") as file:
        file.write("more")

    assert versions_at(store, monkeypatch, changed + 3 * SECOND + 50_000_000) == {}


def test_a_generation_that_is_deleted_during_a_look_has_no_version(store, monkeypatch):
    fill(store)
    store.write_raw("draft", "the-next", "text")
    versions = versions_at(store, monkeypatch, time.time_ns() + 10 * SECOND)
    assert versions.get("sample")

    store.delete_generation("draft", "sample")

    assert versions.get("sample") is None
    assert versions.keys() == {"the-next"}


def test_what_changes_after_a_look_began_has_no_version_in_it(store, monkeypatch):
    fill(store)
    changed = store.generation_dir("draft", "sample").stat().st_ctime_ns
    versions = versions_at(store, monkeypatch, changed + 3 * SECOND + 50_000_000)
    assert versions.get("sample")
    time.sleep(0.1)

    with store.raw_path("draft", "sample").open("a") as file:
        file.write("more")

    assert versions.get("sample") is None


@pytest.mark.parametrize("name", ["../draft/sample", "sample/", ".", "linked", "SAMPLE"])
def test_what_is_no_gen_id_of_a_folder_has_no_version(store, monkeypatch, name):
    fill(store)
    stage = store.generation_dir("draft", "sample").parent
    (stage / "linked").symlink_to(stage / "sample")

    versions = versions_at(store, monkeypatch, time.time_ns() + 10 * SECOND)

    assert versions.get(name) is None


def test_where_case_is_ignored_a_version_is_that_of_the_very_name(tmp_path, monkeypatch):
    for name in ("a", "B"):  # `B` stands for `b`, which such a file system finds by both names
        (tmp_path / name).mkdir()
    monkeypatch.setattr(folder_versions, "_SETTLED_NS", -10 * SECOND)
    monkeypatch.setattr(FolderVersions, "_listed", lambda _: ["a", "b"])

    versions = FolderVersions(str(tmp_path), case_is_ignored=True)

    assert versions.get("a")
    assert versions.get("B") is None


@pytest.mark.parametrize("change", ["delete", "replace", "add", "rename", "edit"])
def test_a_change_by_hand_gives_another_version(store, monkeypatch, change):
    fill(store)
    folder = store.generation_dir("draft", "sample")
    later = time.time_ns() + 10 * SECOND
    before = dict(versions_at(store, monkeypatch, later))
    time.sleep(0.02)

    if change == "delete":
        (folder / "parsed.txt").unlink()
    elif change == "replace":
        (folder.parents[3] / "new.txt").write_text("new")
        (folder.parents[3] / "new.txt").replace(folder / "raw.txt")
    elif change == "edit":
        with (folder / "parsed_metadata.json").open("r+") as file:
            file.write("[")
        os.utime(folder / "parsed_metadata.json", ns=(1, 1))
    elif change == "add":
        (folder / "stray.txt").touch()
    else:
        shutil.copytree(folder, folder.with_name("copy"))
        shutil.rmtree(folder)
        folder.with_name("copy").rename(folder)
    # Nobody can set back the time that counts; setting another one is a change itself.
    if change != "edit":
        os.utime(folder, ns=(1, 1))

    after = versions_at(store, monkeypatch, later)
    assert after.keys() == before.keys() == {"sample"}
    assert after != before


@pytest.mark.parametrize("name", ARTIFACT_FILENAMES.values())
def test_an_edit_in_place_of_any_file_gives_another_version(store, monkeypatch, name):
    """It changes no time of the folder."""
    fill(store)
    file = store.generation_dir("draft", "sample") / name
    later = time.time_ns() + 10 * SECOND
    before = dict(versions_at(store, monkeypatch, later))
    time.sleep(0.02)

    file.write_bytes(file.read_bytes())

    after = versions_at(store, monkeypatch, later)
    assert after.keys() == before.keys() == {"sample"}
    assert after != before


def test_what_is_no_folder_of_a_generation_has_no_version(store, monkeypatch, tmp_path):
    fill(store)
    stage = store.generation_dir("draft", "sample").parent
    (stage / ".deleted-1").mkdir()
    (stage / "not an id").mkdir()
    (stage / "file").touch()
    (stage / "linked").symlink_to(stage / "sample")
    (stage / "nowhere").symlink_to(tmp_path / "nowhere")

    later = time.time_ns() + 10 * SECOND
    assert versions_at(store, monkeypatch, later).keys() == {"sample"}

    stage.rename(tmp_path / "elsewhere")
    stage.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafePathError):
        store.generation_versions("draft")


def test_on_windows_there_are_no_versions(store, monkeypatch):
    """There, the time that tells changes elsewhere is that of creation."""
    fill(store)

    with monkeypatch.context() as patched:
        patched.setattr(filesystem_gens_store.os, "name", "nt")
        versions = versions_at(store, monkeypatch, time.time_ns() + 10 * SECOND)

    assert versions == {}
