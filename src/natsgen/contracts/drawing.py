"""Draws the map of a workspace as text, Mermaid, HTML and data."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from natsgen.contracts.reading import End
from natsgen.contracts.topology import Flow, Map

WIDTH = 80  # columns of the text
_ROW, _COLUMN, _MARGIN = 26, 340, 20  # pixels of the drawing
_STYLE = """
body { font: 14px system-ui, sans-serif; margin: 2rem; color-scheme: light dark }
svg { max-width: 100%; height: auto } text { font: 13px ui-monospace, monospace; fill: currentColor }
path { fill: none; stroke: #2f7ed8; stroke-width: 1.5 } .alone { fill: #c0392b }
table { border-collapse: collapse } td, th { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0 }
"""


def as_text(found: Map) -> str:
    """Return the map for a terminal."""
    lines: list[str] = []
    for flow in found.flows:
        stream = next((end.stream for end in (*flow.senders, *flow.receivers) if end.stream), "")
        lines.append(flow.subject + (f"  (stream {stream})" if stream else ""))
        lines += [f"  from {end.who}, which {end.kind}" for end in flow.senders] or ["  from nobody here"]
        lines += [f"  to   {_taker(end, flow)}" for end in flow.receivers] or ["  to   nobody here"]
    for title, texts in (
        ("Findings:", [f"{one.kind}: {one.text} ({', '.join(one.places)})" for one in found.findings]),
        ("Not read:", found.unread),
    ):
        if texts:
            lines += ["", title, *(line for text in texts for line in _wrapped(text))]
    return "\n".join(map(_printable, lines))


def as_mermaid(found: Map) -> str:
    """Return the map as a flowchart in Mermaid: parts by service, with the subjects between them."""
    ids: dict[str, str] = {}

    def node(text: str) -> str:
        return ids.setdefault(text, f"n{len(ids)}")

    ends = [end for flow in found.flows for end in (*flow.senders, *flow.receivers)]
    lines = ["flowchart LR"]
    for service in found.services:
        parts = dict.fromkeys(end.who for end in ends if end.service == service)
        shown = [f'    {node(who)}["{_quoted(who.removeprefix(f"{service}."))}"]' for who in parts]
        lines += [f'  subgraph {node(f"subgraph {service}")} ["{_quoted(service)}"]', *shown, "  end"] if shown else []
    for flow in found.flows:
        subject = node(f"subject {flow.subject}")
        lines.append(f'  {subject}(["{_quoted(flow.subject)}"])')
        lines += [f"  {node(who)} --> {subject}" for who in _whos(flow.senders)]
        lines += [f"  {subject} --> {node(who)}" for who in _whos(flow.receivers)]
    return "\n".join(lines)


def as_html(found: Map, title: str) -> str:
    """Return the map as a page that needs no other file."""
    rows = "".join(
        f"<tr><td>{html.escape(one.kind)}<td>{html.escape(one.text)}<td>{'<br>'.join(map(html.escape, one.places))}"
        for one in found.findings
    )
    unread = "".join(f"<li>{html.escape(text)}" for text in found.unread)
    return "".join(
        (
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" ',
            "content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>Map of {html.escape(title)}</title><style>{_STYLE}</style>",
            f"<h1>Map of {html.escape(title)}</h1>{_svg(found)}",
            f"<h2>Findings</h2><table><tr><th>kind<th>finding<th>where{rows}</table>" if rows else "",
            f"<h2>Not read</h2><ul>{unread}</ul>" if unread else "",
            "\n",
        )
    )


def as_data(found: Map) -> dict[str, Any]:
    """Return the map as a JSON document."""
    return {
        "services": list(found.services),
        "flows": [
            {
                "subject": flow.subject,
                "senders": [_end(end) for end in flow.senders],
                "receivers": [{**_end(end), "durable": end.durable or None} for end in flow.receivers],
            }
            for flow in found.flows
        ],
        "findings": [{"kind": one.kind, "text": one.text, "places": list(one.places)} for one in found.findings],
        "unread": list(found.unread),
    }


def _end(end: End) -> dict[str, Any]:
    return {
        "service": end.service,
        "part": end.part or None,
        "kind": end.kind,
        "subject": end.subject,
        "stream": end.stream or None,
        "model": end.type.text if end.type else None,
        "place": end.place,
    }


def _taker(end: End, flow: Flow) -> str:
    return f"{end.who}, {end.kind}" + (f" of {end.subject}" if end.subject != flow.subject else "")


def _wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _whos(ends: Iterable[End]) -> dict[str, None]:
    return dict.fromkeys(end.who for end in ends)


def _quoted(text: str) -> str:
    """Return a text for a label of Mermaid, in which everything unusual is an entity."""
    return "".join(letter if letter.isalnum() or letter in " .-_*" else f"#{ord(letter)};" for letter in text)


def _svg(found: Map) -> str:
    """Return a drawing with three columns: what sends, the subjects, what receives."""
    columns = (
        list(_whos(end for flow in found.flows for end in flow.senders)),
        [flow.subject for flow in found.flows],
        list(_whos(end for flow in found.flows for end in flow.receivers)),
    )
    height = 2 * _MARGIN + _ROW * max(map(len, columns), default=0)
    shapes = [*_lines(found, columns)]
    alone = {flow.subject for flow in found.flows if not (flow.senders and flow.receivers)}
    for number, names in enumerate(columns):
        for row, name in enumerate(names):
            kind = ' class="alone"' if number == 1 and name in alone else ""
            x, y = _MARGIN + number * _COLUMN, _MARGIN + row * _ROW + 4
            shapes.append(f'<text x="{x}" y="{y}"{kind}>{html.escape(name)}</text>')
    width = 3 * _COLUMN
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img">{"".join(shapes)}</svg>'


def _lines(found: Map, columns: tuple[list[str], ...]) -> Iterator[str]:
    for flow in found.flows:
        middle = columns[1].index(flow.subject)
        for side, ends in ((0, flow.senders), (1, flow.receivers)):
            for who in _whos(ends):
                other = columns[2 * side].index(who)
                rows = (other, middle) if side == 0 else (middle, other)
                start, end = (_MARGIN + row * _ROW for row in rows)
                left = side * _COLUMN + _COLUMN - 60
                middle_x = left + 35
                yield f'<path d="M{left} {start} C{middle_x} {start} {middle_x} {end} {left + 70} {end}"/>'
