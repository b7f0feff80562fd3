"""What a run, or a worker's part of it, came to, as the workers of a run tell each other."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import attrs
import dagster as dg

from daydreaming_dagster.defs.failures import explained, forbid_retries
from daydreaming_dagster.domain.generation.budget import Budget
from daydreaming_dagster.domain.generation.generated import Generated, Outcome
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.language_model import LanguageModelError
from daydreaming_dagster.types import Stage

_QUOTED: Final = 10


@attrs.frozen
class FailedGeneration:
    """A generation that failed, and why.

    Attributes:
        error: The name of the error's class.
        reason: Its message, and how to fix it.
        may_pass: Whether a repetition may help and is free of charge.
    """

    stage: Stage
    gen_id: str
    error: str
    reason: str
    may_pass: bool

    @classmethod
    def of(cls, generated: Generated) -> Self:
        """Return a generation that failed."""
        error = generated.error
        may_pass = (
            isinstance(error, LanguageModelError) and error.retryable and not error.may_be_billed
        )
        name = type(error).__name__
        return cls(generated.stage, generated.gen_id, name, explained(error), may_pass)


@attrs.frozen
class RunSummary:
    """How many generations were made, which failed, why it stopped, and what was spent.

    Attributes:
        left: How many were not started.
        set_aside: Why models were set aside, a sentence for each.
        stopped: Why it ended early, None if it did not.
        calls: Model calls. Like what follows, as `Budget` has it.
    """

    made: int
    failed: Sequence[FailedGeneration]
    left: int
    set_aside: Sequence[str] = ()
    stopped: str | None = None
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    cost_of_lost: float = 0.0
    of_unknown_cost: int = 0

    @classmethod
    def of(cls, outcome: Outcome, stopped: str | None, budget: Budget) -> Self:
        """Return the summary of a run."""
        spent = {name: getattr(budget, name) for name in _SPENT}
        failed = [FailedGeneration.of(generated) for generated in outcome.failed]
        return cls(outcome.made, failed, outcome.left, outcome.set_aside, stopped, **spent)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return what `attrs.asdict` made a document of."""
        failed = [FailedGeneration(**item) for item in document["failed"]]
        return cls(**{**document, "failed": failed})

    def after(self, parts: Sequence["RunSummary"]) -> "RunSummary":
        """Return the summary of a whole run, of which this is the end, after these parts of it.

        The parts are in the order in which they ended. The first reason to stop is the run's.
        """
        every = [*parts, self]
        reasons = (one.stopped for one in every if one.stopped)
        return RunSummary(
            made=sum(one.made for one in every),
            failed=[failed for one in every for failed in one.failed],
            left=self.left,
            set_aside=[*dict.fromkeys(reason for one in every for reason in one.set_aside)],
            stopped=next(reasons, None) if self.left else self.stopped,
            **{name: sum(getattr(one, name) for one in every) for name in _SPENT},
        )


_SPENT: Final = (
    "calls",
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "cost_of_lost",
    "of_unknown_cost",
)


def run_failure(
    context: dg.AssetExecutionContext, run: RunSummary, *, terminated: bool
) -> dg.Failure:
    """Return the failure of a run in which generations failed or were not started.

    Its table lists every failed generation. Dagster may repeat the run only where that may help and
    is free of charge, or if the run was terminated, because Dagster repeats none that somebody
    asked it to terminate.
    """
    failed = run.failed
    may_help = run.stopped is None and all(item.may_pass for item in failed)
    if not (may_help or terminated):
        forbid_retries(context)
    quoted = "".join(f"\n  {item.stage}/{item.gen_id}: {item.reason}" for item in failed[:_QUOTED])
    more = "\n  …" if len(failed) > _QUOTED else ""
    shown = ("stage", "gen_id", "error", "reason")
    records = [dg.TableRecord({name: getattr(item, name) for name in shown}) for item in failed]
    stopped = "".join(f"{sentence}; " for sentence in run.set_aside)
    stopped += f"stopped: {run.stopped}; " if run.stopped else ""
    return dg.Failure(
        f"{stopped}{counted(len(failed), 'generation')} failed, {run.left} not started, "
        f"{run.made} done and kept; run again to generate what is missing{quoted}{more}",
        metadata={"failures": dg.MetadataValue.table(records)} if records else {},
        # Dagster would retry the whole step.
        allow_retries=False,
    )
