"""Task queues: work to do later, elsewhere, repeatedly, or in the order of its priority.

    @task("send_email", queue="emails", max_attempts=8, timeout=30)
    async def send_email(email: SendEmail) -> Receipt: ...

    ticket = await send_email.enqueue(SendEmail(to="ada@example.com"), priority="high", delay=60, result_ttl=3600)
    receipt = await ticket.result(timeout=90)

Other services enqueue it by name: `await enqueue("emails.send_email", {"to": "ada@example.com"})`.
"""

from src.infrastructure.errors import Reject as Reject
from src.infrastructure.errors import Retry as Retry
from src.infrastructure.subscription import Backoff as Backoff
from src.infrastructure.subscription import Message as Message
from src.tasks.errors import InvalidTask as InvalidTask
from src.tasks.errors import NoResult as NoResult
from src.tasks.errors import QueueFull as QueueFull
from src.tasks.errors import ResultTimeout as ResultTimeout
from src.tasks.errors import TaskFailed as TaskFailed
from src.tasks.names import Priority as Priority
from src.tasks.results import Status as Status
from src.tasks.schedules import Schedule as Schedule
from src.tasks.schedules import cron as cron
from src.tasks.schedules import every as every
from src.tasks.task import Task as Task
from src.tasks.task import enqueue as enqueue
from src.tasks.task import task as task
from src.tasks.task import ticket_for as ticket_for
from src.tasks.ticket import Ticket as Ticket
