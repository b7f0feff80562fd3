"""Numbers and nouns in sentences."""

import re
from collections.abc import Sequence
from math import floor, log10


def plural(noun: str) -> str:
    """Return the plural of a noun, which may be the name of a stage: `essays`, `summaries`."""
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if re.search(r"(s|x|z|ch|sh)$", noun) else f"{noun}s"


def one(noun: str) -> str:
    """Return a noun with its article: `a draft`, `an essay`. Goes by the first letter."""
    return f"{'an' if noun[:1].lower() in set('aeiou') else 'a'} {noun}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 call`, `1,200 calls`."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def money(amount: float) -> str:
    """Return an amount with its cents, `1.20`; below a cent with its first two digits, `0.0016`."""
    decimals = 1 - floor(log10(amount)) if 0 < amount < 0.01 else 2  # noqa: PLR2004  a cent
    return f"{amount:.{decimals}f}"


def chance(probability: float) -> str:
    """Return an estimated probability such as `0.92`; one that rounds to 0 or 1 is not certain."""
    if probability < 0.005:  # noqa: PLR2004  rounds to 0
        return "below 0.01"
    return "above 0.99" if probability >= 0.995 else f"{probability:.2f}"  # noqa: PLR2004  to 1


def not_utf8(error: UnicodeDecodeError) -> str:
    """Return what is wrong with a person's file that is not UTF-8, and what to do."""
    byte = error.object[error.start]
    return f"not UTF-8 (byte {error.start:,} is 0x{byte:02x}); save it as UTF-8"


def other_separator(header: Sequence[str]) -> str:
    """Return `; separate cells by commas` for a header whose cells something else separates."""
    only = header[0] if len(header) == 1 else ""
    return "; separate cells by commas" if {";", "\t"} & {*only} else ""


def not_csv(error: Exception) -> str:
    """Return in words what the module csv says of a row that it cannot read."""
    # The rows after it, up to the end of the file, were taken for a part of its cell.
    said = str(error)
    return "a quotation mark is not closed" if "unexpected end of data" in said else said
