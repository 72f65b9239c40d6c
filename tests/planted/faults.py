"""The faults: in which file, which text becomes which other, and which tests of the short run must fail then."""

from __future__ import annotations

from typing import NamedTuple

INFRASTRUCTURE = "template/services/{{ service_name }}/src/infrastructure"
INBOX = "template/services/{{ service_name }}/src/inbox"


class Fault(NamedTuple):
    """One fault.

    Attributes:
        file: where it is, in the repository.
        old: a text that is there once.
        new: what it becomes.
        tests: arguments of pytest: files or tests, of which at least one must fail.
    """

    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def in_worker(module: str, old: str, new: str, *tests: str) -> Fault:
    """A fault of the runtime's core; tests are names in tests/runtime."""
    names = tuple(f"tests/runtime/test_{name}.py" for name in tests)
    return Fault(f"{INFRASTRUCTURE}/{module}.py", old, new, names)


def in_inbox(old: str, new: str, test: str) -> Fault:
    """A fault of the inbox; the test is a name in tests/runtime."""
    return Fault(f"{INBOX}/handler_inbox.py", old, new, (f"tests/runtime/test_{test}.py",))


def in_tool(module: str, old: str, new: str, *tests: str) -> Fault:
    """A fault of natsgen; tests are paths below tests/."""
    return Fault(f"src/natsgen/{module}.py", old, new, tuple(f"tests/{name}.py" for name in tests))


TEMPLATES = "hostile/test_templates"
TRANSACTION = "transaction/transaction"
DELIVERY = ("delivery", "outcomes", "attempts")

FAULTS = (
    # delivery
    in_worker("delivery", "await self.give_up(message, Reason.INVALID, error)", "pass", *DELIVERY),
    in_worker("delivery", "await one.all_published()", "pass", "publications"),
    in_inbox("subscription.ack_wait * 2 / 3", "subscription.ack_wait * 2", "inbox"),
    in_inbox("await message.nak(self._delivery.subscription.ack_wait / 3)", "await message.ack()", "claims"),
    in_inbox("await self._mark(list(notes))", "pass", "inbox"),
    in_inbox("await self._release(ahead)", "pass", "inbox"),
    in_inbox("await asyncio.sleep(self.lease / 6)", "await asyncio.sleep(3600)", "inbox"),
    in_worker("delivery", "task.uncancel()", "break", "claims"),
    # consumers
    in_worker("pull_consumer", "self.consumer = None  # provisioning", "pass  # provisioning", "edited_consumers"),
    # attempts
    in_worker("attempts", "if done >= most and latest != BESIDE:", "if done > most and latest != BESIDE:", *DELIVERY),
    in_worker("attempts", "Reason.CRASHED if latest == ALONE else Reason.EXHAUSTED", "Reason.EXHAUSTED", "suspects"),
    in_worker("attempts", "message.attempt = min(done, most - 1) + 1", "message.attempt = 1", *DELIVERY),
    # dead letters
    in_worker("dead_letters", "await message.term(reason.value)", "await message.nak()", *DELIVERY),
    in_worker("dead_letters", 'f"dlq.{self._nats.service}.{message.handler}"', 'f"dlq.{message.handler}"', *DELIVERY),
    in_worker("dead_letters", '"Dlq-Reason": reason.value', '"Dlq-Reason": "unknown"', *DELIVERY),
    in_worker("dead_letters", 'startswith(("nats-", "dlq-"))', 'startswith("dlq-")', "dead_letters"),
    in_worker("dead_letters", 'headers["Dlq-Payload"] = "original"', "pass", "large_payloads", "sizes"),
    # messages
    in_worker("message", "return int(tokens[4])", "return 1", *DELIVERY),
    in_worker("message", "int(delay * 1e9)", "int(delay * 1e6)", *DELIVERY, "acknowledging"),
    in_worker("message", 'TERM = b"+TERM"', 'TERM = b"+ACK"', *DELIVERY, "acknowledging"),
    in_worker("message", 'IN_PROGRESS = b"+WPI"', 'IN_PROGRESS = b"+ACK"', *DELIVERY, "acknowledging"),
    in_worker("message", 'return f"{self.handler}:{identity}"\n', 'return "same"\n', "dead_letters"),
    # Consul
    in_worker("consul_client", "while self._task.cancel()", "if self._task.cancel()", "consul_client"),
    # subscriptions
    in_worker("subscription", "self.maximum)", "self.initial)", "subscriptions", "handler_api", "outcomes"),
    in_worker("worker", "if other.name == subscription.handler or", "if False and", "task_queue"),
    in_worker("subscription", 'return self.durable or f"{service}-{self.handler}"', "return self.handler", "consumers"),
    # publishing
    in_worker("publishing", '"Causation-Id": incoming.causation_id', '"Causation-Id": ""', "publications", "envelopes"),
    in_worker("publishing", 'PASSED_ON = ("traceparent", ', "PASSED_ON = (", "publications", "handler_api"),
    in_worker("publishing", "return derived if self._derived[derived] == 1 else", "return derived or", "publications"),
    # writing to a workspace
    in_tool(TRANSACTION, "if os.path.lexists(workspace.path(path))", "if False", "unit/test_transaction"),
    in_tool(TRANSACTION, "write_journal(area, journal)", "pass", "unit/test_transaction"),
    in_tool(TRANSACTION, "_take_back_moves(area, journal)\n", "pass\n", "unit/test_transaction"),
    in_tool(TRANSACTION, "if target.is_symlink() or not", "if not", "unit/test_transaction"),
    # templates of others
    in_tool("rendering/template_rules", '_RUNS_CODE = ("_tasks", ', "_RUNS_CODE = (", TEMPLATES),
    in_tool("rendering/template_rules", '("expanduser", "expandvars", ', '("expanduser", ', TEMPLATES),
    in_tool("rendering/template_rules", "not target.is_relative_to(root)", "False", TEMPLATES),
    in_tool(
        "rendering/template_rules",
        "not places.is_plain(path) or not _is_allowed",
        "not _is_allowed",
        "hostile/test_templates",
    ),
    in_tool("rendering/addresses", "if has_secret(text):", "if False:", "unit/test_addresses"),
    # updates
    in_tool("files/merging", "if ours == base:", "if True:", "update/test_conflicts", "update/test_update"),
    in_tool("files/merging", "result.left_out.append(path)", "result.after[path] = theirs", "update/test_update"),
    in_tool("files/merging", "result.conflicts.append(Conflict(path, why))", "pass", "update/test_conflicts"),
    in_tool("files/merging", "if merged != ours:", "if False:", "update/test_update", "update/test_conflicts"),
    in_tool("files/merging", "if conflicts:", "if False:", "update/test_conflicts"),
    # the map and AsyncAPI
    in_tool(
        "contracts/topology",
        "naming.overlap(sender.subject, receiver.subject)",
        "sender.subject == receiver.subject",
        "unit/test_contracts",
    ),
    in_tool("contracts/changes", "(was, now) if is_sent else (now, was)", "was, now", "unit/test_contracts"),
    # messages and names
    in_tool("messages", "get_close_matches(name, known, n=1)", "[]", "unit/test_cli", "unit/test_questions"),
    in_tool("messages", '+ "...")', ")", "unit/test_naming", "unit/test_naming", "hostile/test_rules"),
)
