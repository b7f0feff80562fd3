"""Parts of an HTML file that needs no other file and may run no script but its own."""

import base64
import hashlib
import json
from importlib import resources
from typing import Final

from daydreaming_dagster.types import JsonValue

_JSON_IN_HTML: Final = {
    ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"
}


def json_for_html(document: JsonValue) -> str:
    """Return a document as JSON that cannot close the script element around it."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).translate(_JSON_IN_HTML)


def content_security_policy(style: str, script: str, *, connects: bool = False) -> str:
    """Return the policy of a page with this style and this script, and nothing else.

    If it `connects`, the script may ask the server that the page comes from.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            *(["connect-src 'self'"] if connects else ()),
        )
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def package_file(name: str) -> str:
    """Return the text of a file beside this module."""
    # A browser hashes text with line feeds, whatever line endings the checkout has.
    return (resources.files("daydreaming_dagster.report") / name).read_text("utf-8")
