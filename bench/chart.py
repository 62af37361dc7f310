"""The README's chart: chapters imported per second, by contender."""

from html import escape
from typing import Final

from bench.results import DOCS, Table

_WIDTH: Final = 720
_BAR: Final = 26
_GAP: Final = 14
_LEFT: Final = 190
_STYLE: Final = """
text { font: 14px system-ui, sans-serif; fill: #1f2328 } .ours { fill: #0a7a55 } .other { fill: #9aa4b0 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #2fbf8a } .other { fill: #6b7684 } }
"""


def draw(table: Table) -> None:
    """``table``: a row per contender, with its name and its rates, the median first."""
    rates = {row[0]: float(row[1].split()[0].replace(",", "")) for row in table.rows}
    scale = (_WIDTH - _LEFT - 80) / max(rates.values())
    height = _GAP + len(rates) * (_BAR + _GAP)
    described = "; ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>Chapters imported per second: {escape(described)}</title>",
        f"<style>{_STYLE}</style>",
    ]
    for n, (name, rate) in enumerate(rates.items()):
        top, width = _GAP + n * (_BAR + _GAP), max(rate * scale, 1)
        kind = "ours" if name.startswith("NovelSync") else "other"
        lines += [
            f'<text x="{_LEFT - 10}" y="{top + 18}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="3"/>',
            f'<text x="{_LEFT + width + 8:.1f}" y="{top + 18}">{rate:,.0f}</text>',
        ]
    (DOCS / "imports.svg").write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")
