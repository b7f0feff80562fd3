"""Which judges' words count: some can be left out of the results, and then all say so."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from daydreaming_dagster.domain.documents import suggestion
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.ranking import judgment_of
from daydreaming_dagster.domain.results.verdicts import Duel

_Row = TypeVar("_Row", Evaluation, Duel)


def judge_of(row: Evaluation | Duel) -> str:
    """Return the judge of an evaluation or a duel as `stage/template/model`."""
    return row.judge if isinstance(row, Duel) else judgment_of(row).judge


def judges_named(judges: Iterable[str], without: Sequence[str]) -> frozenset[str]:
    """Return those of the judges that are to be left out.

    `without` names each as `stage/template/model` or by a part of that: a template, a model, or
    `template/model`.

    Raises:
        CatalogError: A name is none of a judge, or no judge would be left.
    """
    known = sorted(set(judges))
    left_out: set[str] = set()
    for name in without:
        found = [judge for judge in known if f"/{name}/" in f"/{judge}/"]
        if not found:
            parts = {part for judge in known for part in (*judge.split("/"), judge)}
            problem = f"there is no judge {name!r}{suggestion(name, parts)}"
            raise CatalogError("the results", (f"{problem}; judges are {', '.join(known)}",))
        left_out.update(found)
    if left_out and len(left_out) == len(known):
        raise CatalogError("the results", ("no judge would be left; leave out fewer",))
    return frozenset(left_out)


def leave_out(rows: Iterable[_Row], left_out: frozenset[str]) -> list[_Row]:
    """Return the rows without those of the judges that are left out."""
    return [row for row in rows if judge_of(row) not in left_out]
