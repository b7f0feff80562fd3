"""The contract, run on every adapter from one place."""

import stat
import time
from pathlib import Path

import pytest
from pyfakefs.fake_filesystem import OSType

from adapters import (
    FilesystemGensStore,
    InMemoryGensStore,
    ReadOnlyGensStore,
    UnsyncedFilesystemGensStore,
)
from adapters.gens_store import folder_versions
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES
from daydreaming_dagster.testing import GensStoreContract, ReadOnlyGensStoreContract

NO_TIMES = "pyfakefs does not change a folder's time with what is in it"


class InMemory:
    def add_template(self, store, stage, template_id, source):
        store.templates[stage, template_id] = source

    def put_bytes(self, store, stage, gen_id, artifact, data):
        store._generations[stage, gen_id][artifact] = data  # noqa: SLF001  a back door

    def stored_bytes(self, store, stage, gen_id, artifact):
        return store._generations[stage, gen_id][artifact]  # noqa: SLF001  a back door

    @pytest.fixture
    def settle(self):
        return lambda: None

    def plant_file(self, store, stage, name):
        pytest.skip("memory has no files")


class OnDisk:
    """Finds the files by names of its own, so that a change of the layout is noticed."""

    def add_template(self, store, stage, template_id, source):
        path = root_of(store) / "1_raw" / "templates" / stage / f"{template_id}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.encode())

    def put_bytes(self, store, stage, gen_id, artifact, data):
        path = self._file(store, stage, gen_id, artifact)
        assert path.is_file()
        path.write_bytes(data)

    def stored_bytes(self, store, stage, gen_id, artifact):
        return self._file(store, stage, gen_id, artifact).read_bytes()

    @pytest.fixture
    def settle(self, monkeypatch):
        """Let time pass faster: twice the step of the clock of a local file system is enough."""
        monkeypatch.setattr(folder_versions, "_SETTLED_NS", 20_000_000)
        return lambda: time.sleep(0.03)

    def plant_file(self, store, stage, name):
        (root_of(store) / "gens" / stage / name).write_bytes(b"")

    def _file(self, store, stage, gen_id, artifact):
        return root_of(store) / "gens" / stage / gen_id / ARTIFACT_FILENAMES[artifact]

    def digest(self, inner):
        return tree(root_of(inner))


def root_of(store):
    """Return the root as a path of this module, which pyfakefs may have replaced."""
    return Path(str(store.data_root))


def tree(root):
    """Everything below `root`: paths, kinds, times of change and contents."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        # Without permissions: under pyfakefs, opening a file to read it changes them.
        kind = stat.S_IFMT(status.st_mode)
        found[path] = (status.st_ino, kind, status.st_mtime_ns, content)
    return found


class OnFakeDisk(OnDisk):
    """On pyfakefs: listings come unsorted, and the file system may be of another system."""

    @pytest.fixture
    def root(self, fs):
        fs.shuffle_listdir_results = True
        return fs.create_dir("/data").path

    @pytest.fixture
    def settle(self):
        pytest.skip(NO_TIMES)


class FakeDiskContract(OnFakeDisk, GensStoreContract):
    def test_no_version_outlives_a_write_however_soon_it_comes(self):
        pytest.skip(NO_TIMES)

    def test_listing_is_stable_while_others_create_and_delete(self):
        pytest.skip("pyfakefs is made for one thread")

    def test_readers_find_whole_texts_while_others_write(self):
        pytest.skip("pyfakefs is made for one thread")

    def test_of_threads_that_claim_the_same_one_has_it_at_a_time(self):
        pytest.skip("pyfakefs is made for one thread")

    def test_a_claim_keeps_others_out_until_it_is_released(self):
        pytest.skip("pyfakefs grants every lock")

    def test_a_claim_keeps_nothing_else_from_the_generation(self):
        pytest.skip("pyfakefs grants every lock")


class TestInMemory(InMemory, GensStoreContract):
    @pytest.fixture
    def store(self):
        return InMemoryGensStore({})


class TestFilesystem(OnDisk, GensStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return FilesystemGensStore(tmp_path)


class TestUnsyncedFilesystem(OnDisk, GensStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return UnsyncedFilesystemGensStore(tmp_path)


class TestFilesystemOfMacOS(FakeDiskContract):
    @pytest.fixture
    def store(self, fs, root):
        fs.os = OSType.MACOS
        return FilesystemGensStore(root)


class TestFilesystemOfWindows(FakeDiskContract):
    @pytest.fixture
    def store(self, fs, root):
        fs.os = OSType.WINDOWS
        # os.name stays that of this machine, so that the synced store would sync folders.
        return UnsyncedFilesystemGensStore("C:/data")


class TestReadOnlyInMemory(InMemory, ReadOnlyGensStoreContract):
    @pytest.fixture
    def inner(self):
        return InMemoryGensStore({})

    @pytest.fixture
    def store(self, inner):
        return ReadOnlyGensStore(inner)


class TestReadOnlyFilesystem(OnDisk, ReadOnlyGensStoreContract):
    @pytest.fixture
    def inner(self, tmp_path):
        return FilesystemGensStore(tmp_path / "data")

    @pytest.fixture
    def store(self, inner):
        return ReadOnlyGensStore(inner)


class TestReadOnlyOnFakeDisk(OnFakeDisk, ReadOnlyGensStoreContract):
    @pytest.fixture
    def inner(self, root):
        return UnsyncedFilesystemGensStore(root)

    @pytest.fixture
    def store(self, inner):
        return ReadOnlyGensStore(inner)
