"""Imports a data root of the older project: catalogs, generations, specifications, cohorts."""

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.errors import CatalogError, CohortNotPlannedError
from daydreaming_dagster.domain.generation.metadata import interpret_main_metadata
from daydreaming_dagster.domain.generation.records import MainRecord, RawRecord
from daydreaming_dagster.domain.generation.state import RawAnswer
from daydreaming_dagster.domain.generation.stored import (
    StoredGeneration,
    if_there,
    read_stored_generation,
)
from daydreaming_dagster.domain.older.combinations import OlderCombination, make_combinations
from daydreaming_dagster.domain.older.generations import (
    main_document,
    parsed_document,
    raw_document,
)
from daydreaming_dagster.domain.older.rewriting import rewrite_spec
from daydreaming_dagster.domain.parsing.response import ResponseReader
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.errors import ArtifactError, InvalidIdError
from daydreaming_dagster.ports.gens_store import GensStore, claim_generation
from daydreaming_dagster.ports.ids import check_id
from daydreaming_dagster.ports.older_data_root import NotCarriedOver, OlderDataRoot
from daydreaming_dagster.ports.root_files import RootFiles
from daydreaming_dagster.types import Stage

_KEPT = "the data root has another one, which was kept"


@attrs.frozen
class ImportedDataRoot:
    """What an import came to.

    Attributes:
        generations: How many generations of each stage are carried over.
        cohorts: The cohorts whose members are.
        specs: The cohorts whose specification is.
        left: What could not be carried over, each with its place and the reason.
    """

    generations: Mapping[Stage, int]
    cohorts: Sequence[str]
    specs: Sequence[str]
    left: Sequence[NotCarriedOver]


def import_data_root(
    older: OlderDataRoot, store: GensStore, cohorts: CohortStore, files: RootFiles
) -> ImportedDataRoot:
    """Carry over all of an older data root that a data root lacks.

    Nothing that the data root has is replaced. So a repetition changes nothing, and completes an
    import that was interrupted. Each document is written before the text that it vouches for, and
    the members of a cohort last.

    Raises:
        CatalogError: The stages of the data root are malformed. Nothing was written.
        StorageUnavailableError: Nothing can be stored at present.
        OSError: The file system refused.
    """
    cohorts.read_pipeline()
    left: list[NotCarriedOver] = []
    for name, data in older.read_catalog_files(left):
        if not files.create(name, data):
            left.append(NotCarriedOver(name, _KEPT))
    importer = _Importer(older, store, cohorts, cohorts.read_pipeline(), left)
    generations = importer.import_generations()
    specs = [cohort_id for cohort_id in older.list_specs() if importer.import_spec(cohort_id)]
    members = [
        cohort_id for cohort_id in older.list_memberships() if importer.import_members(cohort_id)
    ]
    left += older.list_unknown()
    return ImportedDataRoot(generations, members, specs, left)


@attrs.define
class _Importer:
    older: OlderDataRoot
    store: GensStore
    cohorts: CohortStore
    pipeline: Pipeline
    left: list[NotCarriedOver]
    _catalog: Catalog | None = attrs.field(init=False)
    _combinations: Mapping[str, OlderCombination] = attrs.field(init=False)
    _carried: set[GenerationRef] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        try:
            self._catalog = self.cohorts.read_catalog()
        except CatalogError as error:
            self._catalog = None
            self._leave_all(error)
        try:
            self._combinations = make_combinations(self.older.read_combinations())
        except CatalogError as error:
            self._combinations = {}
            self._leave_all(error)

    def import_generations(self) -> Mapping[Stage, int]:
        counts = Counter[Stage]()
        for stage in self.older.list_stages():
            if stage not in self.pipeline:
                self._leave(f"gens/{stage}", "the data root has no such stage")
                continue
            for gen_id in self.older.generations.list_generations(stage):
                ref = GenerationRef(stage, gen_id)
                if self._import_generation(ref):
                    self._carried.add(ref)
                    counts[stage] += 1
        return counts

    def _import_generation(self, ref: GenerationRef) -> bool:
        """Carry over what the data root lacks of a generation; return whether it has it then."""
        there = read_stored_generation(self.older.generations, *ref)
        for artifact, reason in there.unreadable.items():
            self._leave(f"gens/{ref} ({artifact})", reason)
        problem = _problem(ref, there)
        if problem is not None:
            self._leave(f"gens/{ref}/metadata.json", problem)
            return False
        claim = claim_generation(self.store, *ref)
        if claim is None:
            self._leave(f"gens/{ref}", "a run is making it; import again when the run has ended")
            return True
        try:
            self._write(ref, there)
        except ArtifactError as error:
            self._leave(f"gens/{ref}", str(error))
            return False
        finally:
            claim.release()
        return True

    def _write(self, ref: GenerationRef, older: StoredGeneration) -> None:
        main, problem = main_document(older.main_metadata or {}, self._combinations)
        if problem is not None:
            self._leave(f"gens/{ref}/metadata.json", problem)
        if self._keeps_own(ref, older):
            return
        if if_there(self.store.read_main_metadata, *ref) is None:
            self.store.write_main_metadata(*ref, main)
        if older.prompt is not None and if_there(self.store.read_prompt, *ref) is None:
            self.store.write_prompt(*ref, older.prompt)
        self._write_parsed(ref, older, self._write_answer(ref, older))

    def _write_answer(self, ref: GenerationRef, older: StoredGeneration) -> RawAnswer | None:
        """Write the answer if the data root lacks it, and return it as it is in the older one."""
        if older.raw is not None:
            raw = raw_document(older.raw_metadata, older.raw, older.prompt)
            if if_there(self.store.read_raw, *ref) is None:
                self.store.write_raw_metadata(*ref, raw)
                self.store.write_raw(*ref, older.raw)
            return RawAnswer(older.raw, RawRecord.from_document(raw), reused=True)
        if older.raw_metadata is not None:
            self._leave(f"gens/{ref}/raw_metadata.json", "the answer that it describes is missing")
        return None

    def _write_parsed(
        self, ref: GenerationRef, older: StoredGeneration, answer: RawAnswer | None
    ) -> None:
        if older.parsed is not None:
            reader = self._reader(ref, older)
            parsed, problem = parsed_document(older.parsed_metadata, older.parsed, answer, reader)
            if problem is not None:
                self._leave(f"gens/{ref}/parsed.txt", problem)
            if if_there(self.store.read_parsed, *ref) is None:
                self.store.write_parsed_metadata(*ref, parsed)
                self.store.write_parsed(*ref, older.parsed)

    def _keeps_own(self, ref: GenerationRef, older: StoredGeneration) -> bool:
        """Return whether the data root has another generation of this id; note in what it differs.

        Nothing is added to it: a text of one does not belong to the answer of the other.
        """
        main = if_there(self.store.read_main_metadata, *ref)
        differing = (
            [] if main is None or _pairs(older.main_metadata) <= _pairs(main) else ["metadata.json"]
        )
        for name, read, text in (
            ("prompt.txt", self.store.read_prompt, older.prompt),
            ("raw.txt", self.store.read_raw, older.raw),
            ("parsed.txt", self.store.read_parsed, older.parsed),
        ):
            if text is not None and if_there(read, *ref) not in (None, text):
                differing.append(name)
        for name in differing:
            self._leave(f"gens/{ref}/{name}", _KEPT)
        return bool(differing)

    def _reader(self, ref: GenerationRef, older: StoredGeneration) -> ResponseReader | None:
        if self._catalog is None:
            return None
        template_id = MainRecord.from_document(older.main_metadata or {}).template_id or ""
        try:
            return self._catalog.reader(ref.stage, template_id)
        except CatalogError as error:
            if self.pipeline[ref.stage].scores:
                self._leave(f"gens/{ref}/parsed.txt", f"the scale of its score: {error}")
            return None

    def import_spec(self, cohort_id: str) -> bool:
        """Carry over the specification of a cohort; return whether the data root has it then."""
        place = f"the specification of {cohort_id}"
        try:
            older = self.older.read_spec(check_id("cohort_id", cohort_id))
            place = older.location
            spec = rewrite_spec(older, self._combinations, self.pipeline)
        except CatalogError as error:
            self._leave_all(error)
            return False
        except InvalidIdError as error:
            self._leave(place, str(error))
            return False
        if cohort_id not in self.cohorts.list_cohorts():
            self.cohorts.write_spec(cohort_id, spec)
        elif self.cohorts.read_spec(cohort_id) != spec:
            self._leave(place, _KEPT)
            return False
        for stage, count in spec.replicates.items():
            copies = [
                template_id
                for template_id in spec.values(self.pipeline[stage].axes[0])
                if self._catalog is not None
                and (entry := self._catalog.templates.get((stage, template_id))) is not None
                and entry.generator == "copy"
            ]
            if count > 1 and copies:
                reason = (
                    f"{count} replicates of {stage} template {copies[0]!r}: a copy is made once"
                )
                self._leave(place, reason)
        return True

    def import_members(self, cohort_id: str) -> bool:
        """Carry over the members of a cohort; return whether the data root has them then."""
        members: dict[Stage, list[str]] = {stage: [] for stage in self.pipeline}
        place = f"cohorts/{cohort_id}/membership.csv"
        try:
            rows = self.older.read_membership(check_id("cohort_id", cohort_id))
        except CatalogError as error:
            self._leave_all(error)
            return False
        except InvalidIdError as error:
            self._leave(place, str(error))
            return False
        for row in rows:
            ref = GenerationRef(row["stage"], row["gen_id"])
            if ref in self._carried:
                members[ref.stage].append(ref.gen_id)
            else:
                self._leave(row["where"], f"{ref} is not among the generations carried over")
        members = {stage: list(dict.fromkeys(gen_ids)) for stage, gen_ids in members.items()}
        try:
            present = self.cohorts.read_membership(cohort_id)
        except CohortNotPlannedError:
            self.cohorts.write_membership(cohort_id, members)
            return True
        if present != members:
            self._leave(place, _KEPT)
        return present == members

    def _leave(self, place: str, reason: str) -> None:
        self.left.append(NotCarriedOver(place, reason))

    def _leave_all(self, error: CatalogError) -> None:
        for problem in error.problems:
            self._leave(error.location, problem)


def _pairs(document: Mapping[str, object] | None) -> set[str]:
    """Return each key of a document with its value, to compare documents by their common keys."""
    return {f"{key}={value!r}" for key, value in (document or {}).items()}


def _problem(ref: GenerationRef, there: StoredGeneration) -> str | None:
    """Return why a generation cannot be carried over at all."""
    if there.main_metadata is None:
        return "missing or unreadable, so nothing says how the generation was made"
    record = MainRecord.from_document(there.main_metadata)
    named = (record.stage or ref.stage, record.gen_id or ref.gen_id)
    if named != ref:
        return f"it describes {'/'.join(named)}"
    try:
        interpret_main_metadata(there.main_metadata, *ref)
    except ArtifactError as error:
        return str(error)
    return None
