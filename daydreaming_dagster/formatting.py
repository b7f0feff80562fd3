"""Numbers in sentences."""

from math import floor, log10


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 call`, `1,200 calls`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def money(amount: float) -> str:
    """Return an amount with its cents, `1.20`; below a cent with its first two digits, `0.0016`."""
    decimals = 1 - floor(log10(amount)) if 0 < amount < 0.01 else 2  # noqa: PLR2004  a cent
    return f"{amount:.{decimals}f}"
