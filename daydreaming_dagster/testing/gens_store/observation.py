"""What tests watch a store with."""
# ruff: noqa: S101  pytest asserts

import copy
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from daydreaming_dagster.errors import DaydreamingError


def outcome(attempt: Callable[[], object]) -> object:
    """Return what it returned, or the type and message of the error that it raised."""
    try:
        return attempt()
    except DaydreamingError as error:
        return type(error), str(error)


def check_pickles(error: BaseException) -> None:
    """Assert that the error survives pickling and copying with its type and message."""
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301  our own
        assert type(copied) is type(error)
        assert str(copied) == str(error)
        assert copied.args == error.args


@contextmanager
def threads_that_alternate() -> Iterator[None]:
    """Let threads take turns a thousand times more often, so that they meet in short steps too."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 1000)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def in_case(name: str) -> Iterator[None]:
    """Say in a failure which case of several it was."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"case: {name}")
        raise


# They take a path apart and ask the system nothing; since 3.12 pathlib calls them.
_PURE = frozenset({"fspath", "_path_splitroot_ex", "_path_normpath"})

_SYSTEM = frozenset({"posix", "nt", "io", "_io", "_socket", "_ssl", "_sqlite3"})


@contextmanager
def watched_io() -> Iterator[list[str]]:
    """Yield the names of the functions that this thread calls meanwhile and that may do I/O.

    These are the system's, and all that are compiled and not of the standard library: nobody sees
    from here what an extension does.
    """
    calls: list[str] = []

    def profile(_frame: FrameType, event: str, function: object) -> None:
        if event == "c_call":
            module = getattr(function, "__module__", None)
            module = module or type(getattr(function, "__self__", None)).__module__
            name = getattr(function, "__name__", str(function))
            package = (module or "").partition(".")[0]
            of_system = package in _SYSTEM and name not in _PURE
            if of_system or package not in {*sys.stdlib_module_names, *sys.builtin_module_names}:
                calls.append(f"{module}.{name}")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(before)
