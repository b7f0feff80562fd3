"""The claim of a run to a generation, from before its call until its answer is stored."""

from types import TracebackType
from typing import Self

import attrs

from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.gens_store import Claim, GensStore, claim_generation


@attrs.define(eq=False)
class ClaimLostError(DaydreamingError):
    """Another run got the claim while this one was stopped for longer than a lease."""

    stage: str
    gen_id: str

    def __str__(self) -> str:
        return f"another run makes {self.stage}/{self.gen_id} now"


@attrs.define
class Claiming:
    """A claim that is taken when it is needed, taken again if it was lost, and released once.

    `was_lost` says that another run may have made the generation meanwhile. A mode that calls no
    model takes none.
    """

    store: GensStore
    ref: GenerationRef
    was_lost: bool = False
    _claim: Claim | None = None

    def take(self) -> bool:
        """Claim the generation; return whether this run has the claim now."""
        self._claim = claim_generation(self.store, *self.ref)
        return self._claim is not None

    def keep(self) -> bool:
        """Return whether the claim that was taken is held, after taking it again if it was lost."""
        if self._claim is None and not self.was_lost:  # none was needed
            return True
        if self._claim is not None and self._claim.held():
            return True
        self.was_lost = True
        return self.take()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.release()
