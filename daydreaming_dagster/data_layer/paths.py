"""The layout of a data root. This is the only place that knows file names and folders."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Final, Self

import attrs

from daydreaming_dagster.ports.gens_store import Artifact
from daydreaming_dagster.ports.ids import check_id, check_stage

__all__ = [
    "ARTIFACT_FILENAMES",
    "GENS_DIRNAME",
    "METADATA_FILENAME",
    "PARSED_FILENAME",
    "PARSED_METADATA_FILENAME",
    "PROMPT_FILENAME",
    "RAW_FILENAME",
    "RAW_METADATA_FILENAME",
    "Artifact",
    "Paths",
    "as_path",
]

PROMPT_FILENAME: Final = "prompt.txt"
RAW_FILENAME: Final = "raw.txt"
PARSED_FILENAME: Final = "parsed.txt"
METADATA_FILENAME: Final = "metadata.json"
RAW_METADATA_FILENAME: Final = "raw_metadata.json"
PARSED_METADATA_FILENAME: Final = "parsed_metadata.json"

ARTIFACT_FILENAMES: Final[Mapping[Artifact, str]] = {
    "prompt": PROMPT_FILENAME,
    "raw": RAW_FILENAME,
    "parsed": PARSED_FILENAME,
    "main_metadata": METADATA_FILENAME,
    "raw_metadata": RAW_METADATA_FILENAME,
    "parsed_metadata": PARSED_METADATA_FILENAME,
}
"""The file of each artifact, in the order in which they are written."""

GENS_DIRNAME: Final = "gens"
RAW_DIRNAME: Final = "1_raw"
TEMPLATES_DIRNAME: Final = "templates"
DESCRIPTIONS_PREFIX: Final = "descriptions-"


def as_path(path: str | PurePath) -> Path:
    """Return `Path(path)`. The class is looked up at the call, because pyfakefs replaces it."""
    return Path(path)


@attrs.frozen
class Paths:
    """The layout of the data root `data_root`. Computes paths and never accesses the disk.

    Every method raises `InvalidIdError` for a stage or id that could name anything other than its
    own folder.
    """

    data_root: Path = attrs.field(converter=as_path)

    @classmethod
    def from_str(cls, root: str | PurePath) -> Self:
        """Return the layout of the data root at `root`."""
        return cls(Path(root))

    # Generations

    @property
    def gens_root(self) -> Path:
        return self.data_root / GENS_DIRNAME

    def generation_dir(self, stage: str, gen_id: str) -> Path:
        return self.data_root.joinpath(GENS_DIRNAME, check_stage(stage), check_id("gen_id", gen_id))

    def artifact_path(self, stage: str, gen_id: str, artifact: Artifact | None) -> Path:
        """Return the file of the artifact; for None, the folder of the generation."""
        folder = self.generation_dir(stage, gen_id)
        return folder if artifact is None else folder / ARTIFACT_FILENAMES[artifact]

    def prompt_path(self, stage: str, gen_id: str) -> Path:
        return self.artifact_path(stage, gen_id, "prompt")

    def raw_path(self, stage: str, gen_id: str) -> Path:
        return self.artifact_path(stage, gen_id, "raw")

    def parsed_path(self, stage: str, gen_id: str) -> Path:
        return self.artifact_path(stage, gen_id, "parsed")

    def main_metadata_path(self, stage: str, gen_id: str) -> Path:
        return self.artifact_path(stage, gen_id, "main_metadata")

    metadata_path = main_metadata_path  # its name before; users of the data layer call it

    def raw_metadata_path(self, stage: str, gen_id: str) -> Path:
        return self.artifact_path(stage, gen_id, "raw_metadata")

    def parsed_metadata_path(self, stage: str, gen_id: str) -> Path:
        return self.artifact_path(stage, gen_id, "parsed_metadata")

    # The researcher's files

    @property
    def raw_dir(self) -> Path:
        return self.data_root / RAW_DIRNAME

    @property
    def templates_root(self) -> Path:
        return self.raw_dir / TEMPLATES_DIRNAME

    def template_file(self, stage: str, template_id: str) -> Path:
        return (
            self.templates_root / check_stage(stage) / f"{check_id('template_id', template_id)}.txt"
        )

    def schema_file(self, name: str) -> Path:
        return self.raw_dir / "schemas" / f"{check_id('schema', name)}.json"

    @property
    def concepts_csv(self) -> Path:
        return self.raw_dir / "concepts_metadata.csv"

    @property
    def concepts_dir(self) -> Path:
        return self.raw_dir / "concepts"

    def concept_description_file(self, level: str, concept_id: str) -> Path:
        """Return the file that describes a concept at a level of detail (`paragraph`, …)."""
        folder = f"{DESCRIPTIONS_PREFIX}{check_id('description level', level)}"
        return self.concepts_dir / folder / f"{check_id('concept_id', concept_id)}.txt"

    @property
    def stages_yaml(self) -> Path:
        return self.raw_dir / "stages.yaml"

    @property
    def llm_models_csv(self) -> Path:
        return self.raw_dir / "llm_models.csv"

    @property
    def endpoints_csv(self) -> Path:
        return self.raw_dir / "endpoints.csv"

    def stage_templates_csv(self, stage: str) -> Path:
        return self.raw_dir / f"{check_stage(stage)}_templates.csv"

    @property
    def replication_config_csv(self) -> Path:
        return self.raw_dir / "replication_config.csv"

    # Cohorts

    @property
    def cohorts_dir(self) -> Path:
        return self.data_root / "cohorts"

    def cohort_dir(self, cohort_id: str) -> Path:
        return self.cohorts_dir / check_id("cohort_id", cohort_id)

    def cohort_spec_file(self, cohort_id: str) -> Path:
        return self.cohort_dir(cohort_id) / "spec" / "config.yaml"

    def cohort_membership_csv(self, cohort_id: str) -> Path:
        return self.cohort_dir(cohort_id) / "membership.csv"

    def cohort_manifest_json(self, cohort_id: str) -> Path:
        return self.cohort_dir(cohort_id) / "manifest.json"

    def cohort_index_jsonl(self, cohort_id: str) -> Path:
        return self.cohort_dir(cohort_id) / "index.jsonl"

    def cohort_run_lock(self, cohort_id: str) -> Path:
        return self.cohort_dir(cohort_id) / "run.lock"

    def cohort_part_locks_dir(self, cohort_id: str) -> Path:
        return self.cohort_dir(cohort_id) / "parts.lock"

    def cohort_reports_dir(self, cohort_id: str) -> Path:
        return self.cohort_dir(cohort_id) / "reports"

    def cohort_report_html(self, cohort_id: str) -> Path:
        return self.cohort_reports_dir(cohort_id) / "report.html"

    def cohort_ratings_dir(self, cohort_id: str) -> Path:
        return self.cohort_dir(cohort_id) / "ratings"

    # Batches

    @property
    def batches_dir(self) -> Path:
        return self.data_root / "batches"

    def batch_json(self, name: str) -> Path:
        """Return the record of a batch that waits for its answers."""
        return self.batches_dir / f"{check_id('batch', name)}.json"

    @property
    def batches_lock(self) -> Path:
        return self.batches_dir / "batches.lock"

    # Limits that processes share

    @property
    def ledgers_dir(self) -> Path:
        return self.data_root / "ledgers"

    def run_ledger_json(self, run_id: str) -> Path:
        """Return the document in which the processes of a run share its limits."""
        return self.ledgers_dir / check_id("run_id", run_id) / "ledger.json"

    # Loops

    @property
    def loops_dir(self) -> Path:
        return self.data_root / "loops"

    def loop_dir(self, loop_id: str) -> Path:
        return self.loops_dir / check_id("loop_id", loop_id)

    def loop_spec_file(self, loop_id: str) -> Path:
        return self.loop_dir(loop_id) / "spec.yaml"

    def loop_verdicts_csv(self, loop_id: str) -> Path:
        return self.loop_dir(loop_id) / "verdicts.csv"

    def loop_run_lock(self, loop_id: str) -> Path:
        return self.loop_dir(loop_id) / "run.lock"

    def loop_report_html(self, loop_id: str) -> Path:
        return self.loop_dir(loop_id) / "reports" / "report.html"

    def loop_entry_json(self, loop_id: str, number: int, name: str) -> Path:
        """Return the file of an entry in a loop's journal, in the folder of its round."""
        return self.loop_dir(loop_id) / "rounds" / f"{number:04}" / f"{name}.json"

    def loop_limit_json(self, loop_id: str) -> Path:
        return self.loop_dir(loop_id) / "limit.json"

    def loop_embedding_json(self, loop_id: str, model: tuple[str, str], text_digest: str) -> Path:
        """Return the file with the vector of a text by the model of this provider and name."""
        of_model = sha256("\n".join(model).encode()).hexdigest()[:12]
        name = f"{check_id('text digest', text_digest)}.json"
        return self.loop_dir(loop_id) / "embeddings" / of_model / name

    def loop_concept_file(self, loop_id: str, level: str, concept_id: str) -> Path:
        """Return the file that describes a concept that the loop accepted."""
        folder = f"{DESCRIPTIONS_PREFIX}{check_id('description level', level)}"
        name = f"{check_id('concept_id', concept_id)}.txt"
        return self.loop_dir(loop_id) / "concepts" / folder / name
