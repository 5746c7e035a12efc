"""Plots as SVG text: lines and bars, readable on light and dark ground, with no script.

Colours are CSS variables of STYLE, which goes into the page or into the SVG file itself.
"""
import math
from html import escape

STYLE = """
.plot { --ink: #1f2430; --faint: #5c6575; --grid: #d9dde5;
        --s0: #1f6fd0; --s1: #c2570c; --s2: #1c8a54; --s3: #8447c7; --s4: #b0307c; --s5: #6b7280; }
@media (prefers-color-scheme: dark) {
.plot { --ink: #e7eaf0; --faint: #a3adbd; --grid: #3a4150;
        --s0: #6db0ff; --s1: #ffa057; --s2: #5fd39a; --s3: #c39bff; --s4: #ff8ac4; --s5: #aab2c0; } }
.plot text { font: 12px system-ui, sans-serif; fill: var(--faint); }
.plot .title { font-size: 15px; font-weight: 600; fill: var(--ink); }
.plot .value, .plot .label { fill: var(--ink); }
.plot .end { text-anchor: end; } .plot .middle { text-anchor: middle; }
.plot .grid { stroke: var(--grid); stroke-width: 1; }
.plot polyline { fill: none; stroke-width: 2; }
""" + "".join(f".plot .s{i} {{ stroke: var(--s{i}); fill: var(--s{i}); }} .plot text.s{i} {{ stroke: none; }}\n"
              for i in range(6))

WIDTH = 760


def number(v):
    """Three significant digits with a suffix, as the tables have them."""
    for limit, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if v >= limit * 0.9995:
            return f"{v / limit:.3g}{suffix}"
    return f"{v:.3g}"


def ns(v):
    for limit, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if v >= limit * 0.9995:
            return f"{v / limit:.3g} {unit}"
    return f"{v:.3g} ns"


def percent(v):
    """Two decimals, or as many as it takes to say that it is not nothing (control/units.h)."""
    tiny = 1e-12 < v * 100 < 0.005
    return f"{v * 100:.{1 - math.floor(math.log10(v * 100)) if tiny else 2}f} %"


def svg(height, title, parts, own_style=False):
    style = f"<style>{STYLE}</style>" if own_style else ""
    return (f'<svg class="plot" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-label="{escape(title)}">{style}'
            f'<text class="title" x="0" y="18">{escape(title)}</text>{"".join(parts)}</svg>')


def text(x, y, content, classes=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}">{escape(str(content))}</text>'


def rule(x1, y1, x2, y2):
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def bars(title, rows, show, own_style=False):
    """rows: (label, value, note, colour 0-5); lengths from zero."""
    left, right, top, step = 190, 190, 34, 26
    most = max(value for _, value, _, _ in rows) or 1
    parts = []
    for i, (label, value, note, colour) in enumerate(rows):
        y = top + i * step
        length = (WIDTH - left - right) * value / most
        parts.append(text(left - 10, y + 15, label, "label end"))
        parts.append(f'<rect class="s{colour}" x="{left}" y="{y + 2}" width="{max(length, 1):.1f}" height="{step - 8}" '
                     f'rx="2"/>')
        parts.append(text(left + length + 8, y + 15, show(value) + (f"  {note}" if note else ""), "value"))
    return svg(top + len(rows) * step + 6, title, parts, own_style)


def _ticks(low, high):
    return [10.0 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def lines(title, series, show_x, show_y, x_title, own_style=False, log_x=True):
    """series: (name, [(x, y)]) on a logarithmic y axis; the name stands at the line's end."""
    left, right, top, bottom, height = 70, 230, 40, 44, 360
    xs = sorted({x for _, points in series for x, _ in points})
    ys = _ticks(min(y for _, p in series for _, y in p), max(y for _, p in series for _, y in p))
    if len(ys) == 1:
        ys.append(ys[0] * 10)
    scale = math.log if log_x else float
    low_x, high_x = scale(xs[0]), scale(xs[-1])

    def px(x):
        share = (scale(x) - low_x) / (high_x - low_x) if high_x > low_x else 0.5
        return left + share * (WIDTH - left - right)

    def py(y):
        share = math.log(y / ys[0]) / math.log(ys[-1] / ys[0])
        return height - bottom - share * (height - top - bottom)

    parts = [rule(left, py(y), WIDTH - right, py(y)) + text(left - 8, py(y) + 4, show_y(y), "end") for y in ys]
    parts += [text(px(x), height - bottom + 18, show_x(x), "middle") for x in xs]
    parts.append(text((left + WIDTH - right) / 2, height - 6, x_title, "middle"))
    # Names at the ends keep a line's distance from each other.
    ends = sorted((py(points[-1][1]), i) for i, (_, points) in enumerate(series))
    at, last = {}, -100.0
    for y, i in ends:
        last = max(y, last + 15)
        at[i] = last
    for i, (name, points) in enumerate(series):
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in points)
        parts.append(f'<polyline class="s{i % 6}" style="fill: none" points="{path}"/>')
        parts += [f'<circle class="s{i % 6}" cx="{px(x):.1f}" cy="{py(y):.1f}" r="3"/>' for x, y in points]
        parts.append(text(px(points[-1][0]) + 10, at[i] + 4, f"{name}: {show_y(points[-1][1])}", f"s{i % 6}"))
    return svg(height, title, parts, own_style)
