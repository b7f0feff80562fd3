"""A researcher's work in memory: concepts, templates, a model, and the cohort c1."""

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.cohort_store.in_memory import InMemoryCohortStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import judge_or_echo
from daydreaming_dagster.application.batch_lane import Batches
from daydreaming_dagster.application.run_cohort import RunOptions, run_cohort
from daydreaming_dagster.application.run_listener import NullRunListener
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry, TemplateEntry
from daydreaming_dagster.domain.cohort.spec import Axes, CohortSpec
from daydreaming_dagster.domain.generation.cancellation import CancellationToken

TEMPLATES = {
    ("draft", "links"): "Link {% for c in concepts %}{{ c.name }} ({{ c.content }}) {% endfor %}",
    ("essay", "story"): "Tell a story of: {{ draft_block }}",
    ("evaluation", "judge"): "Judge: {{ response }}",
}
CATALOG = Catalog(
    concepts={
        name: ConceptEntry(name, name.title(), {"paragraph": f"{name}s exist."})
        for name in ("ant", "bee", "cod")
    },
    templates={
        ("draft", "links"): TemplateEntry("links"),
        ("essay", "story"): TemplateEntry("story"),
        ("essay", "copied"): TemplateEntry("copied", generator="copy"),
        ("evaluation", "judge"): TemplateEntry("judge"),
    },
    models={"big": ModelEntry("big", "big-1", "acme", prompt_price=1.0, completion_price=2.0)},
)
SPEC = CohortSpec(
    axes=Axes(
        concepts=["ant", "bee", "cod"],
        k=2,
        draft_template=["links"],
        draft_llm=["big"],
        essay_template=["story", "copied"],
        essay_llm=["big"],
        evaluation_template=["judge"],
        evaluation_llm=["big"],
    ),
    replicates={"evaluation": 2},
)
"""3 drafts, 6 essays of which 3 are copies, 12 evaluations: 18 calls."""


@attrs.define
class Lab:
    """A data root in memory, and a model that counts what it is asked."""

    store: InMemoryGensStore
    cohorts: InMemoryCohortStore
    asked: list = attrs.field(factory=list)
    answer: object = judge_or_echo
    batches: Batches | None = None

    def run(self, cohort_id="c1", *, listener=None, token=None, **options):
        def counting(request):
            self.asked.append(request.prompt)
            return self.answer(request)

        return run_cohort(
            self.store,
            self.cohorts,
            ScriptedLanguageModel(counting),
            cohort_id,
            RunOptions(**options),
            token=token or CancellationToken(),
            listener=listener or NullRunListener(),
            batches=self.batches,
        )


def new_lab(store_class=InMemoryGensStore):
    store = store_class(templates=dict(TEMPLATES))
    return Lab(store, InMemoryCohortStore(CATALOG, {"c1": SPEC}))


@pytest.fixture
def lab():
    return new_lab()


@pytest.fixture
def make_lab():
    return new_lab
