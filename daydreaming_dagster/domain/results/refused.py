"""The judges' answers that give no score, and why."""

from collections.abc import Iterable, Iterator

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.errors import CatalogError, ResponseParseError
from daydreaming_dagster.domain.generation.answers import read_answer, read_response
from daydreaming_dagster.domain.generation.state import FAILED
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.ports.gens_store import GensStore


@attrs.frozen
class RefusedAnswer:
    """A judge's answer that gives no score, why, and the last 200 characters of its text."""

    gen_id: str
    reason: str
    end: str


def refused_answers(
    store: GensStore, catalog: Catalog, evaluations: Iterable[Evaluation]
) -> Iterator[RefusedAnswer]:
    """Yield the answers among these that are refused as their templates are read today.

    Raises:
        DataLayerError: An answer is malformed, or is no longer there.
    """
    for row in evaluations:
        if row.outcome.state not in FAILED:
            continue
        gen_id = row.evaluation.gen_id
        answer = read_answer(store, row.stage, gen_id)
        try:
            read_response(catalog.reader(row.stage, row.evaluation.template), answer)
        except ResponseParseError as error:
            yield RefusedAnswer(gen_id, error.reason, error.end_of_response)
        except CatalogError as error:
            yield RefusedAnswer(gen_id, str(error), answer.text[-200:])
