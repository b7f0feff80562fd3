"""The use case of a whole stage: many generations at once, each failing alone."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Collection, Iterable
from typing import Final, Literal, get_args

import attrs

from daydreaming_dagster.data_layer.errors import InvalidMetadataError
from daydreaming_dagster.data_layer.generation_metadata import text_field
from daydreaming_dagster.data_layer.gens_store import GensStore
from daydreaming_dagster.domain.catalog import (
    DEFAULT_LEVEL,
    Catalog,
    ConceptCombination,
    combine_concepts,
)
from daydreaming_dagster.domain.generation import (
    RawAnswer,
    Recipe,
    ask,
    find_answer,
    read_answer,
    resolve_recipe,
    store_answer,
    store_parsed,
)
from daydreaming_dagster.domain.language_model import LanguageModel
from daydreaming_dagster.domain.parsers import ParsedResponse
from daydreaming_dagster.domain.stage_input import write_stage_input
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.types import Stage

Step = Literal["prompt", "raw", "parsed"]
STEPS: Final[tuple[Step, ...]] = get_args(Step)
"""The steps of every generation in their order."""

DEFAULT_CONCURRENCY: Final = 8
"""How many generations are under way at once where nothing else is said."""


@attrs.define
class Generated:
    """What became of a generation: what each step made, and what ended it early."""

    stage: Stage
    gen_id: str
    prompt: str | None = None
    raw: RawAnswer | None = None
    parsed: ParsedResponse | None = None
    error: DaydreamingError | OSError | None = None


@attrs.frozen
class StageRunner:
    """Makes generations from what the store plans and the catalog offers, with the model."""

    store: GensStore
    model: LanguageModel
    catalog: Catalog

    async def generate(
        self, stage: Stage, gen_id: str, steps: Collection[Step] = STEPS
    ) -> Generated:
        """Return what the chosen steps made. What other steps made is read from the store.

        Everything that is wrong with this generation alone ends up in `error`.
        """
        result = Generated(stage, gen_id)
        try:
            # The store may wait for a device; in a thread it does not hold up the other calls.
            recipe = await asyncio.to_thread(
                resolve_recipe, self.store, self.catalog, stage, gen_id
            )
            if "prompt" in steps:
                result.prompt = await asyncio.to_thread(self._write_prompt, stage, gen_id)
            if "raw" in steps:
                result.raw = await self._answer(stage, gen_id, recipe, result.prompt)
            if "parsed" in steps:
                result.parsed = await asyncio.to_thread(
                    self._parse, stage, gen_id, recipe, result.raw
                )
        except (DaydreamingError, OSError) as error:
            result.error = error
        return result

    async def generate_many(
        self,
        stage: Stage,
        gen_ids: Iterable[str],
        steps: Collection[Step] = STEPS,
        *,
        concurrency: int,
    ) -> AsyncGenerator[Generated, None]:
        """Yield each generation as soon as it is done, with at most `concurrency` under way."""
        waiting = iter(gen_ids)
        running: set[asyncio.Task[Generated]] = set()
        try:
            while True:
                for gen_id in itertools.islice(waiting, concurrency - len(running)):
                    running.add(asyncio.create_task(self.generate(stage, gen_id, steps)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _answer(
        self, stage: Stage, gen_id: str, recipe: Recipe, prompt: str | None
    ) -> RawAnswer:
        if prompt is None:
            prompt = await asyncio.to_thread(self.store.read_prompt, stage, gen_id)
        question = recipe.question(prompt)
        found = await asyncio.to_thread(find_answer, self.store, stage, gen_id, question)
        if found is not None:
            return found
        completion = await ask(self.model, recipe, prompt)
        return await asyncio.to_thread(
            store_answer, self.store, stage, gen_id, question, completion
        )

    def _parse(
        self, stage: Stage, gen_id: str, recipe: Recipe, raw: RawAnswer | None
    ) -> ParsedResponse:
        answer = read_answer(self.store, stage, gen_id) if raw is None else raw
        return store_parsed(self.store, stage, gen_id, recipe.reader, answer)

    def _write_prompt(self, stage: Stage, gen_id: str) -> str:
        combinations = [self._combination(gen_id)] if stage == "draft" else None
        return write_stage_input(self.store, stage, gen_id, content_combinations=combinations)

    def _combination(self, gen_id: str) -> ConceptCombination:
        """Return a draft's planned combination, as the catalog describes its concepts today."""
        document = self.store.read_main_metadata("draft", gen_id)
        concept_ids = document.get("concept_ids")
        if not isinstance(concept_ids, list) or not concept_ids:
            raise InvalidMetadataError("draft", gen_id, "concept_ids is missing in the metadata")
        concepts = [self.catalog.concepts.get(str(concept_id)) for concept_id in concept_ids]
        known = [concept for concept in concepts if concept is not None]
        if len(known) < len(concepts):
            reason = f"the concept catalog lacks one of {concept_ids}"
            raise InvalidMetadataError("draft", gen_id, reason)
        level = text_field(document, "description_level", "draft", gen_id) or DEFAULT_LEVEL
        return combine_concepts(known, level)
