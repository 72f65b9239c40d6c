"""What `natsgen list --json` and `natsgen show --json` tell a script of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from natsgen.parts.action_discovery import ActionFile, FoundAction
    from natsgen.parts.discovery import FoundHandler, HandlerFile
    from natsgen.parts.pubsub_discovery import FoundPubSub, PubSubFile
    from natsgen.parts.route_discovery import FoundRoute, RouteFile
    from natsgen.parts.task_discovery import FoundTask, TaskFile
    from natsgen.services.describe import ServiceReport
    from natsgen.services.listing import Service


def of_service(service: Service) -> dict[str, Any]:
    """Return a service as `list` tells it."""
    return {
        "name": service.name,
        "kind": service.kind,
        "template_version": service.version,
        "error": service.error or None,
        "handlers": [_handler_document(service.name, file, one) for file in service.handlers for one in file.handlers],
        "actions": [_action_document(service.name, file, one) for file in service.actions for one in file.actions],
        "routes": [_route_document(file, one) for file in service.routes for one in file.routes],
        "publishers": [_pubsub_document(file, one) for file in service.publishers for one in file.parts],
        "subscribers": [_pubsub_document(file, one) for file in service.subscribers for one in file.parts],
        "tasks": [_task_document(service.name, file, one) for file in service.tasks for one in file.tasks],
        "unreadable": [{"file": str(file.path), "error": file.error} for file in service.files if file.error],
    }


def of_portrait(found: ServiceReport, offered: str) -> dict[str, Any]:
    """Return a service in full; `offered` is the template's version that it was compared with."""
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


def _handler_document(service: str, file: HandlerFile, handler: FoundHandler) -> dict[str, Any]:
    subject = handler.subject
    return {
        "name": handler.name,
        "subject": subject.text if subject else None,
        "subject_is_literal": bool(subject and subject.is_text),
        "durable": handler.durable_in(service),
        "batch": handler.batch,
        "options": {name: value.source for name, value in handler.options.items()},
        "file": str(file.path),
        "line": handler.line,
    }


def _action_document(service: str, file: ActionFile, action: FoundAction) -> dict[str, Any]:
    subject = action.subject_in(service)
    return {
        "name": action.name,
        "action": action.action.text if action.action else None,
        "subject": subject.text,
        "subject_is_literal": subject.is_text,
        "version": action.version.text,
        "queue": not action.is_for_all,
        "options": {name: value.source for name, value in action.options.items()},
        "file": str(file.path),
        "line": action.line,
    }


def _task_document(service: str, file: TaskFile, task: FoundTask) -> dict[str, Any]:
    return {
        "name": task.name,
        "task": task.task.text if task.task else None,
        "queue": task.queue.text,
        "subject": task.subject.text,
        "subject_is_literal": task.subject.is_text,
        "durable": task.durable_in(service),
        "recurs": task.recurs,
        "options": {name: value.source for name, value in task.options.items()},
        "file": str(file.path),
        "line": task.line,
    }


def _route_document(file: RouteFile, route: FoundRoute) -> dict[str, Any]:
    return {
        "name": route.name,
        "method": route.method.text if route.method else None,
        "path": route.path.text if route.path else None,
        "request_is_literal": route.request.is_text,
        "calls": [subject.text for subject in route.calls],
        "publishes": [subject.text for subject in route.publishes],
        "file": str(file.path),
        "line": route.line,
    }


def _pubsub_document(file: PubSubFile, part: FoundPubSub) -> dict[str, Any]:
    return {
        "name": part.name,
        "subject": part.subject.text if part.subject else None,
        "subject_is_literal": bool(part.subject and part.subject.is_text),
        "options": {name: value.source for name, value in part.options.items()},
        "file": str(file.path),
        "line": part.line,
    }
