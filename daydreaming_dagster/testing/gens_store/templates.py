"""What every store with `Templates` does."""
# ruff: noqa: S101  pytest asserts

import itertools

import pytest

from daydreaming_dagster.ports.errors import MissingTemplateError
from daydreaming_dagster.ports.gens_store import Templates
from daydreaming_dagster.testing.gens_store.access import contents
from daydreaming_dagster.testing.gens_store.backdoors import StoreT, StoreUnderTest
from daydreaming_dagster.testing.gens_store.cases import EXACT_TEXTS
from daydreaming_dagster.testing.gens_store.observation import check_pickles, in_case
from daydreaming_dagster.types import STAGES


class TemplatesContract(StoreUnderTest[StoreT]):
    """Skipped where the store has none. Mixed into `GensStoreContract`."""

    @pytest.fixture
    def templates(self, store: StoreT) -> Templates:
        """Return the store as one that has `Templates`."""
        if not isinstance(store, Templates):
            pytest.skip(f"{type(store).__name__} has no read_template")
        return store

    def test_a_template_reads_back_to_the_character(
        self, store: StoreT, templates: Templates
    ) -> None:
        for case, source in EXACT_TEXTS.items():
            with in_case(case):
                self.add_template(store, "draft", "a", source)
                assert templates.read_template("draft", "a") == source

    def test_templates_are_told_apart_and_are_no_generations(
        self, store: StoreT, templates: Templates
    ) -> None:
        places = list(itertools.product(STAGES, ("a", "aa", "a-b")))
        for stage, template_id in places:
            self.add_template(store, stage, template_id, f"{stage} {template_id}")
        for stage, template_id in places:
            assert templates.read_template(stage, template_id) == f"{stage} {template_id}"
        assert contents(store) == {}

    def test_a_missing_template_is_an_error_that_names_it(
        self, store: StoreT, templates: Templates
    ) -> None:
        self.add_template(store, "draft", "a", "")
        with pytest.raises(MissingTemplateError, match="no essay template 'a'") as raised:
            templates.read_template("essay", "a")
        assert isinstance(raised.value, FileNotFoundError)
        assert (raised.value.stage, raised.value.template_id) == ("essay", "a")
        assert raised.value.location in str(raised.value)

    def test_an_error_about_a_template_survives_pickling(self, templates: Templates) -> None:
        with pytest.raises(MissingTemplateError) as raised:
            templates.read_template("draft", "absent")
        check_pickles(raised.value)

    def test_the_repr_shows_no_template(self, store: StoreT, templates: Templates) -> None:
        self.add_template(store, "draft", "a", "a secret template")
        assert "secret" not in repr(templates)
        assert "secret" not in str(templates)
