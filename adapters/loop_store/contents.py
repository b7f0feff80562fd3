"""What is in the files of loops: specifications, journals, verdicts and embeddings."""

import json
from collections.abc import Mapping
from typing import Final, get_args

import attrs

from adapters.cohort_store.csv_rows import read_rows_by_id
from adapters.cohort_store.yaml_files import read_spec_document, read_stages_file
from adapters.root_files.layout import LAYOUT
from adapters.root_files.text import json_text
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.decisions import Ruling, Verdict
from daydreaming_dagster.domain.loop.embeddings import (
    StoredEmbedding,
    embedding_document,
    make_embedding,
)
from daydreaming_dagster.domain.loop.journal import (
    ENTRIES,
    Entry,
    EntryName,
    Journal,
    LimitReached,
    entry_document,
    entry_name,
    make_journal,
)
from daydreaming_dagster.domain.loop.spec import LoopSpec, make_loop_spec
from daydreaming_dagster.ports.errors import StorageUnavailableError, UnsafePathError
from daydreaming_dagster.ports.language_model import ModelKey
from daydreaming_dagster.ports.root_files import RootFiles
from daydreaming_dagster.types import JsonValue

_VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)


@attrs.frozen
class LoopContents:
    """The methods of a `LoopStore` that read or write what a loop consists of."""

    files: RootFiles

    def read_spec(self, loop_id: str) -> LoopSpec:
        document, read_columns, repeated = read_spec_document(
            self.files, LAYOUT.loop_spec_file(loop_id)
        )
        pipeline = read_stages_file(self.files, LAYOUT.stages_yaml)
        spec = make_loop_spec(document, read_columns, pipeline)
        return attrs.evolve(spec, problems=(*repeated, *spec.problems))

    def read_journal(self, loop_id: str) -> Journal:
        rounds: list[dict[EntryName, object]] = []
        problems: list[str] = []
        while True:
            number = len(rounds) + 1
            documents: dict[EntryName, object] = {}
            for name in ENTRIES:
                path = LAYOUT.loop_entry_json(loop_id, number, name).as_posix()
                if (document := self._read_json(path, problems)) is not None:
                    documents[name] = document
            if not documents or problems:
                break
            rounds.append(documents)
        reached = self._read_json(LAYOUT.loop_limit_json(loop_id).as_posix(), problems)
        folder = self.files.locate(LAYOUT.loop_dir(loop_id).as_posix())
        if problems:
            raise CatalogError(folder, tuple(problems))
        return make_journal(rounds, folder, reached)

    def record(self, loop_id: str, number: int, entry: Entry) -> None:
        name = LAYOUT.loop_entry_json(loop_id, number, entry_name(entry)).as_posix()
        if not self.files.record(name, json_text(entry_document(entry))):
            problem = "it is recorded already, and is not replaced"
            raise CatalogError(self.files.locate(name), (problem,))

    def record_limit(self, loop_id: str, reached: LimitReached) -> None:
        name = LAYOUT.loop_limit_json(loop_id).as_posix()
        self.files.write(name, json_text(entry_document(reached)))

    def read_verdicts(self, loop_id: str) -> Mapping[str, Ruling]:
        path = LAYOUT.loop_verdicts_csv(loop_id)
        if not self.files.exists(path.as_posix()):
            return {}
        problems: list[str] = []
        columns = ("text_id", "verdict")
        rows = read_rows_by_id(self.files, path, columns, problems, ("reason",))
        verdicts: dict[str, Ruling] = {}
        for text_id, row in rows.items():
            for verdict in _VERDICTS:
                if row.cells["verdict"] == verdict:
                    verdicts[text_id] = Ruling(verdict, row.cells.get("reason", ""))
            if text_id not in verdicts:
                expected = f"expected {', '.join(_VERDICTS)}, found {row.cells['verdict']!r}"
                row.note("verdict", expected, problems)
        if problems:
            raise CatalogError(self.files.locate(path.as_posix()), tuple(problems))
        return verdicts

    def read_embedding(
        self, loop_id: str, model: ModelKey, text_digest: str
    ) -> StoredEmbedding | None:
        name = LAYOUT.loop_embedding_json(loop_id, model, text_digest).as_posix()
        try:
            document = json.loads(self.files.read(name))
        except FileNotFoundError:
            return None
        except StorageUnavailableError:
            raise
        except (OSError, UnsafePathError, ValueError, RecursionError) as error:
            raise CatalogError(self.files.locate(name), (str(error),)) from error
        return make_embedding(document, self.files.locate(name))

    def write_embedding(self, loop_id: str, embedding: StoredEmbedding) -> None:
        model = embedding.provider, embedding.model
        name = LAYOUT.loop_embedding_json(loop_id, model, embedding.text_digest).as_posix()
        self.files.write(name, json_text(embedding_document(embedding)))

    def _read_json(self, path: str, problems: list[str]) -> JsonValue:
        """Return a document, None if there is none; note a broken one in `problems`."""
        try:
            document: JsonValue = json.loads(self.files.read(path))
        except FileNotFoundError:
            return None
        except StorageUnavailableError:
            raise
        except (OSError, UnsafePathError, ValueError, RecursionError) as error:
            problems.append(f"{self.files.locate(path)}: {error}")
            return None
        if document is None:
            problems.append(f"{self.files.locate(path)}: expected an object, found null")
        return document
