"""What the workers of a run in Dagster tell each other: events of `cohort_run` in Dagster's log.

All processes of a run reach the log, wherever they are, so nothing else has to be shared.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import attrs
import dagster as dg

from daydreaming_dagster.application.run_listener import RunPlan
from daydreaming_dagster.application.run_parts import PartRun
from daydreaming_dagster.bootstrap import SetupError
from daydreaming_dagster.defs.naming import asset_key
from daydreaming_dagster.defs.recording import RecordingListener, mark_failed
from daydreaming_dagster.defs.run_summary import RunSummary
from daydreaming_dagster.domain.cohort.parts import Part
from daydreaming_dagster.domain.cohort.spending import Bought
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.generated import Generated
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.types import Stage

_EVENTS: Final = 1_000
"""Events of a cohort that are looked at, the newest first; those of one run are far fewer."""


@attrs.define
class PartRecorder(RecordingListener):
    """Records what a worker makes, like the listener of a whole run, and each part it finishes."""

    _answers: int = attrs.field(default=0, init=False)

    def is_divided(self, location: str) -> bool:
        """Return whether the generations of this run were divided among workers.

        Raises:
            SetupError: They were divided in another data root than this worker has.
        """
        begun = next((one for one in self._of_run() if "before" in one), None)
        if begun is None:
            return False
        # A run that an earlier version has begun says nothing of it.
        divided = begun.get("data_root", location)
        if divided != location:
            raise SetupError(
                f"the run was divided in the data root {divided}, and this worker has {location}; "
                f"set DAYDREAM_DATA_ROOT to the same for all of them, and run again"
            )
        return True

    @property
    def failed_in_parts(self) -> list[GenerationRef]:
        """The generations that failed in parts that are finished."""
        return [
            GenerationRef(failed["stage"], failed["gen_id"])
            for metadata in self._of_run()
            if "part" in metadata
            for failed in metadata["summary"]["failed"]
        ]

    def begin(self, plan: RunPlan) -> None:
        """Begin with what is done or in no part, like the listener of a whole run."""
        super().begin(plan)
        self._answers = 0

    def begin_part(self, part: Part, todo: Mapping[Stage, Sequence[str]]) -> None:
        """Count what the part adds, and log it."""
        self._events = attrs.evolve(self._events, cohort_id=self.context.partition_key)
        generations = sum(map(len, todo.values()))
        self.total += generations
        self._answers = 0
        self.context.log.info("%s: %s", _name(part), counted(generations, "generation"))

    def await_parts(self, parts: Sequence[Part]) -> None:
        """Log what the worker waits for: a dead one's lock in a bucket is held for a while."""
        self.context.log.info(
            "waiting for other workers: %s (a part is taken over if its worker dies)",
            "; ".join(map(_name, parts)),
        )

    def note(self, finished: Sequence[Generated], budget: Budget) -> None:
        """Record what was made and what failed."""
        self._answers += sum(
            item.raw is not None and not item.raw.reused and item.model is not None
            for item in finished
        )
        super().note(finished, budget)

    def finished(self) -> Collection[Part]:
        """Return the parts that a worker of this run has finished."""
        return {Part(**metadata["part"]) for metadata in self._of_run() if "part" in metadata}

    def finish(self, part: Part, run: PartRun) -> None:
        """Record what came of a part.

        Raises:
            Exception: Dagster's database failed.
        """
        self.check()
        mark_failed(self.context, run.outcome.failed)
        summary = RunSummary.of(run.outcome, run.stopped, run.budget)
        self._log(
            f"{_name(part)}: {summary.made} made, {len(summary.failed)} failed",
            part=attrs.asdict(part),
            summary=attrs.asdict(summary),
            answers=self._answers,
        )

    def begin_run(self, location: str, before: Bought, todo: int) -> None:
        """Record where the run was divided, what answers had cost then, and how many to make."""
        self._log(
            "divided among workers", data_root=location, before=attrs.asdict(before), todo=todo
        )

    def whole(
        self, end: RunSummary, now: Bought, todo: Mapping[Stage, Sequence[str]]
    ) -> RunSummary:
        """Return the summary of a divided run, whose end had so much `todo`.

        What a killed worker has made and spent is known from what it stored.
        """
        events = self._of_run()
        parts = [
            RunSummary.from_document(one["summary"]) for one in reversed(events) if "part" in one
        ]
        begun = next(one for one in events if "before" in one)
        answers = sum(one["answers"] for one in events if "part" in one) + self._answers
        more = now.since(Bought(**begun["before"]))
        run = end.after(parts)
        left = run.left - sum(ref.gen_id in todo[ref.stage] for ref in self.failed_in_parts)
        return attrs.evolve(
            run,
            made=begun["todo"] - len(run.failed) - left,
            left=left,
            calls=run.calls - answers + more.answers,
            prompt_tokens=more.prompt_tokens,
            completion_tokens=more.completion_tokens,
            cost=run.cost if more.cost is None else more.cost + run.cost_of_lost,
        )

    @property
    def _asset(self) -> dg.AssetKey:
        return asset_key(self.key_prefix, "cohort_run")

    def _log(self, description: str, **metadata: Any) -> None:
        self.context.log_event(
            dg.AssetObservation(
                self._asset, description, partition=self.context.partition_key, metadata=metadata
            )
        )

    def _of_run(self) -> list[dict[str, Any]]:
        """Return the metadata of this run's own events, the newest first."""
        chosen = dg.AssetRecordsFilter(self._asset, asset_partitions=[self.context.partition_key])
        records = self.context.instance.fetch_observations(chosen, limit=_EVENTS).records
        return [
            {name: value.value for name, value in record.asset_observation.metadata.items()}
            for record in records
            if record.run_id == self.context.run.run_id and record.asset_observation
        ]


def _name(part: Part) -> str:
    level = f", level {part.level + 1}" if part.level else ""
    return f"part {part.number + 1}{level}"
