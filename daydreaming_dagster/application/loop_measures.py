"""What a loop's round came to."""

from collections.abc import Mapping, Sequence

import attrs

from daydreaming_dagster.domain.loop.gate import KnownText
from daydreaming_dagster.domain.loop.journal import Journal, Round, Written
from daydreaming_dagster.domain.loop.measures import (
    RoundMeasures,
    estimate_richness,
    mean_distance,
)
from daydreaming_dagster.domain.loop.similarity import effective_number, nearest
from daydreaming_dagster.ports.gens_store import GensStore


@attrs.frozen
class Memory:
    """The texts that were there before a round: the seeds' descriptions, and earlier texts."""

    seeds: Sequence[KnownText]
    earlier: Sequence[KnownText]


def measure_round(  # noqa: PLR0917  what a round is measured by
    store: GensStore,
    journal: Journal,
    begun: Round,
    written: Written,
    memory: Memory,
    accepted: Mapping[str, str],
    best: Sequence[str],
) -> RoundMeasures:
    """Return the measures of a round, without its cost and canaries.

    `accepted` are the texts that it accepts, and `best` the ids of its own best ones.
    """
    of_round = {text.text_id: store.read_parsed(text.stage, text.text_id) for text in written.texts}
    seeds = [(each.text_id, each.text) for each in memory.seeds]
    earlier = ((each.text_id, each.text) for each in memory.earlier)
    of_best = nearest({text_id: of_round[text_id] for text_id in best}, [*seeds, *earlier])
    of_accepted = nearest(accepted, seeds)
    rounds = (*journal.rounds[: begun.number - 1], attrs.evolve(begun, written=written))
    return RoundMeasures(
        accepted=len(accepted),
        cost=None,
        novelty=mean_distance(
            [of_best[text_id].similarity if text_id in of_best else 0.0 for text_id in best]
        ),
        richness=estimate_richness(Journal(rounds).ideas().values()),
        diversity=effective_number(list(of_round.values())),
        drift=mean_distance(
            [
                of_accepted[text_id].similarity if text_id in of_accepted else 0.0
                for text_id in accepted
            ]
        ),
    )
