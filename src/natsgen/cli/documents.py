"""The JSON documents of `natsgen list` and `natsgen show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natsgen.parts.kinds import KINDS

if TYPE_CHECKING:
    from natsgen.parts.kind import FoundPart, PartFile
    from natsgen.services.describe import ServiceReport
    from natsgen.services.listing import Service


def of_service(service: Service) -> dict[str, Any]:
    """Return the document of a service in `list`."""
    return {
        "name": service.name,
        "kind": service.kind,
        "template_version": service.version,
        "error": service.error or None,
        **{
            question: [_part(service.name, file, part) for file, part in service.parts_of(kind)]
            for question, kind in KINDS.items()
        },
        "unreadable": [{"file": str(file.path), "error": file.error} for file in service.files if file.error],
    }


def of_report(found: ServiceReport, offered: str) -> dict[str, Any]:
    """Return the document of `show`; `offered` is the newest version of the template."""
    return {
        **of_service(found.service),
        "offered_version": offered,
        "is_outdated": found.is_outdated,
        "answers": dict(found.answers),
        "publishes": list(found.published),
        "settings": [{"name": s.name, "default": s.default, "meaning": s.meaning} for s in found.settings],
        "settings_error": found.settings_error or None,
        "changed": [{"path": str(c.path), "how": c.how, "yours": c.is_own} for c in found.changed],
    }


def _part(service: str, file: PartFile, part: FoundPart) -> dict[str, Any]:
    return {"name": part.name, **part.facts(service), "file": str(file.path), "line": part.line}
