"""What a stage is, and a pipeline of stages: what is decided by stage is decided from these."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final, Literal, NamedTuple

import attrs

from daydreaming_dagster.ports.errors import InvalidIdError
from daydreaming_dagster.types import Stage

COMBO: Final = "combo"
"""The axis of the combinations of concepts, and the group of all texts that go back to one."""

COHORT: Final = "cohort"
"""The group of all texts of a cohort."""

JUDGED: Final = "text"
"""What judged texts are called if they are of several stages."""

JUDGE: Final = "judge"
"""What evaluations are called if they are of several stages."""

Judges = Literal["scores", "pairs"]
"""How a stage judges: it scores a text, or it says which of two is better."""


class GenerationRef(NamedTuple):
    """Names a generation: equal to the pair `(stage, gen_id)`, shown as `stage/gen_id`."""

    stage: Stage
    gen_id: str

    def __str__(self) -> str:
        return f"{self.stage}/{self.gen_id}"


@attrs.frozen
class ParentRole:
    """What the generations of a stage are made from.

    Attributes:
        name: The name of the role, in templates and in metadata.
        stages: The stages whose texts can take the role.
        all_of: None if one text takes the role. Otherwise all texts of the cohort take it that
            share this: the combination (`combo`), an ancestor at this stage, or the `cohort`.
    """

    name: str
    stages: tuple[Stage, ...]
    all_of: str | None = None

    def __str__(self) -> str:
        """Return what the stages are called, as errors say it."""
        return " or ".join(self.stages)


@attrs.frozen
class StageDefinition:
    """A stage.

    Attributes:
        name: The name, also of its folders, assets and partitions.
        id_prefix: The beginning of its gen_ids.
        parents: What its generations are made from; none means concepts.
        variables: The template variables: for the concepts, for an only parent (all of them hold
            its text), or one for each role.
        within: What parents at the same stage have in common: the combination, an ancestor at this
            stage, or the cohort. None where no two roles have a stage in common.
        default_parser: The parser of templates that name none.
        typical_answer_tokens: The expected length of an answer without `max_tokens`.
        judges: How it judges, None if it does not. A stage that scores judges its first parent; its
            answers need a score. A stage that compares judges its first two.
        required: Whether every cohort has to use it.
    """

    name: Stage
    id_prefix: str
    parents: tuple[ParentRole, ...] = ()
    variables: tuple[str, ...] = ()
    within: str | None = None
    default_parser: str = "identity"
    typical_answer_tokens: int = 1500
    judges: Judges | None = None
    required: bool = False

    @property
    def axes(self) -> tuple[str, str]:
        """The axes of a cohort that say which templates and models it uses."""
        return f"{self.name}_template", f"{self.name}_llm"

    @property
    def scores(self) -> bool:
        """Whether its answers need a score."""
        return self.judges == "scores"

    @property
    def parent_stages(self) -> tuple[Stage, ...]:
        """The stages of its parents, each once."""
        return tuple(dict.fromkeys(stage for role in self.parents for stage in role.stages))

    @property
    def only_parent(self) -> ParentRole | None:
        """The role of its parent if it is made from one text, otherwise None."""
        if len(self.parents) == 1 and self.parents[0].all_of is None:
            return self.parents[0]
        return None

    def prompt_values(self, texts: Mapping[str, object]) -> dict[str, object]:
        """Return the template variables, from the value of each role (`""`: the concepts)."""
        if len(self.parents) > 1:
            return dict(texts)
        return dict.fromkeys(self.variables, next(iter(texts.values())))


@attrs.frozen
class Pipeline:
    """The stages of a data root, each after those that it is made from."""

    stages: tuple[StageDefinition, ...]

    @cached_property
    def _by_name(self) -> dict[Stage, StageDefinition]:
        return {definition.name: definition for definition in self.stages}

    def __iter__(self) -> Iterator[Stage]:
        return iter(self._by_name)

    def __contains__(self, stage: object) -> bool:
        return stage in self._by_name

    def __getitem__(self, stage: Stage) -> StageDefinition:
        """Return the definition of a stage.

        Raises:
            InvalidIdError: The pipeline has no such stage.
        """
        try:
            return self._by_name[stage]
        except (KeyError, TypeError):
            known = ", ".join(self._by_name)
            raise InvalidIdError("stage", repr(stage)[:60], f"expected one of {known}") from None

    @cached_property
    def names(self) -> tuple[Stage, ...]:
        """The names of the stages in order."""
        return tuple(self._by_name)

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The axes of a cohort, in the order in which it is laid out."""
        return (COMBO, *(axis for definition in self.stages for axis in definition.axes))

    @cached_property
    def scoring(self) -> tuple[Stage, ...]:
        """The stages that score."""
        return tuple(definition.name for definition in self.stages if definition.scores)

    @cached_property
    def comparing(self) -> tuple[Stage, ...]:
        """The stages that say which of two texts is better."""
        return tuple(row.name for row in self.stages if row.judges == "pairs")

    @cached_property
    def compared(self) -> tuple[Stage, ...]:
        """The stages whose texts are compared."""
        roles = [role for name in self.comparing for role in self[name].parents[:2]]
        judged = {stage for role in roles for stage in role.stages}
        return tuple(stage for stage in self if stage in judged)

    @cached_property
    def ranked(self) -> tuple[Stage, ...]:
        """The stages whose texts are scored or compared, and ranked."""
        return tuple(stage for stage in self if stage in {*self.scored, *self.compared})

    @cached_property
    def scored(self) -> tuple[Stage, ...]:
        """The stages whose texts are scored."""
        judged = {stage for name in self.scoring for stage in self[name].parents[0].stages}
        return tuple(stage for stage in self if stage in judged)

    @property
    def judged(self) -> str:
        """What a judged text is called: the name of its stage, if there is one such stage."""
        return self.ranked[0] if len(self.ranked) == 1 else JUDGED

    @property
    def judge(self) -> str:
        """What an evaluation is called: the name of its stage, if there is one such stage."""
        return self.scoring[0] if len(self.scoring) == 1 else JUDGE

    @cached_property
    def judged_lineage(self) -> tuple[Stage, ...]:
        """The stages that score, those of ranked texts and all that they go back to, in order."""
        return self.with_ancestors([*self.scoring, *self.ranked])

    def with_ancestors(self, stages: Iterable[Stage]) -> tuple[Stage, ...]:
        """Return these stages and all that their generations go back to, in order."""
        found = set(stages)
        for definition in reversed(self.stages):
            if definition.name in found:
                found |= set(definition.parent_stages)
        return tuple(stage for stage in self if stage in found)
