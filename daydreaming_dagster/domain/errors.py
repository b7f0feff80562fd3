"""What goes wrong when a generation or a cohort is made."""

import attrs

from daydreaming_dagster.errors import DaydreamingError


@attrs.define(eq=False)
class UnknownCombinationError(DaydreamingError, LookupError):
    """A draft's combination of concepts is not among those given."""

    combo_id: str
    gen_id: str

    def __str__(self) -> str:
        return (
            f"no combination {self.combo_id!r} for draft/{self.gen_id}; "
            f"plan its cohort again, or correct combo_id in its metadata"
        )


@attrs.define(eq=False)
class TemplateError(DaydreamingError, ValueError):
    """A template that does not compile, or does not render with the values of its stage."""

    stage: str
    template_id: str
    reason: str

    def __str__(self) -> str:
        return f"{self.stage} template {self.template_id!r}: {self.reason}"


@attrs.define(eq=False)
class ResponseParseError(DaydreamingError, ValueError):
    """A model's answer does not have the form that its template's parser reads."""

    parser: str
    reason: str
    end_of_response: str

    def __str__(self) -> str:
        return f"parser {self.parser}: {self.reason}; the answer ends: {self.end_of_response!r}"


@attrs.define(eq=False)
class UnusableAnswerError(ResponseParseError):
    """A model's answer is kept and holds no text that may be used; only force asks for another."""


@attrs.define(eq=False)
class CatalogError(DaydreamingError, ValueError):
    """Catalogs or a cohort's specification are wrong. Lists every problem that was found."""

    location: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        return f"{len(self.problems)} problem(s) in {self.location}:{lines}"


@attrs.define(eq=False)
class CohortNotPlannedError(DaydreamingError, LookupError):
    """A cohort that was not planned yet has no generations."""

    cohort_id: str

    def __str__(self) -> str:
        return f"cohort {self.cohort_id!r} is not planned yet"


@attrs.define(eq=False)
class CohortBusyError(DaydreamingError, BlockingIOError):
    """Another process runs the cohort; a second would only wait for the first."""

    cohort_id: str

    def __str__(self) -> str:
        return f"another process runs the cohort {self.cohort_id!r}; wait until it ends"


@attrs.define(eq=False)
class PlanConflictError(DaydreamingError, ValueError):
    """A planned generation exists with metadata that its gen_id does not stand for."""

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
    """A generation's stored answer was given to another question than would be asked today."""

    stage: str
    gen_id: str
    reason: str

    def __str__(self) -> str:
        return f"the stored answer is stale: {self.reason}"
