"""Checks all that the researcher wrote about a loop."""

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.documents import Problem, suggestion
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.journal import Journal
from daydreaming_dagster.domain.loop.spec import LoopSpec, loop_problems
from daydreaming_dagster.ports.loop_store import LoopStore


def check_loop(
    loop_id: str, spec: LoopSpec, catalog: Catalog, loops: LoopStore, journal: Journal
) -> None:
    """Check all that the researcher wrote about a loop.

    Raises:
        CatalogError: Something is wrong. Lists every problem.
    """
    known = {name for name, concept in catalog.concepts.items() if not concept.accepted}
    found = loop_problems(spec, known, loops.sampler_names(), catalog.pipeline)
    problems = [str(each) for each in found]
    texts = {text.text_id for text in journal.texts()}
    problems += [
        f"verdicts: {text_id!r} is not a text of the loop"
        for text_id in loops.read_verdicts(loop_id)
        if text_id not in texts
    ]
    embedding = spec.gate.embedding
    if embedding is not None and embedding not in catalog.models:
        reason = f"there is no model {embedding!r}{suggestion(embedding, catalog.models)}"
        problems.append(str(Problem(("gate", "embedding"), reason)))
    if problems:
        raise CatalogError(f"loop {loop_id}", tuple(problems))
