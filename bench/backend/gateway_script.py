"""What shall go wrong with single messages between the unit and the gateway."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.protocols.mqttsn import (
    Connack,
    Connect,
    Message,
    Puback,
    Publish,
    Regack,
    Register,
    ReturnCode,
    Suback,
    Subscribe,
    describe,
)


class Rule:
    """What happens to the messages that it counts for, whichever way they go. Say one or more of::

        script.next(Puback).drop()
        script.next(Connack).delay(91)
        script.every(Publish).refuse(ReturnCode.CONGESTION)
        script.next(Puback).duplicate(after_s=2)

    ``hits`` are the messages it has met.
    """

    def __init__(self, kind: type[Message], times: int | None) -> None:
        self.kind = kind
        self.left = times
        self.hits: list[Message] = []
        self.dropped = False
        self.delay_s = 0.0
        self.copies_after_s: list[float] = []
        self.answers: Callable[[Message], Sequence[Message]] | None = None
        self.followers: Sequence[Message] = ()

    def drop(self) -> None:
        """As if it had been lost on the way."""
        self.dropped = True

    def delay(self, seconds: float) -> None:
        """It arrives, or leaves, so much later."""
        self.delay_s = seconds

    def duplicate(self, after_s: float = 0.0) -> None:
        """It arrives, or leaves, twice."""
        self.copies_after_s.append(after_s)

    def answer(self, *messages: Message) -> None:
        """For a message of the unit: it has no effect (a PUBLISH is no telegram), and these are the answers."""
        self.answers = lambda message: messages

    def refuse(self, code: ReturnCode | int) -> None:
        """For CONNECT, REGISTER, PUBLISH and SUBSCRIBE: it has no effect, and is answered with ``code``.

        Raises ValueError for other messages.
        """
        if self.kind not in (Connect, Register, Publish, Subscribe):
            raise ValueError(f"{self.kind.__name__.upper()} can't be refused, CONNECT, REGISTER, PUBLISH and SUBSCRIBE "
                             "can")
        self.answers = lambda message: [refusal(message, code)]

    def follow_with(self, *messages: Message) -> None:
        """For a message of the gateway: these leave right behind it."""
        self.followers = messages

    def __str__(self) -> str:
        done = [text for said, text in (
            (self.dropped, "dropped"), (self.delay_s, f"delayed by {self.delay_s:g} s"),
            (self.copies_after_s, "duplicated"), (self.answers, "answered by the script"),
            (self.followers, "followed by " + ", ".join(describe(one) for one in self.followers))) if said]
        return ", ".join(done) or "let pass"


class Script:
    """The rules in force. Of several for a message the oldest counts."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def next(self, kind: type[Message], times: int = 1) -> Rule:
        """A rule for the next so many messages of that type."""
        return self._new(Rule(kind, times))

    def every(self, kind: type[Message]) -> Rule:
        """A rule for all messages of that type (``Message``: of all types), until ``clear``."""
        return self._new(Rule(kind, None))

    def clear(self) -> None:
        """No more rules."""
        self._rules.clear()

    def take(self, message: Message) -> Rule | None:
        """The rule that counts for this message, used up by one."""
        rule = next((rule for rule in self._rules if isinstance(message, rule.kind)), None)
        if rule is None:
            return None
        rule.hits.append(message)
        if rule.left is not None:
            rule.left -= 1
            if rule.left == 0:
                self._rules.remove(rule)
        return rule

    def _new(self, rule: Rule) -> Rule:
        self._rules.append(rule)
        return rule


def refusal(message: Message, code: ReturnCode | int) -> Message:
    """The answer that refuses ``message`` with ``code``. Raises ValueError when there is none."""
    match message:
        case Connect():
            return Connack(code)
        case Register():
            return Regack(0, message.message_id, code)
        case Publish():
            return Puback(message.topic_id, message.message_id, code)
        case Subscribe():
            return Suback(message.flags, 0, message.message_id, code)
        case _:
            raise ValueError(f"{describe(message)} has no answer with a return code")
