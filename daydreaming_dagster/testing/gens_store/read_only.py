"""What a store that only reads does."""
# ruff: noqa: S101  pytest asserts

from functools import partial

import pytest

from daydreaming_dagster.ports.errors import InvalidIdError, ReadOnlyStoreError
from daydreaming_dagster.ports.gens_store import GensStore, Templates
from daydreaming_dagster.testing.gens_store.access import (
    ARTIFACTS,
    METHODS,
    READERS,
    WRITERS,
    call,
    contents,
    methods_of,
    sample,
    skip_unless_able,
    write,
)
from daydreaming_dagster.testing.gens_store.backdoors import Backdoors, StoreT
from daydreaming_dagster.testing.gens_store.observation import check_pickles, outcome


class ReadOnlyGensStoreContract(Backdoors[StoreT]):
    """What every `GensStore` that only reads does, for a view of another store.

    `inner` is of the type `StoreT`. What an ability says is skipped where the view, or `inner`,
    lacks it.
    """

    @pytest.fixture
    def inner(self) -> StoreT:
        """Return a new store that holds nothing and can be written."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, inner: StoreT) -> GensStore:
        """Return the store under test, which shows what `inner` holds."""
        raise NotImplementedError

    def digest(self, inner: StoreT) -> object:
        """Return something that is equal only while nothing in `inner` changed."""
        return contents(inner)

    @pytest.fixture
    def filled(self, inner: StoreT) -> StoreT:
        """Return `inner` with the generation `draft/sample` and the template of that name."""
        if isinstance(inner, Templates):
            self.add_template(inner, "draft", "sample", "a template")
        for artifact in ARTIFACTS:
            write(inner, "draft", "sample", artifact, sample(artifact, "inner"))
        inner.write_prompt("draft", "begun", "a prompt alone")
        return inner

    def test_every_method_of_the_port_is_known_to_read_or_to_write(self) -> None:
        """A method added to the port fails here until someone decides which it is."""
        assert METHODS.keys() == READERS | WRITERS
        assert not READERS & WRITERS

    def test_it_has_no_public_method_beyond_the_port(self, store: GensStore) -> None:
        """Such as an inherited `clear`, through which well-known read-only stores are written."""
        public = {name for name in dir(store) if not name.startswith("_")}
        assert {name for name in public if callable(getattr(store, name))} == methods_of(store)

    @pytest.mark.parametrize("gen_id", ["sample", "begun", "new"])
    @pytest.mark.parametrize("method", sorted(WRITERS))
    def test_every_writer_is_refused_and_the_inner_store_unchanged(
        self, filled: StoreT, store: GensStore, method: str, gen_id: str
    ) -> None:
        skip_unless_able(store, method)
        before = self.digest(filled)
        with pytest.raises(ReadOnlyStoreError, match=f"{method} refused for draft/{gen_id}") as e:
            call(store, method, gen_id=gen_id)
        assert isinstance(e.value, PermissionError)
        check_pickles(e.value)
        assert self.digest(filled) == before

    @pytest.mark.parametrize("method", sorted(WRITERS))
    def test_a_writer_refuses_a_hostile_id_for_the_id(self, store: GensStore, method: str) -> None:
        skip_unless_able(store, method)
        with pytest.raises(InvalidIdError, match="invalid gen_id"):
            call(store, method, gen_id="../evil")

    @pytest.mark.parametrize("method", sorted(READERS))
    def test_every_reader_answers_as_the_inner_store_does(
        self, filled: StoreT, store: GensStore, method: str
    ) -> None:
        skip_unless_able(filled, method)
        skip_unless_able(store, method)
        if method == "read_many":
            pytest.skip("it returns a view, which another test reads")
        before = self.digest(filled)
        for name in ("sample", "begun", "absent", "../evil"):
            for stage in ("draft", "essay", "evil"):
                arguments = {"stage": stage, "gen_id": name, "template_id": name}
                expected = outcome(partial(call, filled, method, **arguments))
                assert outcome(partial(call, store, method, **arguments)) == expected
        assert self.digest(filled) == before

    def test_reading_an_empty_store_creates_nothing(self, inner: StoreT, store: GensStore) -> None:
        before = self.digest(inner)
        for method in sorted(READERS & methods_of(inner)):
            try:
                call(store, method)
            except FileNotFoundError:
                continue
        assert self.digest(inner) == before

    def test_it_says_where_a_generation_would_be(self, inner: StoreT, store: GensStore) -> None:
        assert store.locate("draft", "a") == inner.locate("draft", "a")

    def test_a_view_that_read_ahead_refuses_writes_too(
        self, filled: StoreT, store: GensStore
    ) -> None:
        view = store.read_many("draft", ["sample"], ARTIFACTS)
        assert contents(view) == contents(filled)
        with pytest.raises(ReadOnlyStoreError):
            view.write_raw("draft", "sample", "text")

    def test_later_writes_to_the_inner_store_are_seen(
        self, filled: StoreT, store: GensStore
    ) -> None:
        assert contents(store) == contents(filled)
        filled.write_raw("draft", "sample", "later")
        filled.write_raw("essay", "new", "later")
        filled.delete_generation("draft", "begun")
        assert store.read_raw("draft", "sample") == "later"
        assert store.read_raw("essay", "new") == "later"
        assert contents(store) == contents(filled)

    def test_later_templates_of_the_inner_store_are_seen(
        self, filled: StoreT, store: GensStore
    ) -> None:
        skip_unless_able(filled, "read_template")
        assert isinstance(store, Templates)
        self.add_template(filled, "essay", "new", "later")
        assert store.read_template("essay", "new") == "later"

    def test_the_repr_shows_no_content(self, filled: StoreT, store: GensStore) -> None:
        filled.write_raw("draft", "sample", "secret")
        assert "secret" not in repr(store)
