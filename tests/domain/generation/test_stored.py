"""All that is stored of a generation, whatever is wrong with it."""

from adapters import InMemoryGensStore
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.ports.errors import MalformedArtifactError


def test_each_artifact_is_read():
    store = InMemoryGensStore()
    store.write_prompt("draft", "d1", "why?")
    store.write_raw("draft", "d1", " because")
    store.write_parsed("draft", "d1", "because")
    store.write_main_metadata("draft", "d1", {"of": "all"})
    store.write_raw_metadata("draft", "d1", {"of": "raw"})
    store.write_parsed_metadata("draft", "d1", {"of": "parsed"})

    stored = read_stored_generation(store, "draft", "d1")

    assert (stored.stage, stored.gen_id) == ("draft", "d1")
    assert (stored.prompt, stored.raw, stored.parsed) == ("why?", " because", "because")
    metadata = (stored.main_metadata, stored.raw_metadata, stored.parsed_metadata)
    assert metadata == ({"of": "all"}, {"of": "raw"}, {"of": "parsed"})
    assert stored.unreadable == {}


def test_what_is_not_there_is_none_and_not_unreadable():
    stored = read_stored_generation(InMemoryGensStore(), "draft", "d1")

    assert (stored.prompt, stored.raw, stored.parsed, stored.main_metadata) == (None,) * 4
    assert stored.unreadable == {}


def test_what_cannot_be_read_is_named_and_no_end():
    class Broken(InMemoryGensStore):
        def read_raw(self, stage, gen_id):
            raise MalformedArtifactError("raw", f"{stage}/{gen_id}", "not UTF-8")

    store = Broken()
    store.write_prompt("draft", "d1", "why?")

    stored = read_stored_generation(store, "draft", "d1")

    assert (stored.prompt, stored.raw) == ("why?", None)
    assert stored.unreadable.keys() == {"raw"}
    assert "not UTF-8" in stored.unreadable["raw"]
