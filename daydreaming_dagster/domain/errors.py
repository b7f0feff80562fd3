"""Errors of making a generation or a cohort."""

import attrs

from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.formatting import counted


@attrs.define(eq=False)
class UnknownCombinationError(DaydreamingError, LookupError):
    """A generation's combination of concepts is not among those given."""

    stage: str
    gen_id: str
    combo_id: str

    def __str__(self) -> str:
        return (
            f"no combination {self.combo_id!r} for {self.stage}/{self.gen_id}; "
            f"plan its cohort again, or correct combo_id in its metadata"
        )


@attrs.define(eq=False)
class TemplateError(DaydreamingError, ValueError):
    """A template does not compile, or does not render with the values of its stage."""

    stage: str
    template_id: str
    reason: str

    def __str__(self) -> str:
        return f"{self.stage} template {self.template_id!r}: {self.reason}"


@attrs.define(eq=False)
class ResponseParseError(DaydreamingError, ValueError):
    """The template's parser cannot read a model's answer."""

    parser: str
    reason: str
    end_of_response: str

    def __str__(self) -> str:
        return f"parser {self.parser}: {self.reason}; the answer ends: {self.end_of_response!r}"


@attrs.define(eq=False)
class AnswerLostError(DaydreamingError):
    """A paid answer could not be stored, however often it was tried."""

    stage: str
    gen_id: str
    reason: str

    def __str__(self) -> str:
        return f"the paid answer is lost, because it could not be stored: {self.reason}"


@attrs.define(eq=False)
class WaitsForBatchError(DaydreamingError):
    """A generation is left for now, because of a batch; `reason` says which."""

    reason: str

    def __str__(self) -> str:
        return f"not asked: {self.reason}"


@attrs.define(eq=False)
class UnusableAnswerError(ResponseParseError):
    """A stored answer has no usable text. Only `force` replaces it."""


@attrs.define(eq=False)
class ScoreByHandError(DaydreamingError, ValueError):
    """A person's score cannot be entered or taken back."""

    gen_id: str
    reason: str

    def __str__(self) -> str:
        return f"{self.gen_id}: {self.reason}"


@attrs.define(eq=False)
class CatalogError(DaydreamingError, ValueError):
    """Catalogs or a cohort's specification are wrong. Lists every problem found."""

    location: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        return f"{counted(len(self.problems), 'problem')} in {self.location}:{lines}"


@attrs.define(eq=False)
class NoCatalogsError(CatalogError):
    """Every catalog is missing: the data root is another one, or not made yet."""


@attrs.define(eq=False)
class CohortNotPlannedError(DaydreamingError, LookupError):
    """The cohort has not been planned yet."""

    cohort_id: str

    def __str__(self) -> str:
        return f"cohort {self.cohort_id!r} is not planned yet"


@attrs.define(eq=False)
class UnknownCohortError(CohortNotPlannedError):
    """There is no cohort of this name; `hint` suggests a similar name, or is empty."""

    hint: str = ""

    def __str__(self) -> str:
        return f"there is no cohort {self.cohort_id!r}{self.hint}"


@attrs.define(eq=False)
class CohortBusyError(DaydreamingError, BlockingIOError):
    """Another process is running the cohort; a second run would only wait for it."""

    cohort_id: str

    def __str__(self) -> str:
        return f"another process runs the cohort {self.cohort_id!r}; wait until it ends"


@attrs.define(eq=False)
class CohortInUseError(DaydreamingError, ValueError):
    """A loop made the cohort; without it, the loop's journal would speak of lost texts."""

    cohort_id: str
    loop_id: str

    def __str__(self) -> str:
        return (
            f"the loop {self.loop_id!r} made the cohort {self.cohort_id!r}, and goes back to its "
            f"texts; remove the loop's folder first"
        )


@attrs.define(eq=False)
class GenerationBusyError(DaydreamingError, BlockingIOError):
    """Another process makes the generation."""

    stage: str
    gen_id: str

    def __str__(self) -> str:
        return f"another run makes {self.stage}/{self.gen_id}; wait until it ends, and repeat this"


@attrs.define(eq=False)
class AnswerAwaitedError(DaydreamingError, BlockingIOError):
    """A batch has the paid answer of a generation that is about to be deleted."""

    stage: str
    gen_id: str
    batch: str

    def __str__(self) -> str:
        return (
            f"{self.stage}/{self.gen_id} waits for its answer in {self.batch}; run its cohort "
            f"until the answer is there"
        )


@attrs.define(eq=False)
class LoopBusyError(DaydreamingError, BlockingIOError):
    """Another process is running the loop; a second one would make the same rounds."""

    loop_id: str

    def __str__(self) -> str:
        return f"another process runs the loop {self.loop_id!r}; wait until it ends"


@attrs.define(eq=False)
class PlanConflictError(DaydreamingError, ValueError):
    """A planned generation exists with metadata that contradicts its gen_id."""

    stage: str
    gen_id: str
    keys: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.stage}/{self.gen_id} exists with another {', '.join(self.keys)} in its "
            f"metadata.json; restore the document, or delete the generation and plan again"
        )


@attrs.define(eq=False)
class StaleAnswerError(DaydreamingError, ValueError):
    """A generation's stored answer belongs to another question than today's."""

    stage: str
    gen_id: str
    reason: str

    def __str__(self) -> str:
        return f"the stored answer is stale: {self.reason}"


@attrs.define(eq=False)
class SamplerError(DaydreamingError, ValueError):
    """A sampler failed, or broke the rules of its port: a mistake in its package."""

    sampler: str
    reason: str

    def __str__(self) -> str:
        return f"sampler {self.sampler}: {self.reason}; name another sampler, or correct it"


@attrs.define(eq=False)
class NothingToRateError(DaydreamingError, LookupError):
    """A cohort has no text that people could rate."""

    cohort_id: str
    judged: str

    def __str__(self) -> str:
        if not self.judged:
            return f"cohort {self.cohort_id!r}: no stage judges, so there is nothing to rate"
        return f"cohort {self.cohort_id!r}: no {self.judged} is done yet"
