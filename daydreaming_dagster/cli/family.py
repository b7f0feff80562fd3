"""The tree of what a generation was made from."""

from collections.abc import Iterator, Sequence

from rich.tree import Tree

from daydreaming_dagster.cli.console import cell
from daydreaming_dagster.domain.generation.metadata import combined_concepts, known_parents
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.ids import is_id


def worth_a_tree(store: GensStore, pipeline: Pipeline, lineage: Sequence[GenerationRef]) -> bool:
    """Return whether a lineage has a branch, or goes on in a text that a loop accepted."""
    return any(
        len(known_parents(store, member)) > 1 or any(_accepted_texts(store, pipeline, member))
        for member in lineage
    )


def family_tree(store: GensStore, pipeline: Pipeline, ref: GenerationRef) -> Tree:
    """Return the tree of a generation's ancestors, down to the concepts of the researcher.

    What is shared is drawn once, then named.
    """
    shown: set[GenerationRef] = set()

    def draw(ref: GenerationRef) -> Tree:
        accepted = {text.gen_id: text for text in _accepted_texts(store, pipeline, ref)}
        parents = [*known_parents(store, ref), *accepted.values()]
        if ref in shown and parents:
            return Tree(cell(f"{ref} (see above)"))
        shown.add(ref)
        tree = Tree(cell(str(ref)))
        for parent in parents:
            tree.add(draw(parent))
        for concept_id in combined_concepts(store, ref):
            if concept_id not in accepted:
                tree.add(cell(concept_id))
        return tree

    return draw(ref)


def _accepted_texts(
    store: GensStore, pipeline: Pipeline, ref: GenerationRef
) -> Iterator[GenerationRef]:
    """Yield the generations among the concepts: the concept of an accepted text has its gen_id."""
    for concept_id in combined_concepts(store, ref):
        if is_id(concept_id):
            for stage in pipeline:
                if store.exists(stage, concept_id):
                    yield GenerationRef(stage, concept_id)
                    break
