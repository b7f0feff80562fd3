"""An archive: a data root that may be looked at and not written to."""

import pytest

from adapters import FilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from daydreaming_dagster.application.plan_cohort import plan_cohort


@pytest.fixture
def gen_id(data_root):
    """A draft with a prompt, in a data root without write permission."""
    plan_cohort(FilesystemGensStore(data_root), FilesystemCohortStore(data_root), "c1")
    store = FilesystemGensStore(data_root)
    gen_id = store.list_generations("draft")[0]
    store.write_prompt("draft", gen_id, "Link ants")
    paths = [data_root, *data_root.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield gen_id
    for path in paths:
        path.chmod(0o755)


def tree(root):
    """Return every path below `root` with its times; a file that came and went shows, too."""
    return {
        path: (status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        for path in (root, *root.rglob("*"))
        for status in [path.lstat()]
    }


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["show", "draft", "GEN_ID"], "Link ants"),
        (["status"], "c1"),
        (["status", "c1"], "cohort c1"),
        (["check"], "21 generations, 0 findings"),
        (["plan", "c1", "--dry-run"], "nothing written"),
    ],
)
def test_looking_at_an_archive_works_and_leaves_no_trace(
    daydream, data_root, gen_id, command, expected
):
    """Permissions do not bind root, whose writes show in the times of the folders."""
    before = tree(data_root)
    arguments = [gen_id if word == "GEN_ID" else word for word in command]

    result = daydream(*arguments)

    assert result.returncode == 0, result.stderr
    assert expected in result.stdout
    assert tree(data_root) == before
