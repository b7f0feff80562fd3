"""Which texts and scores a cohort has, as one value to compare."""

from collections.abc import Mapping, Sequence

from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.generation.records import ParsedRecord
from daydreaming_dagster.domain.generation.stored import if_there
from daydreaming_dagster.ports.gens_store import GensStore, read_ahead
from daydreaming_dagster.types import Stage


def texts_version(store: GensStore, members: Mapping[Stage, Sequence[str]]) -> str:
    """Return a digest that changes if a text or a score of these generations does.

    Raises:
        DataLayerError: The metadata of a text cannot be read.
    """
    lines = list[str]()
    for stage, gen_ids in members.items():
        for gen_id, view in read_ahead(store, stage, gen_ids, ["parsed_metadata"]):
            document = if_there(view.read_parsed_metadata, stage, gen_id)
            record = ParsedRecord.from_document(document or {})
            lines.append(f"{stage}/{gen_id} {record.parsed_sha256} {record.judged}")
    return sha256("\n".join(lines))
