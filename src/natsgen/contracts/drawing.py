"""Draws the map of a workspace as text, Mermaid, HTML and data."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable
from typing import Any

from natsgen.contracts.reading import End
from natsgen.contracts.topology import Flow, Map

NOBODY = "nobody here"
WIDTH = 80  # columns of the text
_STYLE = """
body { font: 15px system-ui, sans-serif; margin: 2rem; color-scheme: light dark }
table { border-collapse: collapse } th, td { text-align: left; vertical-align: top; padding: .4rem 1.2rem .4rem 0 }
tr { border-top: 1px solid #8886 } td:first-child { font-family: ui-monospace, monospace } em { color: #c0392b }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def as_text(found: Map) -> str:
    """Return the map for a terminal."""
    lines: list[str] = []
    for flow in found.flows:
        stream = next((end.stream for end in (*flow.receivers, *flow.senders) if end.stream), "")
        lines.append(flow.subject + (f"  (stream {stream})" if stream else ""))
        lines += [f"  from {text}" for text in _from(flow)]
        lines += [f"  to   {text}" for text in _to(flow)]
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
    flows = [(one.subject, "\n".join(_from(one)), "\n".join(_to(one))) for one in found.flows]
    findings = [(one.kind, one.text, "\n".join(one.places)) for one in found.findings]
    unread = [(text,) for text in found.unread]
    heading = f"Map of {html.escape(title)}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f"<title>{heading}</title><style>{_STYLE}</style><h1>{heading}</h1>",
            _table(("subject", "from", "to"), flows),
            *(["<h2>Findings</h2>", _table(("kind", "finding", "where"), findings)] if findings else []),
            *(["<h2>Not read</h2>", _table((), unread)] if unread else []),
        ]
    )


def as_data(found: Map) -> dict[str, Any]:
    """Return the map as a JSON document."""
    return {
        "services": list(found.services),
        "flows": [
            {"subject": one.subject, "senders": [*map(_data, one.senders)], "receivers": [*map(_data, one.receivers)]}
            for one in found.flows
        ],
        "findings": [vars(one) for one in found.findings],
        "unread": list(found.unread),
    }


def _data(end: End) -> dict[str, Any]:
    fields = ("service", "part", "kind", "subject", "stream", "durable", "place")
    return {name: getattr(end, name) or None for name in fields} | {"model": end.type.text if end.type else None}


def _from(flow: Flow) -> list[str]:
    schedule = ["a schedule"] if any(end.options.get("schedule") for end in flow.receivers) else []
    return [*(f"{end.who}, which {end.kind}" for end in flow.senders), *schedule] or [NOBODY]


def _to(flow: Flow) -> list[str]:
    wider = {end.subject: f" of {end.subject}" for end in flow.receivers if end.subject != flow.subject}
    return [f"{end.who}, {end.kind}{wider.get(end.subject, '')}" for end in flow.receivers] or [NOBODY]


def _wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _whos(ends: Iterable[End]) -> dict[str, None]:
    return dict.fromkeys(end.who for end in ends)


def _quoted(text: str) -> str:
    """Return a text for a label of Mermaid, in which everything unusual is an entity."""
    return "".join(letter if letter.isalnum() or letter in " .-_*" else f"#{ord(letter)};" for letter in text)


def _table(heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["<table><tr>" + "".join(f"<th>{head}" for head in heads)]
    for row in rows:
        cells = (html.escape(cell).replace("\n", "<br>").replace(NOBODY, f"<em>{NOBODY}</em>") for cell in row)
        lines.append("<tr>" + "".join(f"<td>{cell}" for cell in cells))
    return "\n".join([*lines, "</table>"])
