"""Bar charts as SVG, readable on light and dark pages."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, LABELS, VALUES, BAR, GAP, TOP = 760, 270, 170, 20, 12, 64

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .quiet { fill: #57606a }
  .free { fill: #2f81f7 }
  .held { fill: #d1242f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .quiet { fill: #9198a1 }
  }
"""


@dataclass
class Bar:
    label: str
    value: float  # the whole bar
    held: float  # its last part, drawn in red
    text: str  # behind the bar


def chart(title: str, legend: tuple[str, str], bars: list[Bar]) -> str:
    """One bar a line, from the same zero; `legend` names the two colours."""
    scale = (WIDTH - LABELS - VALUES) / max(bar.value for bar in bars)
    height = TOP + len(bars) * (BAR + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="0" y="18">{escape(title)}</text>',
    ]
    for number, (name, text) in enumerate(zip(("free", "held"), legend)):
        x = LABELS + number * 200
        lines.append(f'<rect class="{name}" x="{x}" y="34" width="12" height="12"/>'
                     f'<text class="quiet" x="{x + 18}" y="45">{escape(text)}</text>')
    for number, bar in enumerate(bars):
        y = TOP + number * (BAR + GAP)
        whole, held = bar.value * scale, bar.held * scale
        lines += [
            f'<text x="{LABELS - 10}" y="{y + 15}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect class="free" x="{LABELS}" y="{y}" width="{whole - held:.1f}" height="{BAR}"/>',
            f'<rect class="held" x="{LABELS + whole - held:.1f}" y="{y}" width="{held:.1f}" height="{BAR}"/>',
            f'<text class="quiet" x="{LABELS + whole + 8:.1f}" y="{y + 15}">{escape(bar.text)}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def write_chart(path: Path, title: str, legend: tuple[str, str], bars: list[Bar]) -> None:
    path.write_text(chart(title, legend, bars), encoding="utf-8")
