"""How every picture looks, and how it gets onto the page: one figure, once as PNG, once as SVG inside HTML.

The SVG takes its colours from the page's custom properties (``var(--V)``), so that one drawing serves light
and dark. Colours are those of Okabe and Ito, which colour-blind people tell apart; the dark ones are lighter
shades of them. No meaning rests on colour alone: lines differ in dashes, spans in hatching, rows in name.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS: Final[dict[str, tuple[str, str]]] = {
    "paper": ("#fefefe", "#16191d"),
    "ink": ("#1b1d20", "#e6e8ea"),
    "muted": ("#63686e", "#a0a7ae"),
    "grid": ("#d9dce0", "#33393f"),
    "grid-fine": ("#eceef0", "#22272c"),
    "shade": ("#e3e5e8", "#2b3036"),
    "all": ("#1b1d21", "#e6e8eb"),
    "N": ("#56757f", "#9fbcc6"),
    "S": ("#0072b2", "#5fb4ea"),
    "V": ("#d55e00", "#ff9a4d"),
    "F": ("#009e73", "#3fd0a5"),
    "Q": ("#a8578a", "#e3a0c8"),
    "true": ("#0a7f5c", "#3fd0a6"),
    "false": ("#c23b22", "#ff8066"),
    "signal": ("#1b1d22", "#e6e8ec"),
    "restored": ("#0072b3", "#5fb4eb"),
    "error": ("#d55e01", "#ff9a4e"),
}
"""Role to colour on light and on dark ground. Each light colour occurs once: the SVG is recoloured by it."""

DASHES: Final[dict[str, Any]] = {
    "all": "-",
    "S": (0, (5, 1.5)),
    "V": (0, (1.2, 1.2)),
    "F": (0, (6, 1.5, 1.2, 1.5)),
    "Q": (0, (3, 3)),
}
"""The line of each class."""

PNG_DPI: Final = 150

_ROLE: Final = {light: role for role, (light, _) in COLOURS.items()}


def colour(role: str) -> str:
    """What matplotlib draws ``role`` with; a class that is not known is drawn as all of them together."""
    return COLOURS.get(role, COLOURS["all"])[0]


_STYLE: Final[Any] = {
    "figure.facecolor": colour("paper"),
    "savefig.facecolor": colour("paper"),
    "axes.facecolor": colour("paper"),
    "axes.edgecolor": colour("muted"),
    "axes.labelcolor": colour("ink"),
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "text.color": colour("ink"),
    "xtick.color": colour("muted"),
    "ytick.color": colour("muted"),
    "xtick.labelcolor": colour("ink"),
    "ytick.labelcolor": colour("ink"),
    "grid.color": colour("grid"),
    "grid.linewidth": 0.7,
    "hatch.linewidth": 0.8,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "legend.facecolor": colour("paper"),
    "legend.edgecolor": "none",
    "legend.framealpha": 0.8,
    "legend.fancybox": False,
    "legend.fontsize": 8.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "ecgmon",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the report.

    name      of the PNG, without suffix
    alt       what is to be seen, for those who do not see it
    caption   how to read it
    png, svg  the same drawing; ``svg`` is an element to stand inside HTML
    """

    name: str
    alt: str
    caption: str
    png: bytes
    svg: str

    @property
    def file(self) -> str:
        return f"{self.name}.png"

    def html(self, kind: str = "") -> str:
        """The picture with its caption; ``kind`` is a class of the style sheet."""
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return (
            f'<figure class="{kind}" data-png="{html.escape(self.file)}"><div class="pan">{self.svg}</div>'
            f"{caption}</figure>"
        )


def draw(
    name: str,
    size: tuple[float, float],
    margins: tuple[float, float, float, float],
    paint: Callable[[Figure], None],
    *,
    alt: str,
    caption: str = "",
) -> Picture:
    """Let ``paint`` fill a figure of ``size`` inches, with ``margins`` (left, bottom, right, top) around its
    axes, inches.

    Needs no display and leaves matplotlib's settings as they were; the same data give the same bytes.
    Margins are given and not found by a layout engine, which would draw each figure several times.
    """
    (width, height), (left, bottom, right, top) = size, margins
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        figure.subplots_adjust(
            left=left / width, bottom=bottom / height, right=1 - right / width, top=1 - top / height
        )
        paint(figure)
        png, svg = io.BytesIO(), io.StringIO()
        with warnings.catch_warnings():
            # A name in a script that the font lacks: boxes in the PNG, whole on the page, which has fonts.
            for message in ("Glyph ", "Matplotlib currently does not support "):
                warnings.filterwarnings("ignore", message, UserWarning)
            figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
            figure.savefig(svg, format="svg", metadata={"Date": None})
    return Picture(name, alt, caption, png.getvalue(), _inline(svg.getvalue(), name, alt))


def _inline(svg: str, name: str, alt: str) -> str:
    """matplotlib's SVG document as an element of a page: the page's colours and font, names of its own.

    Only what stands inside tags is rewritten: text is what recordings and leads are called. ``name`` has no
    underscore (see ``page``), and matplotlib's names no hyphen, so names of different pictures differ.
    """
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    view = re.search(r'viewBox="([^"]+)"', svg)
    prefix = re.sub(r"[^A-Za-z0-9-]", "_", name)

    def tag(found: re.Match[str]) -> str:
        text = re.sub(r'\bid="', f'id="{prefix}-', found[0])
        text = re.sub(r'xlink:href="#', f'href="#{prefix}-', text)
        text = re.sub(r"url\(#", f"url(#{prefix}-", text)
        text = re.sub(r"#[0-9a-f]{6}\b", _themed, text)
        text = re.sub(r'\b(?:d|x|y)="[^"]+"', _rounded, text)
        return text.replace("'DejaVu Sans'", "var(--font)")

    body = re.sub(r"<[^>]+>", tag, body)
    body = re.sub(r"\s*\n\s*", " ", body)
    box = view[1] if view else "0 0 1 1"
    return f'<svg viewBox="{box}" role="img" aria-label="{html.escape(alt)}">{body.strip()}'


def _themed(found: re.Match[str]) -> str:
    """A colour as the page's property of its role; one that has no role stays as it is."""
    role = _ROLE.get(found[0])
    return found[0] if role is None else f"var(--{role})"


def _rounded(found: re.Match[str]) -> str:
    """Coordinates to hundredths of a point, less than what can be seen: the page is half as large."""
    return re.sub(r"(\.\d\d)\d+", r"\1", found[0])


def properties() -> str:
    """The custom properties of the page: light ones, and dark ones where the reader prefers them."""
    light = "".join(f"--{role}:{pair[0]};" for role, pair in COLOURS.items())
    dark = "".join(f"--{role}:{pair[1]};" for role, pair in COLOURS.items())
    return (
        f":root{{color-scheme:light dark;--font:system-ui,sans-serif;{light}}}"
        f"@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
    )
