"""Digests: those with which metadata vouches for a text, and those in ids."""

import base64
import hashlib


def sha256(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 form, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def as_id(digest: bytes) -> str:
    """Return the first 128 bits of a digest as ids have them: lower-case base32, not padded."""
    return base64.b32encode(digest[:16]).decode().rstrip("=").lower()
