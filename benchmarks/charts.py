"""Bar charts as SVG, without anything but text."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

__all__ = ["bars"]

_LEFT, _WIDTH, _BAR, _GAP, _HEAD = 130, 760, 20, 8, 44


def bars(title: str, unit: str, values: Mapping[str, float], highlight: str) -> str:
    """Return a chart with a horizontal bar a value, in the order given.

    Args:
        title: What is shown.
        unit: Of the values.
        values: By name.
        highlight: The name whose bar stands out.
    """
    height = _HEAD + len(values) * (_BAR + _GAP) + 8
    longest = max(values.values(), default=1) or 1
    room = _WIDTH - _LEFT - 110
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="13" role="img" '
        f'aria-label="{escape(title)}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="26" font-size="15" font-weight="bold" fill="#1b1f24">{escape(title)} '
        f'<tspan font-weight="normal" fill="#57606a">({escape(unit)})</tspan></text>',
    ]
    for place, (name, value) in enumerate(values.items()):
        top = _HEAD + place * (_BAR + _GAP)
        color, weight = ("#0b6bcb", "bold") if name == highlight else ("#8c959f", "normal")
        width = max(1.0, room * value / longest)
        lines += [
            f'<text x="{_LEFT - 8}" y="{top + 15}" text-anchor="end" font-weight="{weight}" '
            f'fill="#1b1f24">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{color}"/>',
            f'<text x="{_LEFT + width + 6:.1f}" y="{top + 15}" fill="#1b1f24">'
            f"{_text(value)}</text>",
        ]
    return "\n".join([*lines, "</svg>\n"])


def _text(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
