"""The report of a cohort while a run goes on."""

from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Lock

import attrs

from daydreaming_dagster.application.cohort_report import draw_report
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.progress import say_progress
from daydreaming_dagster.domain.cohort.staleness import look_at_cohort
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates


@attrs.define
class WatchedCohort:
    """A cohort whose report is drawn again when something has changed. Writes nothing.

    Attributes:
        without: The judges that are left out.
    """

    store: GensStoreWithTemplates
    cohorts: CohortStore
    cohort_id: str
    without: Sequence[str] = ()
    _version: int = attrs.field(default=0, init=False)
    _index: CohortIndex = attrs.field(factory=CohortIndex, init=False, repr=False)
    _known: dict[str, str] = attrs.field(factory=dict, init=False, repr=False)
    _seen: object = attrs.field(default=None, init=False, repr=False)
    _drawn: tuple[int, str] = attrs.field(default=(0, ""), init=False, repr=False)
    _lock: Lock = attrs.field(factory=Lock, init=False, repr=False)

    def progress(self) -> tuple[int, str]:
        """Return a number that rises with each change, and how far the cohort is.

        Reads only what has changed since the last time.

        Raises:
            DaydreamingError: The cohort is not planned, or its data cannot be read.
        """
        with self._lock:
            return self._progress()

    def page(self) -> str:
        """Return the report of what is there now, as a page that asks for the progress.

        Raises:
            DaydreamingError: See `draw_report`.
        """
        with self._lock:
            version, _ = self._progress()
            if self._drawn[0] != version:
                now = datetime.now(UTC)
                drawn = draw_report(
                    self.store, self.cohorts, self.cohort_id, now, self.without, version=version
                )
                self._drawn = version, drawn.page
            return self._drawn[1]

    def _progress(self) -> tuple[int, str]:
        members = self.cohorts.read_membership(self.cohort_id)
        catalog = self.cohorts.read_catalog()
        looked = look_at_cohort(self.store, catalog, members, self._index)
        self._index = looked.index
        known = dict(self._known)
        self._known |= {
            f"{stage}/{row.gen_id}": row.version
            for stage in looked.stages
            for row in looked.index.rows(stage)
        }
        # The index learns late of an answer: only one in the place of a known one is a change.
        replaced = any(self._known[name] != version for name, version in known.items())
        seen = looked.stages, looked.stale
        if replaced or seen != self._seen:
            self._version += 1
        self._seen = seen
        return self._version, say_progress(looked.stages.values())
