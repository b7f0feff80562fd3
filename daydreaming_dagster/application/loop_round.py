"""The parts of a loop's round: choose pairs, write texts, judge them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import attrs

from daydreaming_dagster.application.plan_cohort import plan_cohort
from daydreaming_dagster.application.run_cohort import CohortRun, RunOptions, run_cohort
from daydreaming_dagster.application.run_listener import RunListener
from daydreaming_dagster.domain.catalog import Catalog, combine_concepts
from daydreaming_dagster.domain.cohort.planning import CohortPlan, PlannedGeneration, make_plan
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.records import MainRecord
from daydreaming_dagster.domain.generation.state import read_state
from daydreaming_dagster.domain.loop.decisions import decide
from daydreaming_dagster.domain.loop.gate import KnownText, calibrate, hold_back
from daydreaming_dagster.domain.loop.journal import (
    Chosen,
    Decided,
    Journal,
    Round,
    Written,
    WrittenText,
)
from daydreaming_dagster.domain.loop.measures import (
    RoundMeasures,
    estimate_richness,
    mean_distance,
)
from daydreaming_dagster.domain.loop.pairs import Pair
from daydreaming_dagster.domain.loop.sampler import ExploringSampler
from daydreaming_dagster.domain.loop.similarity import effective_number, nearest
from daydreaming_dagster.domain.loop.spec import LoopSpec
from daydreaming_dagster.domain.results.evaluations import read_outcome
from daydreaming_dagster.domain.stages import JUDGED_STAGE, JUDGING_STAGE
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.errors import MissingArtifactError
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.language_model import LanguageModel
from daydreaming_dagster.ports.loop_store import LoopStore
