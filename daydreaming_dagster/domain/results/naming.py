"""Names of a cohort's generations for people: what each is made of. An id says nothing to them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from daydreaming_dagster.domain.results.report import CohortReport, ReportGeneration
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.types import Stage

COPY: Final = "copy"
"""What stands for the model of a generation that copies its parent."""


@attrs.frozen
class Name:
    """What a generation is called.

    Attributes:
        combo: The concepts that it goes back to, such as `Kintsugi + Stigmergy`; `""` if several
            combinations lead to it.
        maker: Its template and model, and what else tells it from others of its stage.
    """

    combo: str
    maker: str

    def __str__(self) -> str:
        return f"{self.combo}: {self.maker}" if self.combo else self.maker


def short_id(gen_id: str) -> str:
    """Return a prefix of a gen_id that is unique within a cohort."""
    # The same eight characters of the hash, however long the stage's prefix is.
    end = max(10, gen_id.rfind("_") + 9)
    return f"{gen_id[:end]}…" if len(gen_id) > end + 4 else gen_id


def name_combinations(report: CohortReport) -> dict[str, str]:
    """Return the concepts of each combination by its id, such as `Kintsugi + Stigmergy`."""
    found = {
        item.combo: (" + ".join(concept.name for concept in report.concepts_of(item)), item.level)
        for items in report.generations.values()
        for item in items
        if item.concept_ids
    }
    # The same concepts at two levels of detail are two combinations.
    times = Counter(concepts for concepts, _ in found.values())
    return {
        combo: concepts if times[concepts] == 1 else f"{concepts} ({level})"
        for combo, (concepts, level) in found.items()
    }


def name_generations(report: CohortReport) -> dict[GenerationRef, Name]:
    """Return the name of each generation. Two of a stage have the same only if all is the same."""
    combos = name_combinations(report)
    known = {item.ref: item for items in report.generations.values() for item in items}
    names: dict[GenerationRef, Name] = {}
    for stage, items in report.generations.items():
        lineages = {item.ref: _lineage(item, known) for item in items}
        varies = _what_varies(list(lineages.values()))
        for item in items:
            parts = [f"{item.member.template} by {item.member.llm or COPY}"]
            parts += _ancestors(stage, lineages[item.ref], varies)
            if (stage, "replicate") in varies and item.member.replicate is not None:
                parts.append(f"replicate {item.member.replicate}")
            names[item.ref] = Name(combos.get(item.combo, item.combo), ", ".join(parts))
    return names


def _lineage(
    item: ReportGeneration, known: Mapping[GenerationRef, ReportGeneration]
) -> dict[Stage, ReportGeneration]:
    """Return the generation and its ancestors, of each stage the first one."""
    found = {item.stage: item}
    todo = [item]
    while todo:
        for parent in todo.pop().parents:
            if parent.ref in known and parent.ref.stage not in found:
                found[parent.ref.stage] = known[parent.ref]
                todo.append(known[parent.ref])
    return found


def _what_varies(
    lineages: Sequence[Mapping[Stage, ReportGeneration]],
) -> set[tuple[Stage, str]]:
    values: dict[tuple[Stage, str], set[object]] = {}
    for lineage in lineages:
        for stage, item in lineage.items():
            for axis in ("template", "llm", "replicate"):
                values.setdefault((stage, axis), set()).add(getattr(item.member, axis))
    return {key for key, found in values.items() if len(found) > 1}


def _ancestors(
    own: Stage,
    lineage: Mapping[Stage, ReportGeneration],
    varies: set[tuple[Stage, str]],
) -> Iterator[str]:
    """Yield what tells the ancestors of a generation from those of others, such as `draft plain`.

    Other values of an ancestor are the same everywhere.
    """
    for stage, item in lineage.items():
        if stage != own:
            member = item.member
            values = {"template": member.template, "llm": member.llm or COPY}
            told = [value for axis, value in values.items() if (stage, axis) in varies]
            if (stage, "replicate") in varies and member.replicate is not None:
                told.append(str(member.replicate))
            if told:
                yield f"{stage} {' '.join(told)}"
