"""Loops as files: the researcher writes the specification, the loop its journal and concepts."""

import json
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import Final, get_args

import attrs

from adapters.atomic_write import write_atomically
from adapters.cohort_store.csv_rows import read_rows_by_id
from adapters.cohort_store.yaml_files import read_spec_document, read_stages_file
from adapters.file_lock import held
from adapters.files_below_root import read_file, refuse_links, write_file
from adapters.loop_store.samplers import load_sampler, sampler_names
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.errors import CatalogError, LoopBusyError
from daydreaming_dagster.domain.loop.decisions import Verdict
from daydreaming_dagster.domain.loop.journal import (
    ENTRIES,
    Entry,
    EntryName,
    Journal,
    entry_document,
    entry_name,
    make_journal,
)
from daydreaming_dagster.domain.loop.sampler import PairSampler
from daydreaming_dagster.domain.loop.spec import LoopSpec, make_loop_spec
from daydreaming_dagster.ports.errors import UnsafePathError
from daydreaming_dagster.ports.ids import is_id

_VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)


@attrs.frozen
class FilesystemLoopStore:
    """A `LoopStore` in the folder `loops` of a data root.

    Every method that writes raises `OSError` where the file system refuses.
    """

    paths: Paths

    def list_loops(self) -> list[str]:
        found = (path.parent.name for path in self.paths.loops_dir.glob("*/spec.yaml"))
        return sorted(name for name in found if is_id(name))

    def read_spec(self, loop_id: str) -> LoopSpec:
        document, read_columns, repeated = read_spec_document(
            self.paths.data_root, self.paths.loop_spec_file(loop_id)
        )
        pipeline = read_stages_file(self.paths.data_root, self.paths.stages_yaml)
        spec = make_loop_spec(document, read_columns, pipeline)
        return attrs.evolve(spec, problems=(*repeated, *spec.problems))

    def sampler_names(self) -> Collection[str]:
        return sampler_names()

    def load_sampler(self, name: str) -> PairSampler:
        return load_sampler(name)

    def read_journal(self, loop_id: str) -> Journal:
        rounds: list[dict[EntryName, object]] = []
        problems: list[str] = []
        while True:
            number = len(rounds) + 1
            documents: dict[EntryName, object] = {}
            for name in ENTRIES:
                path = self.paths.loop_entry_json(loop_id, number, name)
                try:
                    documents[name] = json.loads(read_file(self.paths.data_root, path))
                except FileNotFoundError:
                    continue
                except (OSError, UnsafePathError, ValueError, RecursionError) as error:
                    problems.append(f"{path}: {error}")
            if not documents or problems:
                break
            rounds.append(documents)
        folder = str(self.paths.loop_dir(loop_id))
        if problems:
            raise CatalogError(folder, tuple(problems))
        return make_journal(rounds, folder)

    def record(self, loop_id: str, number: int, entry: Entry) -> None:
        path = self.paths.loop_entry_json(loop_id, number, entry_name(entry))
        refuse_links(self.paths.data_root, path)
        if path.exists():
            raise CatalogError(str(path), ("it is recorded already, and is not replaced",))
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(entry_document(entry), indent=1, ensure_ascii=False)
        # Synced, since later rounds depend on it.
        write_atomically(str(path.parent), path.name, f"{text}\n".encode(), sync=True)

    def read_verdicts(self, loop_id: str) -> Mapping[str, Verdict]:
        path = self.paths.loop_verdicts_csv(loop_id)
        if not path.exists():
            return {}
        problems: list[str] = []
        rows = read_rows_by_id(self.paths.data_root, path, ("text_id", "verdict"), problems)
        verdicts: dict[str, Verdict] = {}
        for text_id, row in rows.items():
            for verdict in _VERDICTS:
                if row.cells["verdict"] == verdict:
                    verdicts[text_id] = verdict
            if text_id not in verdicts:
                expected = f"expected {', '.join(_VERDICTS)}, found {row.cells['verdict']!r}"
                row.note("verdict", expected, problems)
        if problems:
            raise CatalogError(str(path), tuple(problems))
        return verdicts

    def write_concept(self, loop_id: str, level: str, concept_id: str, text: str) -> None:
        path = self.paths.loop_concept_file(loop_id, level, concept_id)
        write_file(self.paths.data_root, path, text.encode())

    def write_report(self, loop_id: str, page: bytes) -> str:
        path = self.paths.loop_report_html(loop_id)
        write_file(self.paths.data_root, path, page)
        return str(path)

    def hold(self, loop_id: str) -> AbstractContextManager[None]:
        path = self.paths.loop_run_lock(loop_id)
        return held(self.paths.data_root, path, LoopBusyError(loop_id))
