"""Finds what is wrong with stored generations."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.doubts import tokens_if_cut
from daydreaming_dagster.domain.generation.metadata import (
    GenerationMetadata,
    interpret_main_metadata,
)
from daydreaming_dagster.domain.generation.records import ParsedRecord, RawRecord
from daydreaming_dagster.domain.generation.stored import StoredGeneration
from daydreaming_dagster.domain.stages import Pipeline
from daydreaming_dagster.formatting import one
from daydreaming_dagster.ports.errors import ArtifactError
from daydreaming_dagster.types import JsonObject, Stage


@attrs.frozen
class Finding:
    """A problem; `subject` is the generation or path that has it."""

    kind: str
    subject: str
    message: str


@attrs.frozen
class IntegrityCheck:
    """Checks stored generations one by one.

    `known` are the existing gen_ids of each stage, to look up parents. Without a catalog, templates
    and models are not looked up.
    """

    pipeline: Pipeline
    known: Mapping[Stage, Collection[str]]
    catalog: Catalog | None = None

    def check(self, stored: StoredGeneration) -> list[Finding]:
        """Return what is wrong with a generation."""
        return [
            Finding(kind, f"{stored.stage}/{stored.gen_id}", message)
            for kind, message in self._problems(stored)
        ]

    def _problems(self, stored: StoredGeneration) -> Iterator[tuple[str, str]]:
        if stored.unreadable:
            # If an artifact is unreadable, nothing else can be concluded about the generation.
            yield from (("unreadable", message) for message in stored.unreadable.values())
            return
        if stored.main_metadata is None:
            yield "no metadata", "metadata.json is missing, so nothing says how it was made"
        else:
            yield from self._metadata_problems(stored.stage, stored.gen_id, stored.main_metadata)
        raw = RawRecord.from_document(stored.raw_metadata or {})
        parsed = ParsedRecord.from_document(stored.parsed_metadata or {})
        yield from _pair_problems("raw", stored.raw, stored.raw_metadata, raw.raw_sha256)
        yield from _pair_problems(
            "parsed", stored.parsed, stored.parsed_metadata, parsed.parsed_sha256
        )
        if raw.unknown_finish is not None:
            message = f"nobody knows what finish_reason {raw.unknown_finish!r:.60} means"
            yield "unknown finish", f"{message}; see whether the answer is whole"
        if stored.prompt is not None and (tokens := tokens_if_cut(stored.prompt, raw)):
            message = f"the endpoint counted {tokens} tokens in {len(stored.prompt)} characters"
            yield "cut prompt", f"{message}; it probably left out a part of the prompt"
        if stored.raw_metadata is not None and stored.prompt is not None:
            yield from _digest_problems(
                "stale answer",
                "raw.txt answers another prompt than prompt.txt",
                stored.prompt,
                raw.prompt_sha256,
            )
        if stored.parsed_metadata is not None and stored.raw is not None:
            yield from _digest_problems(
                "stale text",
                "parsed.txt was read in another text than raw.txt",
                stored.raw,
                parsed.raw_sha256,
            )

    def _metadata_problems(
        self, stage: Stage, gen_id: str, main: JsonObject
    ) -> Iterator[tuple[str, str]]:
        try:
            metadata = interpret_main_metadata(main, stage, gen_id)
        except ArtifactError as error:
            yield "bad metadata", str(error)
            return
        yield from (("no parent", message) for message in self._parent_problems(stage, metadata))
        if self.catalog is None or metadata.record.imported is not None:  # another tool judged
            return
        if (stage, metadata.template_id) not in self.catalog.templates:
            yield "unknown template", f"the catalog lacks {metadata.template_id!r}"
        model_id = metadata.record.llm_model_id or ""
        if metadata.mode == "llm" and model_id not in self.catalog.models:
            yield "unknown model", f"the catalog lacks {model_id!r}"

    def _parent_problems(self, stage: Stage, metadata: GenerationMetadata) -> Iterator[str]:
        only = self.pipeline[stage].only_parent
        for role in self.pipeline[stage].parents:
            of_role = [
                parent.ref
                for parent in metadata.parents
                if role is only or parent.role == role.name
            ]
            if not of_role:
                yield f"its metadata names no {role}"
            for ref in of_role:
                if ref.stage not in role.stages:
                    yield f"its parent {ref} is not {one(str(role))}"
                elif ref.gen_id not in self.known.get(ref.stage, ()):
                    yield f"there is no {ref}"


def missing_members(
    known: Mapping[Stage, Collection[str]],
    memberships: Mapping[str, Mapping[Stage, Sequence[str]]],
) -> Iterator[Finding]:
    """Yield a finding for each generation that a cohort lists but that is not `known`.

    `memberships` are the gen_ids of each cohort, by its id.
    """
    for cohort_id, members in memberships.items():
        for stage, gen_ids in members.items():
            for gen_id in gen_ids:
                if gen_id not in known.get(stage, ()):
                    message = (
                        f"the cohort {cohort_id} lists it; plan the cohort again, or finish "
                        f"deleting it"
                    )
                    yield Finding("not there", f"{stage}/{gen_id}", message)


def _pair_problems(
    artifact: str, text: str | None, metadata: JsonObject | None, digest: str | None
) -> Iterator[tuple[str, str]]:
    if text is not None and metadata is None:
        yield "no metadata", f"{artifact}.txt is there without {artifact}_metadata.json"
    elif text is None and metadata is not None:
        yield "no text", f"{artifact}_metadata.json is there without {artifact}.txt"
    elif text is not None and metadata is not None:
        yield from _digest_problems(
            "wrong text",
            f"{artifact}.txt is not the text that {artifact}_metadata.json vouches for",
            text,
            digest,
        )


def _digest_problems(
    kind: str, message: str, text: str, digest: str | None
) -> Iterator[tuple[str, str]]:
    if digest is None:
        yield "no digest", f"the metadata has no SHA-256 to tell whether {message}"
    elif digest != sha256(text):
        yield kind, message
