"""The port for reading and writing generations.

Every store implements `GensStore`. `Templates`, `Versions`, `Claims` and `Capacity` are additional
abilities that a store may have. Code that works without the last three uses `versions_of`,
`claim_generation`, `most_in_flight` and `check_space`, which accept any store.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, Protocol, Self, TypeVar, get_args, runtime_checkable

from daydreaming_dagster.types import JsonObject, JsonValue, Stage

Artifact = Literal["prompt", "raw", "parsed", "main_metadata", "raw_metadata", "parsed_metadata"]

ARTIFACTS: Final[tuple[Artifact, ...]] = get_args(Artifact)

READ_TOGETHER: Final = 500
"""How many generations `read_ahead` reads together, which bounds the memory that they take."""


class GensStore(Protocol):
    """Keeps generations: for each stage and gen_id, three texts and a JSON document for each text.

    Every adapter guarantees the following, and `daydreaming_dagster.testing` checks it:

    Ids
        A gen_id or template_id consists of 1 to 128 of `A-Z a-z 0-9 _ -`, begins with a letter or
        digit and is not a Windows device name. A stage consists of 1 to 40 of `a-z 0-9 _`, begins
        with a letter and is not a device name either. Every method, including reads, refuses other
        ids and stages with `InvalidIdError` before any I/O. Two ids never share storage: on a file
        system that ignores case, an id that differs only in case is refused with `UnsafePathError`.

    Texts
        `read_*` returns exactly what was given to `write_*`. Neither newlines nor a byte order mark
        are normalised. Texts are stored as UTF-8. A text with a lone surrogate cannot be encoded.
        It is refused with `UnstorableError`, and so is anything that is not a str.

    Documents
        A document is any JSON object. Values that JSON would change (NaN, infinities, keys that are
        not strings, tuples and other objects) are refused with `UnstorableError`. A store never
        shares a document with its caller: changing it afterwards does not change what is stored.

    Writing
        Each `write_*` replaces one artifact in one step, and creates the generation if it does not
        exist. Whatever happens meanwhile, including an error or the end of the process, a reader
        finds the whole old artifact or the whole new one. If the input is refused, the old artifact
        stays as it was.

    Order
        There is no transaction over several artifacts. Write the document that vouches for a text
        first and the text last. Then a text whose document matches was written completely.

    Reading
        Reading never creates or changes anything. A missing artifact raises `MissingArtifactError`
        (a `FileNotFoundError`); an empty one reads as `""`. An artifact or template that is not
        UTF-8, or a document that is not a JSON object (`NaN` and numbers beyond a float are not
        JSON), raises `MalformedArtifactError` (a `ValueError`), which names the file. If the
        storage fails to return it, as with a failing disk, `UnreadableArtifactError` is raised,
        which is a `MalformedArtifactError`.

    Full or unreachable storage
        If the storage takes no writes at present, as a full disk, or cannot be reached, a call
        raises `StorageUnavailableError`, and the old artifact stays as it was. It is no
        `ArtifactError`, which callers may pass over: it would make what is there look missing.
    """

    def locate(self, stage: Stage, gen_id: str) -> str:
        """Return the path or URL of the generation, for display, whether or not it exists."""
        ...

    def exists(self, stage: Stage, gen_id: str) -> bool:
        """Return whether the generation exists. One that has any artifact does."""
        ...

    def list_generations(self, stage: Stage) -> Sequence[str]:
        """Return the gen_ids of the stage, sorted by code point."""
        ...

    def delete_generation(self, stage: Stage, gen_id: str) -> None:
        """Delete the generation with all its artifacts, if it exists.

        A store that needs several steps deletes the texts first, then their documents, and the main
        metadata last. If the process ends meanwhile, the rest is found and can be deleted.
        """
        ...

    def read_many(
        self, stage: Stage, gen_ids: Sequence[str], artifacts: Sequence[Artifact]
    ) -> Self:
        """Return a view of the store for reading these artifacts of these generations.

        A store with slow requests makes them now, many at once, and the view's `read_*` answer from
        memory, errors included. The view reads everything else when asked. If reading is fast, the
        view is the store itself. `read_many` of a view adds to what the view has.
        """
        ...

    def close(self) -> None:
        """Release connections, and the claims that are still held. The next call opens new ones."""
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


StoreT = TypeVar("StoreT", bound=GensStore)
"""A store, and its views."""


@runtime_checkable
class Templates(Protocol):
    """Keeps the templates of prompts. Ids are checked as in `GensStore`."""

    def read_template(self, stage: Stage, template_id: str) -> str:
        """Return the exact source of a template.

        Raises:
            MissingTemplateError: The stage has no template with that id.
            MalformedArtifactError: The template is not UTF-8.
        """
        ...


class GensStoreWithTemplates(GensStore, Templates, Protocol):
    """The store that planning, running and reporting a cohort needs."""


@runtime_checkable
class Versions(Protocol):
    """Tells which generations changed, so that unchanged ones are not read again."""

    def generation_versions(self, stage: Stage) -> Mapping[str, str]:
        """Return the version of each generation of the stage, by gen_id, in no order.

        The mapping may look up each version when it is asked for it. So a generation that is
        deleted meanwhile may be among its keys and have no version.

        Generations of equal versions have equal artifacts: whatever was read after the version was
        looked up is still current while the version is the same. A generation is left out while its
        next change might not change the version. A store that cannot tell leaves out all
        generations.
        """
        ...


class Claim(Protocol):
    """The exclusive right to make a generation."""

    def held(self) -> bool:
        """Return whether nobody else can have got the claim yet. Asked before storing an answer.

        A claim that is kept by a lease is lost if the process was stopped for longer than it.
        """
        ...

    def release(self) -> None:
        """Release the claim. Called once, from any thread. Does nothing if the claim was lost."""
        ...


@runtime_checkable
class Claims(Protocol):
    """Keeps several runs from calling a model for the same generation at the same time."""

    def claim(self, stage: Stage, gen_id: str) -> Claim | None:
        """Return the claim to the generation, or None while another run holds it. Never waits.

        A run claims a generation before it calls a model for it. A claim excludes only other
        claims: it does not create, change or lock the generation. It ends when it is released, or
        after its process ended for any reason: at once, or if the store keeps claims by a lease, at
        the latest two leases later. It excludes threads and processes alike, if they share the
        store.

        Raises:
            StorageUnavailableError: The storage fails, or cannot keep claims.
        """
        ...


@runtime_checkable
class Capacity(Protocol):
    """Tells, before an answer is paid for, whether it can be stored."""

    def most_in_flight(self) -> int:
        """Return how many generations a run in this process can have in flight at once.

        Raises:
            StorageUnavailableError: Not even one.
        """
        ...

    def check_space(self, answers: int) -> None:
        """Return if so many answers can be stored now, as far as the store can tell.

        Raises:
            StorageUnavailableError: They cannot.
        """
        ...


@runtime_checkable
class SlowRequests(Protocol):
    """Tells that each request waits for a network, so that many threads should make them."""

    def threads(self) -> int:
        """Return how many threads of a run should use the store at once."""
        ...


def threads_for(store: GensStore, of_disk: int) -> int:
    """Return how many threads of a run should use the store; `of_disk` if requests are fast."""
    return store.threads() if isinstance(store, SlowRequests) else of_disk


def versions_of(store: GensStore, stage: Stage) -> Mapping[str, str]:
    """Return the versions that the store knows.

    A store without `Versions` has none, so every generation is read.
    """
    return store.generation_versions(stage) if isinstance(store, Versions) else {}


def read_ahead(
    store: StoreT, stage: Stage, gen_ids: Sequence[str], artifacts: Sequence[Artifact]
) -> Iterator[tuple[str, StoreT]]:
    """Yield each gen_id with a view of the store that has read these artifacts of it."""
    for start in range(0, len(gen_ids), READ_TOGETHER):
        some = gen_ids[start : start + READ_TOGETHER]
        view = store.read_many(stage, some, artifacts)
        for gen_id in some:
            yield gen_id, view


def claim_generation(store: GensStore, stage: Stage, gen_id: str) -> Claim | None:
    """Return the claim to the generation, or None while another run holds it.

    A store without `Claims` grants every claim, so only one run at a time may use such a store. The
    lock of a cohort excludes a second run of the same cohort, but not a run of another cohort that
    shares generations with it.
    """
    return store.claim(stage, gen_id) if isinstance(store, Claims) else _FREE


def most_in_flight(store: GensStore, wanted: int) -> int:
    """Return how many of the wanted generations can be in flight at once.

    Raises:
        StorageUnavailableError: Not even one.
    """
    return min(wanted, store.most_in_flight()) if isinstance(store, Capacity) else wanted


def check_space(store: GensStore, answers: int) -> None:
    """Return if so many answers can be stored now, or if the store cannot tell.

    Raises:
        StorageUnavailableError: They cannot.
    """
    if isinstance(store, Capacity):
        store.check_space(answers)


class _FreeClaim:
    def held(self) -> bool:
        """Return True: nobody else is excluded, so nobody can take it."""
        return True

    def release(self) -> None:
        """Do nothing: nobody was excluded."""


_FREE: Claim = _FreeClaim()
