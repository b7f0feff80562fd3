"""Eight processes that use one store at once."""

import time
from pathlib import Path

from adapters import UnsyncedFilesystemGensStore
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES

SECONDS = 4.0


def test_processes_that_write_read_list_reserve_and_delete_see_whole_generations(start, tmp_path):
    """Each checks what it sees; afterwards all texts are whole and no other file is left."""
    store = UnsyncedFilesystemGensStore(tmp_path)
    for gen_id in ("kept0", "kept1"):
        store.write_raw("draft", gen_id, "0 " * 50_000)
        store.write_raw_metadata("draft", gen_id, {"mark": "0"})
    until = time.time() + SECONDS
    roles = ["write", "write", "write", "look", "look", "delete", "delete", "reserve"]
    results = [
        start("work", str(tmp_path), role, number, until) for number, role in enumerate(roles)
    ]
    rounds = [result() for result in results]
    assert min(rounds) >= 10
    for number in range(roles.count("write")):
        mark = f"{number}.{rounds[number]}"
        assert store.read_raw("draft", f"own{number}") == f"{mark} " * 50_000
        assert store.read_raw_metadata("draft", f"own{number}") == {"mark": mark}
    left = {path.name for path in Path(tmp_path).rglob("*") if path.is_file()}
    assert left == {ARTIFACT_FILENAMES["raw"], ARTIFACT_FILENAMES["raw_metadata"]}
    expected = {"kept0", "kept1", "own0", "own1", "own2", "shared0", "shared1"}
    assert {path.name for path in (tmp_path / "gens" / "draft").iterdir()} <= expected


def test_of_processes_that_claim_the_same_one_has_it_at_a_time(start, tmp_path):
    counted = tmp_path / "counted"
    counted.write_text("0")
    for result in [start("count_under_claims", str(tmp_path), 100) for _ in range(4)]:
        result()
    assert counted.read_text() == "400"
