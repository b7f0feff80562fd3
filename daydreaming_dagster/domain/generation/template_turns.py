"""The tags of templates that consist of turns: `{% system %}…{% endsystem %}` and the like.

Tags are read in the template's source alone, so that no value becomes a turn.
"""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Final

import attrs
import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from daydreaming_dagster.domain.generation.template_limits import LARGEST_CHARACTERS
from daydreaming_dagster.domain.generation.turns import ROLES
from daydreaming_dagster.ports.language_model import Message, Role

_SHOWN_CHARACTERS: Final = 40


@attrs.define
class RecordedTurns:
    """The turns of a template that is being rendered, and the line of the last one."""

    messages: list[Message] = attrs.field(factory=list)
    line: int = 0
    _is_open: bool = attrs.field(default=False, init=False)

    def add(self, role: Role, line: int, body: Callable[[], str]) -> None:
        """Add a turn.

        Raises:
            jinja2.TemplateRuntimeError: No model could be asked with it after the turns before.
        """
        if self._is_open:
            raise jinja2.TemplateRuntimeError(f"the turn of {role} begins inside another turn")
        self._is_open, self.line = True, line
        text = body().strip()
        self._is_open = False
        if not text:
            raise jinja2.TemplateRuntimeError(f"the turn of {role} is empty")
        if role not in (expected := self._expected()):
            reason = f"expected a turn of {' or '.join(expected)}, found one of {role}"
            raise jinja2.TemplateRuntimeError(reason)
        self.messages.append(Message(role, text))
        if sum(len(message.text) for message in self.messages) > LARGEST_CHARACTERS:
            raise jinja2.TemplateRuntimeError("the turns get too long")

    def _expected(self) -> tuple[Role, ...]:
        if not self.messages:
            return "system", "user"
        return ("assistant",) if self.messages[-1].role == "user" else ("user",)


_recorded: ContextVar[RecordedTurns] = ContextVar("recorded")


def record_turns() -> RecordedTurns:
    """Return where the template that this thread or task renders next puts its turns."""
    recorded = RecordedTurns()
    _recorded.set(recorded)
    return recorded


class TurnTags(Extension):
    """Jinja2's tags for turns. A turn leaves nothing in the text around it."""

    tags = set(ROLES)  # noqa: RUF012  Jinja2 has it so

    def parse(self, parser: Parser) -> nodes.Node:
        """Return the node of a turn."""
        token = next(parser.stream)
        body = parser.parse_statements((f"name:end{token.value}",), drop_needle=True)
        call = self.call_method("_add", [nodes.Const(token.value), nodes.Const(token.lineno)])
        return nodes.CallBlock(call, [], [], body).set_lineno(token.lineno)

    def _add(self, role: Role, line: int, caller: Callable[[], str]) -> str:
        _recorded.get().add(role, line, caller)
        return ""


def line_outside_turns(source: nodes.Template) -> int:
    """Return the first line of a template that writes something outside its turns."""
    written = list(_outputs(source))
    texts = [line for line, is_text in written if is_text]
    return next(iter(texts or [line for line, _ in written]), 1)


def _outputs(node: nodes.Node) -> Iterator[tuple[int, bool]]:
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.CallBlock | nodes.Macro | nodes.AssignBlock):
            continue
        if not isinstance(child, nodes.Output):
            yield from _outputs(child)
            continue
        for part in child.nodes:
            if not isinstance(part, nodes.TemplateData):
                yield part.lineno, False
            elif text := part.data.lstrip():
                yield part.lineno + part.data[: -len(text)].count("\n"), True


def shown(text: str) -> str:
    """Return the beginning of a text that stands outside the turns, for an error."""
    return repr(" ".join(text.split())[:_SHOWN_CHARACTERS])
