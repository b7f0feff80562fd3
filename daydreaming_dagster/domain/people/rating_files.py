"""Which files beside a cohort's ratings are read, by their names."""

from typing import Final

SPREADSHEETS: Final = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers", ".tsv")
"""How the names of files end that a spreadsheet saves unless it is told to save CSV."""


def is_rating_file(name: str) -> bool:
    """Return whether a file beside a cohort's ratings is a key or meant to hold ratings.

    A name that begins with a dot is an interrupted write, or a spreadsheet's lock.
    """
    return name.lower().endswith((".csv", ".json", *SPREADSHEETS)) and not name.startswith(".")


def holds_ratings(name: str) -> bool:
    """Return whether a rating file of this name is meant to hold ratings, and no key."""
    return not name.lower().endswith(".json")
