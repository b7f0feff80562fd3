"""Loops as files: the researcher writes the specification, the loop its journal and concepts."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import attrs

from adapters.root_files.layout import LAYOUT, misnamed
from daydreaming_dagster.domain.errors import LoopBusyError
from daydreaming_dagster.ports.ids import is_id
from daydreaming_dagster.ports.language_model import ModelKey
from daydreaming_dagster.ports.root_files import RootFiles

if TYPE_CHECKING:  # every command asks which loops there are, few what is in one
    from adapters.loop_store.contents import LoopContents
    from daydreaming_dagster.domain.loop.decisions import Ruling
    from daydreaming_dagster.domain.loop.embeddings import StoredEmbedding
    from daydreaming_dagster.domain.loop.journal import Entry, Journal, LimitReached
    from daydreaming_dagster.domain.loop.sampler import PairSampler
    from daydreaming_dagster.domain.loop.spec import LoopSpec


@attrs.frozen
class FileLoopStore:
    """A `LoopStore` in the folder `loops` of a data root.

    Every method that writes raises `OSError` where the storage refuses.
    """

    files: RootFiles

    @property
    def _contents(self) -> "LoopContents":
        from adapters.loop_store.contents import LoopContents

        return LoopContents(self.files)

    def list_loops(self) -> list[str]:
        found = self.files.find((LAYOUT.loops_dir / "*/spec.yaml").as_posix())
        return sorted(filter(is_id, (name.split("/")[-2] for name in found)))

    def list_misnamed(self) -> list[str]:
        return misnamed(self.files, LAYOUT.loops_dir.as_posix(), "spec.yaml")

    def read_spec(self, loop_id: str) -> "LoopSpec":
        return self._contents.read_spec(loop_id)

    def sampler_names(self) -> Collection[str]:
        from adapters.loop_store.samplers import sampler_names

        return sampler_names()

    def load_sampler(self, name: str) -> "PairSampler":
        from adapters.loop_store.samplers import load_sampler

        return load_sampler(name)

    def read_journal(self, loop_id: str) -> "Journal":
        return self._contents.read_journal(loop_id)

    def record(self, loop_id: str, number: int, entry: "Entry") -> None:
        self._contents.record(loop_id, number, entry)

    def record_limit(self, loop_id: str, reached: "LimitReached") -> None:
        self._contents.record_limit(loop_id, reached)

    def read_verdicts(self, loop_id: str) -> Mapping[str, "Ruling"]:
        return self._contents.read_verdicts(loop_id)

    def read_embedding(
        self, loop_id: str, model: ModelKey, text_digest: str
    ) -> "StoredEmbedding | None":
        return self._contents.read_embedding(loop_id, model, text_digest)

    def write_embedding(self, loop_id: str, embedding: "StoredEmbedding") -> None:
        self._contents.write_embedding(loop_id, embedding)

    def write_concept(self, loop_id: str, level: str, concept_id: str, text: str) -> None:
        name = LAYOUT.loop_concept_file(loop_id, level, concept_id).as_posix()
        self.files.write(name, text.encode())

    def write_report(self, loop_id: str, page: bytes) -> str:
        name = LAYOUT.loop_report_html(loop_id).as_posix()
        self.files.write(name, page)
        return self.files.locate(name)

    def hold(self, loop_id: str) -> AbstractContextManager[None]:
        name = LAYOUT.loop_run_lock(loop_id).as_posix()
        return self.files.hold(name, LoopBusyError(loop_id))
