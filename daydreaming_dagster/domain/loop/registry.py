"""The samplers by the names that loops' specifications use."""

from collections.abc import Mapping
from typing import Final

from daydreaming_dagster.domain.loop.learning import ThompsonSampler
from daydreaming_dagster.domain.loop.sampler import CoverageSampler, PairSampler, UniformSampler

SAMPLERS: Final[Mapping[str, PairSampler]] = {
    "uniform": UniformSampler(),
    "coverage": CoverageSampler(),
    "thompson": ThompsonSampler(),
}
"""The built-in samplers. Those of installed packages are entry points, see `adapters`."""
