"""Base classes for stores that keep bytes: they check ids, and encode and decode text and JSON."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final, Never, Self

from daydreaming_dagster.formatting import not_utf8
from daydreaming_dagster.ports.errors import (
    MalformedArtifactError,
    MissingArtifactError,
    MissingTemplateError,
    UnstorableError,
)
from daydreaming_dagster.ports.gens_store import Artifact, Claim
from daydreaming_dagster.ports.ids import check_id, check_stage
from daydreaming_dagster.types import JsonObject, JsonValue, Stage


class EncodedArtifacts(ABC):
    """A `GensStore` based on a few hooks that store and load bytes.

    An adapter implements the hooks. They get checked ids and complete bytes, so all adapters behave
    alike in everything except storage.
    """

    __slots__ = ()

    @abstractmethod
    def _exists(self, stage: Stage, gen_id: str) -> bool:
        """Return whether the generation exists."""

    @abstractmethod
    def _list(self, stage: Stage) -> list[str]:
        """Return the gen_ids of the stage in any order."""

    @abstractmethod
    def _delete(self, stage: Stage, gen_id: str) -> None:
        """Delete the generation, if it exists, in the order that the port prescribes."""

    @abstractmethod
    def _store(self, stage: Stage, gen_id: str, artifact: Artifact, data: bytes) -> None:
        """Replace the artifact in one step. Creates the generation if it does not exist."""

    @abstractmethod
    def _load(self, stage: Stage, gen_id: str, artifact: Artifact) -> bytes | None:
        """Return the artifact, or None if it is missing."""

    @abstractmethod
    def _location(self, stage: Stage, gen_id: str, artifact: Artifact | None = None) -> str:
        """Return the location of a generation or artifact, whether or not it exists."""

    def locate(self, stage: Stage, gen_id: str) -> str:
        return self._location(check_stage(stage), check_id("gen_id", gen_id))

    def exists(self, stage: Stage, gen_id: str) -> bool:
        return self._exists(check_stage(stage), check_id("gen_id", gen_id))

    def list_generations(self, stage: Stage) -> list[str]:
        return sorted(self._list(check_stage(stage)))

    def delete_generation(self, stage: Stage, gen_id: str) -> None:
        self._delete(check_stage(stage), check_id("gen_id", gen_id))

    def read_many(
        self, stage: Stage, gen_ids: Sequence[str], artifacts: Sequence[Artifact]
    ) -> Self:
        stage = check_stage(stage)
        return self._ahead(stage, [check_id("gen_id", gen_id) for gen_id in gen_ids], artifacts)

    def _ahead(
        self,
        stage: Stage,  # noqa: ARG002  subclasses with slow requests use them
        gen_ids: Sequence[str],  # noqa: ARG002
        artifacts: Sequence[Artifact],  # noqa: ARG002
    ) -> Self:
        """Return a view that has read these artifacts; the store itself where reading is fast."""
        return self

    def close(self) -> None:  # noqa: B027  most have nothing to release
        """Do nothing: a store that has something to release says so."""

    def write_prompt(self, stage: Stage, gen_id: str, text: str) -> None:
        self._write_text(stage, gen_id, "prompt", text)

    def write_raw(self, stage: Stage, gen_id: str, text: str) -> None:
        self._write_text(stage, gen_id, "raw", text)

    def write_parsed(self, stage: Stage, gen_id: str, text: str) -> None:
        self._write_text(stage, gen_id, "parsed", text)

    def write_main_metadata(
        self, stage: Stage, gen_id: str, metadata: Mapping[str, JsonValue]
    ) -> None:
        self._write_document(stage, gen_id, "main_metadata", metadata)

    def write_raw_metadata(
        self, stage: Stage, gen_id: str, metadata: Mapping[str, JsonValue]
    ) -> None:
        self._write_document(stage, gen_id, "raw_metadata", metadata)

    def write_parsed_metadata(
        self, stage: Stage, gen_id: str, metadata: Mapping[str, JsonValue]
    ) -> None:
        self._write_document(stage, gen_id, "parsed_metadata", metadata)

    def read_prompt(self, stage: Stage, gen_id: str) -> str:
        return self._read_text(stage, gen_id, "prompt")

    def read_raw(self, stage: Stage, gen_id: str) -> str:
        return self._read_text(stage, gen_id, "raw")

    def read_parsed(self, stage: Stage, gen_id: str) -> str:
        return self._read_text(stage, gen_id, "parsed")

    def read_main_metadata(self, stage: Stage, gen_id: str) -> JsonObject:
        return self._read_document(stage, gen_id, "main_metadata")

    def read_raw_metadata(self, stage: Stage, gen_id: str) -> JsonObject:
        return self._read_document(stage, gen_id, "raw_metadata")

    def read_parsed_metadata(self, stage: Stage, gen_id: str) -> JsonObject:
        return self._read_document(stage, gen_id, "parsed_metadata")

    def _write_text(self, stage: Stage, gen_id: str, artifact: Artifact, text: str) -> None:
        stage, gen_id = check_stage(stage), check_id("gen_id", gen_id)
        if not isinstance(text, str):
            reason = f"expected a str, got {type(text).__name__}"
            raise UnstorableError(stage, gen_id, artifact, reason)
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            reason = f"a lone surrogate at character {error.start} has no UTF-8 form; replace it"
            raise UnstorableError(stage, gen_id, artifact, reason) from error
        self._store(stage, gen_id, artifact, data)

    def _write_document(
        self, stage: Stage, gen_id: str, artifact: Artifact, document: Mapping[str, JsonValue]
    ) -> None:
        stage, gen_id = check_stage(stage), check_id("gen_id", gen_id)
        try:
            data = _encoded(document)
        except (TypeError, ValueError, RecursionError) as error:
            raise UnstorableError(stage, gen_id, artifact, f"not JSON: {error}") from error
        self._store(stage, gen_id, artifact, data)

    def _read_text(self, stage: Stage, gen_id: str, artifact: Artifact) -> str:
        stage, gen_id = check_stage(stage), check_id("gen_id", gen_id)
        data = self._load(stage, gen_id, artifact)
        if data is None:
            location = self._location(stage, gen_id, artifact)
            raise MissingArtifactError(stage, gen_id, artifact, location)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            location = self._location(stage, gen_id, artifact)
            raise MalformedArtifactError(artifact, location, f"not UTF-8: {error}") from error

    def _read_document(self, stage: Stage, gen_id: str, artifact: Artifact) -> JsonObject:
        text = self._read_text(stage, gen_id, artifact)
        try:
            document = _DECODER.decode(text)
        except (ValueError, RecursionError) as error:
            location = self._location(stage, gen_id, artifact)
            raise MalformedArtifactError(artifact, location, f"not JSON: {error}") from error
        if not isinstance(document, dict):
            location = self._location(stage, gen_id, artifact)
            reason = f"expected a JSON object, found {type(document).__name__}"
            raise MalformedArtifactError(artifact, location, reason)
        return document


class EncodedTemplates(ABC):
    """`Templates` based on a hook that loads bytes, like `EncodedArtifacts`."""

    __slots__ = ()

    @abstractmethod
    def _load_template(self, stage: Stage, template_id: str) -> bytes | None:
        """Return the template, or None if it is missing."""

    @abstractmethod
    def _template_location(self, stage: Stage, template_id: str) -> str:
        """Return the location of a template, whether or not it exists."""

    def read_template(self, stage: Stage, template_id: str) -> str:
        stage, template_id = check_stage(stage), check_id("template_id", template_id)
        data = self._load_template(stage, template_id)
        if data is None:
            location = self._template_location(stage, template_id)
            raise MissingTemplateError(stage, template_id, location)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            location = self._template_location(stage, template_id)
            raise MalformedArtifactError("template", location, not_utf8(error)) from error


class EncodedGensStore(EncodedArtifacts, EncodedTemplates):
    """A `GensStore` with `Templates`, `Claims` and, if `_versions` is implemented, `Versions`."""

    __slots__ = ()

    @abstractmethod
    def _claim(self, stage: Stage, gen_id: str) -> Claim | None:
        """Return the claim to the generation, or None if another run holds it. Does not wait."""

    def _versions(self, stage: Stage) -> Mapping[str, str]:  # noqa: ARG002  subclasses use it
        """Return the versions of the stage's generations, without those that are unknown."""
        return {}

    def claim(self, stage: Stage, gen_id: str) -> Claim | None:
        return self._claim(check_stage(stage), check_id("gen_id", gen_id))

    def generation_versions(self, stage: Stage) -> Mapping[str, str]:
        return self._versions(check_stage(stage))


def _encoded(document: object) -> bytes:
    if not isinstance(document, Mapping):
        raise TypeError(f"expected an object, got {type(document).__name__}")
    plain = dict(document)
    if not (_KEYS.issuperset(map(type, plain)) and _FLAT.issuperset(map(type, plain.values()))):
        _check_json(plain, "$")
    try:
        text = _indented(plain)
    except ValueError:
        text = _encode_nested(plain)  # its error names the number that JSON does not have
    return f"{text}\n".encode()


def _indented(document: JsonObject) -> str:
    """Return the document as `_encode_nested` does, in a fraction of the time.

    What is flat in it is encoded at once, with a null for each of the others.
    """
    if not document:
        return "{}"
    others = {key: value for key, value in document.items() if type(value) not in _FLAT}
    # JSON escapes line breaks in strings, so that each value has a line of its own.
    lines = _encode_flat({**document, **dict.fromkeys(others)})[1:-1].split(_NEXT_LINE)
    for place, key in enumerate(document):
        if key in others:
            value = others[key]
            text = _indented(value) if isinstance(value, dict) else _encode_nested(value)
            lines[place] = lines[place].removesuffix("null") + text.replace("\n", "\n  ")
    return f"{{\n  {_NEXT_LINE.join(lines)}\n}}"


def _check_json(value: Mapping[object, object] | list[object], where: str) -> None:
    """Refuse values that JSON would change or cannot represent. The encoders check numbers.

    Raises:
        TypeError: `value` contains such a value.
    """
    items = enumerate(value) if isinstance(value, list) else value.items()
    for key, item in items:
        if not isinstance(value, list) and not isinstance(key, str):
            raise TypeError(f"{where} has the key {key!r}, which is not a string")
        if isinstance(item, list | dict):
            _check_json(item, f"{where}[{key!r}]")
        elif item is not None and not isinstance(item, str | int | float):
            raise TypeError(f"{where}[{key!r}] is a {type(item).__name__}")


_encode_nested: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2).encode

# Most of a document is flat. This is checked in a tenth of the time and encoded in a third, with
# the same layout. (The encoder written in C does not support indentation.)
_KEYS: Final = frozenset({str})
_FLAT: Final = frozenset({str, int, float, bool, type(None)})
_NEXT_LINE: Final = ",\n  "
_encode_flat: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(_NEXT_LINE, ": ")
).encode


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON value")


def _finite(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise ValueError(f"{literal} is too large")
    return number


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
