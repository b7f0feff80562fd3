"""A figure: its chart, drawn with Altair, its description, and the table that it is drawn from."""

import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

import altair as alt
import attrs
import vl_convert  # noqa: F401  Altair needs it, and would report its absence only when drawing

INK: Final = "#1d2127"
MARK: Final = "#3a86a8"
"""Has a contrast of 4 to 1 on a light and on a dark background."""
PALE, DEEP = "#dcebf0", "#0f4c61"
DARK_CELL: Final = 0.65
"""Above this mean a cell's number is white. The contrast is at least 4 to 1 on either side."""
WIDTH: Final = 440
_FONT: Final = "Helvetica, Arial, 'Liberation Sans', sans-serif"
_PADDING: Final = {"left": 16, "top": 4, "right": 12, "bottom": 4}
_WIDER: Final = 1.6
"""How many pixels a character of a reader's font may be wider than one of the font that measured
the labels."""
_LONG_LABEL: Final = 26

_RADIUS: Final = 16
"""More than the radius of the largest circle."""
_FIFTHS: Final = [0, 0.2, 0.4, 0.6, 0.8, 1]

SCORE_AXIS: Final = "score, as a share of its scale"

GAPS: Final = alt.Scale(paddingInner=0.05)

Cell = str | int | float | None


@attrs.frozen
class Figure:
    """A figure, with a description and the table that it is drawn from.

    Attributes:
        name: The name of its files, without extension.
        title: The title.
        alt: A description in one or two sentences.
        columns: The headings of the table.
        rows: The rows of the table; None is a missing value.
        chart: The chart. None if there is nothing to draw; then `alt` says why.
        label: The characters of the longest label beside the chart.
    """

    name: str
    title: str
    alt: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    chart: Any = attrs.field(default=None, repr=False, eq=False)
    label: int = 0

    @property
    def is_wide(self) -> bool:
        """Whether its labels leave no room for anything beside the chart."""
        return self.label > _LONG_LABEL

    def svg(self, ink: str = INK) -> str:
        """Return the figure as SVG without a background; `ink` is the colour of its text.

        With `currentColor`, the text takes the colour of the surrounding page.
        """
        target = io.StringIO()
        self._styled(ink).save(target, format="svg")
        return target.getvalue()

    def png(self, scale: float = 2) -> bytes:
        """Return the figure as PNG on white, at `scale` times the resolution of a screen."""
        target = io.BytesIO()
        self._styled(INK, background="white").save(target, format="png", scale_factor=scale)
        return target.getvalue()

    def _styled(self, ink: str, background: str = "transparent") -> Any:
        padding = {**_PADDING, "left": _PADDING["left"] + _WIDER * self.label}
        return (
            self.chart.configure(background=background, font=_FONT, aria=False, padding=padding)
            .configure_axis(
                labelColor=ink,
                titleColor=ink,
                titleFontWeight="normal",
                labelFontSize=12,
                titleFontSize=12,
                titlePadding=10,
                domain=False,
                ticks=False,
                labelPadding=8,
                labelLimit=0,
                gridColor=ink,
                gridOpacity=0.12,
            )
            .configure_header(labelColor=ink, labelFontSize=12, title=None)
            .configure_title(color=ink, fontSize=12, fontWeight="normal", anchor="start")
            .configure_view(stroke=None)
            .configure_text(fontSize=12)
            # Screen readers get Figure.alt; roles without names would only be noise.
            .configure_mark(aria=False)
        )


def share_axis(field: str, title: str = SCORE_AXIS) -> alt.X:
    """Return an axis for a share of a scale, 0 to 1."""
    return alt.X(
        f"{field}:Q",
        title=title,
        # The padding keeps circles at the ends apart from labels and edges.
        scale=alt.Scale(domain=[0, 1], padding=_RADIUS),
        axis=alt.Axis(format=".1f", values=_FIFTHS, labelFlush=False),
    )


def label_axis(field: str) -> alt.Y:
    """Return an axis whose labels have two lines; a third line of the value is not shown."""
    shown = "slice(split(datum.label, '\\n'), 0, 2)"
    return alt.Y(
        f"{field}:N", sort=None, title=None, axis=alt.Axis(labelExpr=shown, labelLineHeight=14)
    )


def records(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> alt.InlineData:
    """Return rows as a chart takes them."""
    return alt.InlineData(values=[dict(zip(columns, row, strict=True)) for row in rows])
