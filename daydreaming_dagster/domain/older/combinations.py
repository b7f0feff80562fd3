"""The combinations of concepts that an older data root names by a `combo_id`."""

from collections.abc import Mapping, Sequence

import attrs

from daydreaming_dagster.domain.catalog import COMBO_SEPARATOR


@attrs.frozen
class OlderCombination:
    """The concepts of a `combo_id`, in the order of its rows, and the levels that they name."""

    concept_ids: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def problem(self) -> str | None:
        """Why it cannot be carried over; None if it can."""
        if len(self.levels) > 1:
            return f"its concepts have several description levels: {', '.join(self.levels)}"
        if len(set(self.concept_ids)) < len(self.concept_ids):
            return "it names a concept twice"
        return None

    @property
    def value(self) -> str:
        """The combination as couplings write it."""
        return COMBO_SEPARATOR.join(self.concept_ids)


def find_combination(
    combinations: Mapping[str, OlderCombination], combo_id: str
) -> OlderCombination:
    """Return the combination that a `combo_id` names.

    Raises:
        LookupError: It is unknown, or cannot be carried over.
    """
    combination = combinations.get(combo_id)
    problem = "combo_mappings.csv lacks it" if combination is None else combination.problem
    if combination is None or problem is not None:
        raise LookupError(problem)
    return combination


def make_combinations(rows: Sequence[Mapping[str, str]]) -> dict[str, OlderCombination]:
    """Return the combinations by `combo_id`, from the rows of `combo_mappings.csv`."""
    combinations: dict[str, OlderCombination] = {}
    for row in rows:
        known = combinations.get(row["combo_id"], OlderCombination())
        combinations[row["combo_id"]] = OlderCombination(
            (*known.concept_ids, row["concept_id"]),
            tuple(dict.fromkeys((*known.levels, row["description_level"]))),
        )
    return combinations
