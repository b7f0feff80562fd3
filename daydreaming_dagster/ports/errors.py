"""Errors of the data layer. Each is also a subclass of the builtin that callers expect."""

import attrs

from daydreaming_dagster.errors import DaydreamingError


class DataLayerError(DaydreamingError):
    """Base of every error that a `GensStore` raises on purpose.

    An `ArtifactError` may be passed over, since the others may be fine. The rest concerns the whole
    store: to pass over it would take everything for missing.
    """


class ArtifactError(DataLayerError):
    """Base of the errors of one artifact, template or id."""


@attrs.define(eq=False)
class InvalidIdError(ArtifactError, ValueError):
    """An id or stage is invalid. Raised before any I/O."""

    kind: str
    shown_value: str
    reason: str

    def __str__(self) -> str:
        return f"invalid {self.kind} {self.shown_value}: {self.reason}"


@attrs.define(eq=False)
class MissingArtifactError(ArtifactError, FileNotFoundError):
    """A generation lacks the artifact, or does not exist."""

    stage: str
    gen_id: str
    artifact: str
    location: str

    def __str__(self) -> str:
        planned = self.artifact == "main_metadata"
        advice = "plan its cohort again" if planned else "run the step that writes it first"
        return f"{self.stage}/{self.gen_id} has no {self.artifact} ({self.location}); {advice}"


@attrs.define(eq=False)
class MissingTemplateError(ArtifactError, FileNotFoundError):
    """A stage has no template with that id."""

    stage: str
    template_id: str
    location: str

    def __str__(self) -> str:
        return (
            f"no {self.stage} template {self.template_id!r} ({self.location}); "
            f"add the file, or name another template"
        )


@attrs.define(eq=False)
class MalformedArtifactError(ArtifactError, ValueError):
    """A stored text, document or template is not valid."""

    artifact: str
    location: str
    reason: str

    def __str__(self) -> str:
        said = f"malformed {self.artifact} in {self.location}: {self.reason}"
        if self.artifact == "template":  # a person wrote it
            return said
        return f"{said}; repair the file, or delete it and run the step that writes it again"


@attrs.define(eq=False)
class UnreadableArtifactError(MalformedArtifactError):
    """The storage fails to return an artifact or template, as with a failing disk.

    It may be intact, so do not delete it.
    """

    def __str__(self) -> str:
        return (
            f"cannot read the {self.artifact} in {self.location}: {self.reason}; "
            f"check the storage, and run the command again"
        )


@attrs.define(eq=False)
class StorageUnavailableError(DataLayerError, OSError):
    """The storage takes no writes, or this process cannot open more files. Nothing was written.

    It concerns every generation, and may pass: the same write may succeed later.
    """

    location: str
    reason: str

    def __str__(self) -> str:
        return (
            f"nothing can be stored in {self.location}: {self.reason}; "
            f"check the storage, and run the command again"
        )


@attrs.define(eq=False)
class LocksUnsupportedError(StorageUnavailableError):
    """A file system has no locks, which keep two runs from paying for the same answer."""

    def __str__(self) -> str:
        return (
            f"cannot lock {self.location}: {self.reason}; use a local disk, or mount the file "
            f"system with support for flock"
        )


@attrs.define(eq=False)
class StorageUnreachableError(StorageUnavailableError):
    """A request to a storage on the network failed, after retries."""

    doing: str = "use"
    """What failed: to read, write, list, delete or, if it is not known, use the location."""

    def __str__(self) -> str:
        return (
            f"cannot {self.doing} {self.location}: {self.reason}; check the storage, the network "
            f"and the credentials, and run the command again"
        )


@attrs.define(eq=False)
class ClaimsUnsupportedError(StorageUnavailableError):
    """A storage ignores the conditions of writes, so two runs could pay for the same answer."""

    def __str__(self) -> str:
        return (
            f"cannot claim anything in {self.location}: {self.reason}; use a server that keeps to "
            f"If-None-Match and If-Match, as Amazon S3, Google Cloud Storage and Azure do"
        )


@attrs.define(eq=False)
class UnstorableError(ArtifactError, ValueError):
    """A text or document could not be read back unchanged. Nothing was written."""

    stage: str
    gen_id: str
    artifact: str
    reason: str

    def __str__(self) -> str:
        return f"cannot store the {self.artifact} of {self.stage}/{self.gen_id}: {self.reason}"


@attrs.define(eq=False)
class ReadOnlyStoreError(DataLayerError, PermissionError):
    """A read-only store was asked to write. Nothing was written."""

    operation: str
    stage: str
    gen_id: str

    def __str__(self) -> str:
        return (
            f"{self.operation} refused for {self.stage}/{self.gen_id}: this store is read-only; "
            f"open the data root with a writing adapter"
        )


@attrs.define(eq=False)
class UnsafePathError(ArtifactError, ValueError):
    """A path in the data root may lead to other data than its name says.

    Raised for a symbolic link below the data root, which may lead outside, for anything but a
    regular file, and, on a file system that ignores case, for an id that differs only in case.
    """

    location: str
    reason: str

    def __str__(self) -> str:
        return f"refused to use {self.location}: {self.reason}"


@attrs.define(eq=False)
class InvalidMetadataError(ArtifactError, ValueError):
    """The metadata of a generation is valid JSON with impossible contents."""

    stage: str
    gen_id: str
    reason: str

    def __str__(self) -> str:
        return f"{self.reason} for {self.stage}/{self.gen_id}"
