"""The digest with which metadata vouches for a text."""

import hashlib


def sha256(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 form, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
