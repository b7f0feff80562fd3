"""The base of every error that this package raises on purpose."""


class DaydreamingError(Exception):
    """Something is wrong with the input, the data or the outside world; the message says what.

    Concrete errors also subclass the builtin that a caller would expect, carry their details as
    attributes, and survive pickling, because Dagster sends errors between processes.
    """
