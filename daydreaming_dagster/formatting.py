"""Numbers and nouns in sentences."""

import re
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
