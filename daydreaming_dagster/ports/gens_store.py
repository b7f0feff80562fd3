"""The port through which everything reads and writes generations.

`GensStore` is what every store can do. `Templates`, `Versions` and `Claims` are abilities that a
store may have besides; whoever can do without the last two asks for them through `versions_of` and
`claim_generation`, which take any store.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Literal, Protocol, runtime_checkable

from daydreaming_dagster.types import JsonObject, JsonValue, Stage

Artifact = Literal["prompt", "raw", "parsed", "main_metadata", "raw_metadata", "parsed_metadata"]


class GensStore(Protocol):
    """Keeps generations: per stage and gen_id three texts and a JSON document beside each.

    What every adapter guarantees, and `daydreaming_dagster.testing` checks:

    Ids
        A gen_id or template_id is 1 to 128 of `A-Z a-z 0-9 _ -`, begins with a letter or
        digit and is no Windows device name. Every method, reads included, refuses any other
        id and any unknown stage with `InvalidIdError` before it does any I/O. No two ids
        share storage; where a file system ignores case, the id that came second is refused
        with `UnsafePathError`.

    Texts
        `read_*` returns what `write_*` was given, to the character: nothing is normalised,
        neither newlines nor a byte order mark. Stored as UTF-8. A text with a lone surrogate
        has no UTF-8 form and is refused with `UnstorableError`, as is what is no str.

    Documents
        Any JSON object. What JSON could not give back as it is (NaN, infinities, keys that
        are no strings, tuples and other objects) is refused with `UnstorableError`. A store
        never shares a document with its caller: changing one afterwards changes nothing stored.

    Writing
        Each `write_*` replaces one artifact in one step, and creates the generation where it
        is not there. Whatever happens meanwhile, an error or the end of the process included,
        a reader finds the whole old artifact or the whole new one. Input that is refused
        leaves the old artifact as it was.

    Order
        There is no transaction over several artifacts. Write the document that vouches for a
        text first and the text last: a text whose document fits was then written completely.

    Reading
        Never creates or changes anything. An artifact that is not there raises
        `MissingArtifactError` (a `FileNotFoundError`), an empty one reads as `""`. An artifact
        or template that is no UTF-8, or a document that is no JSON object (`NaN` and numbers
        beyond a float are no JSON), raises `MalformedArtifactError` (a `ValueError`), which
        names the file. One that the storage does not give, as with a failing disk, raises
        `UnreadableArtifactError`, which is a `MalformedArtifactError`.
    """

    def reserve_generation(self, stage: Stage, gen_id: str, *, create: bool = True) -> PurePath:
        """Return where the generation lives, for people to read; create it if `create`.

        Reserving a generation that exists changes nothing.
        """
        ...

    def exists(self, stage: Stage, gen_id: str) -> bool:
        """Return whether the generation is there, be it without any artifact."""
        ...

    def list_generations(self, stage: Stage) -> Sequence[str]:
        """Return the gen_ids of the stage, sorted by code point."""
        ...

    def delete_generation(self, stage: Stage, gen_id: str) -> None:
        """Delete the generation with all its artifacts, if it is there, in one step."""
        ...

    def write_prompt(self, stage: Stage, gen_id: str, text: str) -> None: ...

    def write_raw(self, stage: Stage, gen_id: str, text: str) -> None: ...

    def write_parsed(self, stage: Stage, gen_id: str, text: str) -> None: ...

    def write_main_metadata(
        self, stage: Stage, gen_id: str, metadata: Mapping[str, JsonValue]
    ) -> None: ...

    def write_raw_metadata(
        self, stage: Stage, gen_id: str, metadata: Mapping[str, JsonValue]
    ) -> None: ...

    def write_parsed_metadata(
        self, stage: Stage, gen_id: str, metadata: Mapping[str, JsonValue]
    ) -> None: ...

    def read_prompt(self, stage: Stage, gen_id: str) -> str: ...

    def read_raw(self, stage: Stage, gen_id: str) -> str: ...

    def read_parsed(self, stage: Stage, gen_id: str) -> str: ...

    def read_main_metadata(self, stage: Stage, gen_id: str) -> JsonObject: ...

    def read_raw_metadata(self, stage: Stage, gen_id: str) -> JsonObject: ...

    def read_parsed_metadata(self, stage: Stage, gen_id: str) -> JsonObject: ...


@runtime_checkable
class Templates(Protocol):
    """Has the templates that prompts are rendered from. Ids are checked as `GensStore` says."""

    def read_template(self, stage: Stage, template_id: str) -> str:
        """Return the source of a template, to the character.

        Raises:
            MissingTemplateError: The stage has no template of that id.
            MalformedArtifactError: The template is not UTF-8.
        """
        ...


class GensStoreWithTemplates(GensStore, Templates, Protocol):
    """What a cohort is planned, run and reported with."""


@runtime_checkable
class Versions(Protocol):
    """Tells which generations changed, so that what did not need not be read again."""

    def generation_versions(self, stage: Stage) -> Mapping[str, str]:
        """Return the version of each generation of the stage, by gen_id, in no order.

        While a generation keeps its version, no artifact of it was written or deleted: what was
        read after the version was looked up is still what is stored. A version that a write or a
        deletion ended never comes again, neither here nor in another store. A generation is left
        out while its next change could leave it with the version that it has now; a store that
        cannot tell leaves out all.
        """
        ...


class Claim(Protocol):
    """The right to make a generation, of which there is one at a time."""

    def release(self) -> None:
        """Give it back: once, in any thread."""
        ...


@runtime_checkable
class Claims(Protocol):
    """Keeps several runs from asking a model for the same generation at the same time."""

    def claim(self, stage: Stage, gen_id: str) -> Claim | None:
        """Return the right to make the generation, or None while another run has it; never wait.

        Whoever asks a model for it claims it first. Only claims are kept out by a claim: it
        creates, changes and locks no generation. It ends when it is released, or with the
        process that has it, however that ends. Threads and processes exclude each other alike,
        as far as they share the store.
        """
        ...


def versions_of(store: GensStore, stage: Stage) -> Mapping[str, str]:
    """Return the versions that the store knows; none if it has no `Versions`.

    Then every generation is read.
    """
    return store.generation_versions(stage) if isinstance(store, Versions) else {}


def claim_generation(store: GensStore, stage: Stage, gen_id: str) -> Claim | None:
    """Return the right to make the generation, or None while another run has it.

    A store without `Claims` gives it to everyone: only one run at a time may use such a store.
    The lock of a cohort keeps out a second run of the same cohort, not a run of another cohort
    that shares generations with it.
    """
    return store.claim(stage, gen_id) if isinstance(store, Claims) else _FREE


class _FreeClaim:
    def release(self) -> None:
        """Do nothing: nobody was kept out."""


_FREE: Claim = _FreeClaim()
