"""Task queues: work to be done later, elsewhere, again and again, or in the order of its importance.

    @task("send_email", queue="emails", max_attempts=8, timeout=30)
    async def send_email(email: SendEmail) -> Receipt: ...

    ticket = await send_email.enqueue(SendEmail(to="ada@example.com"), priority="high", delay=60, result_ttl=3600)
    receipt = await ticket.result(timeout=90)

Another service knows it by name: `await enqueue("emails.send_email", {"to": "ada@example.com"})`.
"""

from src.infrastructure.errors import Reject, Retry
from src.infrastructure.handling.backoff import Backoff
from src.infrastructure.message import Message
from src.tasks.enqueueing import enqueue
from src.tasks.errors import InvalidTask, NoResult, QueueFull, ResultTimeout, TaskFailed, TaskTooSlow
from src.tasks.names import Priority
from src.tasks.results import Status
from src.tasks.schedules import Schedule, cron, every
from src.tasks.task import Task, task
from src.tasks.ticket import Ticket, ticket_for

__all__ = [
    "Backoff",
    "InvalidTask",
    "Message",
    "NoResult",
    "Priority",
    "QueueFull",
    "Reject",
    "ResultTimeout",
    "Retry",
    "Schedule",
    "Status",
    "Task",
    "TaskFailed",
    "TaskTooSlow",
    "Ticket",
    "cron",
    "enqueue",
    "every",
    "task",
    "ticket_for",
]
