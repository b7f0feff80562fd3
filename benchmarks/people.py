"""How much a few labels by people are worth, once judges are corrected by them.

`python -m benchmarks.people` reads the stories of `../shared/judgments/hanna_scores.csv`. For each
of six criteria, people's scores of some stories are kept, and the others hidden. The mean of the
hidden ones in each system is what the intervals have to cover: 66 cells of system and criterion.

"30 labelled stories per criterion" is taken as it stands: 30 of the 1,056 stories, over all systems
(two or three in each). As a second row, 30 in each system.
"""
# ruff: noqa: INP001, T201  a program to be run by hand

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from scipy.stats import t as student

from daydreaming_dagster.domain.statistics.judgments import Coded, Floats
from daydreaming_dagster.domain.statistics.prediction_powered import group_means

FOLDER: Final = Path(__file__).parents[2] / "shared" / "judgments"
LABELS: Final = 30
SEEDS: Final = 20


class Stories(NamedTuple):
    """A criterion's stories: their systems, the judges' mean score of each, and the people's."""

    system: Coded
    judged: Floats
    people: Floats


def read_stories() -> list[Stories]:
    """Return the stories of each criterion."""
    scores: dict[str, dict[tuple[str, str], tuple[list[float], list[float]]]] = {}
    with (FOLDER / "hanna_scores.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            stories = scores.setdefault(row["criterion"], defaultdict(lambda: ([], [])))
            by_people = row["rater"].startswith("human")
            stories[row["system"], row["story"]][by_people].append(float(row["score"]))
    found = []
    for stories in scores.values():
        keys = sorted(stories)
        names = tuple(sorted({system for system, _ in keys}))
        codes = np.array([names.index(system) for system, _ in keys], dtype=np.int64)
        judged, people = (np.array([np.mean(stories[key][who]) for key in keys]) for who in (0, 1))
        found.append(Stories(Coded(names, codes), judged, people))
    return found


class Cell(NamedTuple):
    """Whether the corrected interval covers the hidden mean, its width, and that of labels alone.

    `alone` is the t interval of the system's labels, their spread pooled over systems; `nan` where
    the system has none. `own` takes the spread from the system's own labels.
    """

    covers: bool
    width: float
    alone: float
    own: float


def cells(stories: Stories, shown: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Iterator[Cell]:
    """Yield each system's cell, if these labels are shown."""
    system, people = stories.system, stories.people
    found = group_means(
        system, stories.judged, np.where(shown, people, np.nan), target="unlabelled"
    )
    low, high = found.interval()
    groups = [people[shown & (system.codes == code)] for code in range(system.size)]
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups if len(group))
    df = int(shown.sum()) - sum(len(group) > 0 for group in groups)
    for code, group in enumerate(groups):
        rest = people[~shown & (system.codes == code)]
        sampling = np.sqrt(1 / len(group) + 1 / len(rest)) if len(group) else np.nan
        alone = 2 * student.ppf(0.975, df) * np.sqrt(squares / df) * sampling
        own = np.nan
        if len(group) > 1:
            own = 2 * student.ppf(0.975, len(group) - 1) * group.std(ddof=1) * sampling
        covers = bool(low[code] <= rest.mean() <= high[code])
        yield Cell(covers, float(high[code] - low[code]), float(alone), float(own))


def experiment(criteria: list[Stories], seed: int, *, in_each: bool) -> tuple[float, float, float]:
    """Return the share of cells covered, and how much narrower they are than `alone` and `own`."""
    rng = np.random.default_rng(seed)
    found: list[Cell] = []
    for stories in criteria:
        shown = np.zeros(len(stories.people), dtype=np.bool_)
        pools = [np.arange(len(shown))]
        if in_each:
            codes = stories.system.codes
            pools = [np.flatnonzero(codes == code) for code in range(stories.system.size)]
        for pool in pools:
            shown[rng.permutation(pool)[:LABELS]] = True
        found += cells(stories, shown)
    covers, width, alone, own = (np.array(part) for part in zip(*found, strict=True))

    def narrower(than: Floats) -> float:
        told = np.isfinite(than)
        return float(1 - width[told].mean() / than[told].mean())

    return float(covers.mean()), narrower(alone), narrower(own)


def main() -> None:
    """Print both rows, each with its mean and its range over the seeds."""
    if not FOLDER.is_dir():
        sys.exit(f"{FOLDER} is missing: it has the recorded judgments")
    criteria = read_stories()
    columns = ("covered", "narrower than labels", "than a system's own labels")
    print(f"{'labels':24} " + " ".join(f"{name:>28}" for name in columns))
    for in_each in (False, True):
        rows = [experiment(criteria, seed, in_each=in_each) for seed in range(SEEDS)]
        shown = [
            f"{np.mean(part):.1%} ({min(part):.1%} to {max(part):.1%})"
            for part in zip(*rows, strict=True)
        ]
        name = f"{LABELS} in each system" if in_each else f"{LABELS} per criterion"
        print(f"{name:24} " + " ".join(f"{text:>28}" for text in shown))


if __name__ == "__main__":
    main()
