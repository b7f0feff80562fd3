"""Metadata that Dagster's pages show as tables."""

from collections.abc import Iterable, Sequence

import dagster as dg


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> dg.MarkdownMetadataValue:
    """Return a table with one line per row, whose cells are Markdown."""
    lines = (f"| {' | '.join(cells)} |" for cells in rows)
    return dg.MetadataValue.md(
        "\n".join((f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines))
    )
