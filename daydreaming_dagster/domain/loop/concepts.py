"""Accepted texts as concepts of later rounds."""

import re
import textwrap
from typing import Final

from daydreaming_dagster.domain.catalog import ConceptEntry

_LONGEST_NAME: Final = 80

# Of Markdown: headings, quotes, list items and emphasis.
_MARKS: Final = re.compile(r"^[#>\-*+\s]+|[*_`#\s]+$")


def make_concept(text_id: str, level: str, text: str) -> ConceptEntry:
    """Return an accepted text as a concept: its id is the generation's, so it tells its origin.

    The name is the beginning of its first line that says anything. The text as a whole is its
    description at this level of detail.
    """
    lines = (_MARKS.sub("", line) for line in text.splitlines())
    first = next((line for line in lines if line), text_id)
    name = textwrap.shorten(first, _LONGEST_NAME, placeholder=" …")
    return ConceptEntry(text_id, name, {level: text.strip()}, accepted=True)
