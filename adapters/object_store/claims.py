"""Claims as objects that name a session, which a process renews as long as it lives.

A process has one session: an object that it rewrites several times a lease. A claim is an object
that names it, created on the condition that there is none. If a session does not change for most of
a lease, its process is dead or stopped, and its claims may be replaced. The time is measured by the
clock of whoever waits: no clock of another machine is compared. Releasing replaces the claim, too:
a deletion cannot be conditional everywhere, so that a repeated one could remove another's claim.

After M. Burrows, "The Chubby lock service for loosely-coupled distributed systems", OSDI 2006,
https://research.google/pubs/pub27897/ (sessions, leases).
"""

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import attrs

from adapters.object_store.bucket import Bucket
from daydreaming_dagster.ports.errors import ClaimsUnsupportedError, StorageUnavailableError

if TYPE_CHECKING:
    from obstore import UpdateVersion

LEASE_SECONDS: Final = 30.0
"""How long after the end of its process another one gets a claim, if it waits for it."""

# Shares of the lease. A session counts as dead well after its process stopped to rely on it, so
# that requests under way and clocks of different speed do no harm.
_RENEWED: Final = 0.2
_RELIED_ON: Final = 0.5
_DEAD: Final = 0.8

_FOLDER: Final = "claims"
_RELEASED: Final = b"released"


def boot_time() -> float:
    """Return the seconds of a clock that goes on while the machine sleeps, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@attrs.define(eq=False)
class BucketClaims:
    """Claims names in a bucket for this process. Any thread may use it."""

    bucket: Bucket
    lease_seconds: float = LEASE_SECONDS
    tokens: set[bytes] = attrs.field(factory=set, init=False, repr=False)
    """The claims that this process has or is asking for."""
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)
    _session: "_Session | None" = attrs.field(default=None, init=False, repr=False)
    # What was seen of the sessions of others, and since when.
    _seen: dict[str, tuple[bytes, float]] = attrs.field(factory=dict, init=False, repr=False)

    def claim(self, name: str) -> "BucketClaim | None":
        """Return the claim to a name, or None while another process or thread has it.

        Raises:
            ClaimsUnsupportedError: The server ignores conditions.
            StorageUnreachableError: A request failed.
        """
        claim = BucketClaim(self, f"{_FOLDER}/{name}", self._open_session())
        return claim if claim.take() else None

    def claim_from_dead(self, name: str) -> "BucketClaim | None":
        """Return the claim to a name, or None once its holder was seen to live.

        Waits up to a lease while nobody knows.

        Raises:
            StorageUnavailableError: See `claim`.
        """
        first: bytes | None = None
        while (claim := self.claim(name)) is None:
            found = self.bucket.find(f"{_FOLDER}/{name}")
            session = _session_of(b"" if found is None else found.data)
            if self._session is not None and session == self._session.name:
                return None
            present = self.bucket.read(f"{_FOLDER}/{session}")
            if first is not None and present is not None and present != first:
                return None
            first = present
            time.sleep(self.lease_seconds / 20)
        return claim

    def check_conditions(self) -> None:
        """Return if the server keeps to the conditions of writes. Asks it once.

        Raises:
            ClaimsUnsupportedError: It does not.
            StorageUnreachableError: A request failed.
        """
        self._open_session()

    def names(self, folder: str) -> list[str]:
        """Return the names below a folder that are claimed now or were once, sorted."""
        found = self.bucket.list(f"{_FOLDER}/{folder}")
        return sorted(meta["path"].removeprefix(f"{_FOLDER}/") for meta in found)

    def close(self) -> None:
        """End the session of this process, and with it the claims that it still has."""
        with self._lock:
            session, self._session = self._session, None
            self.tokens.clear()
        if session is not None:
            session.end()

    def _open_session(self) -> "_Session":
        with self._lock:
            if self._session is None:
                self._session = _Session.begin(self.bucket, self.lease_seconds)
            return self._session

    def is_free(self, data: bytes) -> bool:
        """Return whether the claim with these contents holds nobody out."""
        if data == _RELEASED:
            return True
        name = _session_of(data)
        if self._session is not None and name == self._session.name:
            # A request that failed may have been carried out after all.
            return data not in self.tokens
        present, now = self.bucket.read(f"{_FOLDER}/{name}"), boot_time()
        if present is None:
            return True
        before, since = self._seen.get(name, (b"", now))
        if present != before:
            self._seen[name] = present, now
            return False
        return now - since > _DEAD * self.lease_seconds


@attrs.define(eq=False)
class BucketClaim:
    """A claim to the object `place`, kept by a session."""

    _claims: BucketClaims
    _place: str
    _session: "_Session"
    _token: bytes = b""
    _tag: "UpdateVersion | None" = None
    _gaps: int = 0

    def take(self) -> bool:
        """Return whether the claim could be had."""
        if self._put(None):
            return True
        found = self._claims.bucket.find(self._place)
        return found is not None and self._claims.is_free(found.data) and self._put(found.tag)

    def held(self) -> bool:
        """Return whether nobody else can have it, after taking it again if that is not certain."""
        if self._token not in self._claims.tokens:
            return False
        if self._session.is_unbroken(since_gap=self._gaps):
            return True
        self._session.renew()
        before, tag = self._token, self._tag
        # Another token, so that whoever found the old one cannot replace the new one.
        if tag is not None and self._put(tag):
            self._claims.tokens.discard(before)
            return True
        return False

    def release(self) -> None:
        """Let others have the claim. Does nothing if another has it."""
        if self._token in self._claims.tokens and self._tag is not None:
            # If this fails, the next claim of this process finds it free, and others do later.
            with suppress(StorageUnavailableError):
                self._claims.bucket.replace(self._place, _RELEASED, self._tag)
        self._claims.tokens.discard(self._token)

    def _put(self, replaced: "UpdateVersion | None") -> bool:
        """Write the claim where there is none, or instead of one; return whether it is ours."""
        gaps = self._session.gaps
        bucket, token = self._claims.bucket, f"{self._session.name} {uuid4().hex}".encode()
        tokens = self._claims.tokens
        tokens.add(token)  # before the request, so that no other thread takes it for a failed one
        try:
            tag = (
                bucket.create(self._place, token)
                if replaced is None
                else bucket.replace(self._place, token, replaced)
            )
            if tag is None:  # unless the request was sent twice, and this is the second answer
                found = bucket.find(self._place)
                tag = found.tag if found is not None and found.data == token else None
        except BaseException:
            tokens.discard(token)
            raise
        if tag is None:
            tokens.discard(token)
            return False
        self._token, self._tag, self._gaps = token, tag, gaps
        return True


@attrs.define(eq=False)
class _Session:
    """The object that shows that this process lives, and the thread that rewrites it."""

    _bucket: Bucket
    _lease_seconds: float
    name: str = attrs.field(factory=lambda: f"sessions/{uuid4().hex}", init=False)
    _renewed: float = attrs.field(factory=boot_time, init=False)
    gaps: int = attrs.field(default=0, init=False)
    """How often it was not renewed for so long that claims may have been taken over."""
    _renewing: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _ended: threading.Event = attrs.field(factory=threading.Event, init=False)

    @classmethod
    def begin(cls, bucket: Bucket, lease_seconds: float) -> "_Session":
        """Return a new session, after trying whether the server keeps to conditions.

        Raises:
            ClaimsUnsupportedError: It does not.
        """
        session = cls(bucket, lease_seconds)
        place = f"{_FOLDER}/{session.name}"
        first = bucket.create(place, b"first")
        second = bucket.create(place, b"second")
        if first is None:  # the request was sent twice
            found = bucket.find(place)
            first = None if found is None else found.tag
        session.renew()
        for ignored, condition in (
            (second is not None, "If-None-Match"),
            (first is None or bucket.replace(place, b"third", first) is not None, "If-Match"),
        ):
            if ignored:
                session.end()
                raise ClaimsUnsupportedError(bucket.url, f"the server ignores {condition}")
        threading.Thread(target=session._keep, name="daydream-claims", daemon=True).start()
        return session

    def is_unbroken(self, since_gap: int) -> bool:
        """Return whether nobody can have taken it for dead since it had so many gaps."""
        recent = boot_time() - self._renewed < _RELIED_ON * self._lease_seconds
        return recent and self.gaps == since_gap

    def renew(self) -> None:
        """Rewrite the object."""
        with self._renewing:
            begun = boot_time()
            self._bucket.write(f"{_FOLDER}/{self.name}", uuid4().bytes)
            if boot_time() - self._renewed >= _RELIED_ON * self._lease_seconds:
                self.gaps += 1
            self._renewed = begun

    def end(self) -> None:
        """Delete the object, so that claims that were left are free at once.

        If the bucket cannot be reached, they are free when the lease has ended.
        """
        self._ended.set()
        with suppress(StorageUnavailableError):
            self._bucket.without_patience().delete([f"{_FOLDER}/{self.name}"])

    def _keep(self) -> None:
        while not self._ended.wait(_RENEWED * self._lease_seconds):
            with suppress(StorageUnavailableError):
                self.renew()


def _session_of(token: bytes) -> str:
    return token.decode(errors="replace").partition(" ")[0]
