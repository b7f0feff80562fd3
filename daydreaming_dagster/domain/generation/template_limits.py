"""A sandbox for templates that end in bounded time and memory.

A thread cannot be killed in Python, and a process per prompt would be slow. So all that repeats in
a template, its loops and calls, looks at a clock, and what a single operation can build is limited.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextvars import ContextVar
from typing import Any, Final

import jinja2
from jinja2 import nodes
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

RENDERING_SECONDS: Final = 10.0
"""How long a template may take."""

LARGEST_CHARACTERS: Final = 10_000_000
"""How long a text or list may be that a template builds; the longest prompts have a tenth."""

_LARGEST_WIDTH: Final = 1_000_000
_LARGEST_BITS: Final = 100_000
_LARGEST_PRODUCT: Final = 100_000_000
_WIDTHS: Final = re.compile(r"%[^a-zA-Z%]*(?:\d{7}|\*)")
_COUNTED, _JOINED = "_counted", "_joined"

_until: ContextVar[float] = ContextVar("until")


def start_clock() -> None:
    """Let the template that this thread or task renders next fail when its time is over."""
    _until.set(time.monotonic() + RENDERING_SECONDS)


class LimitedEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox of Jinja2 with limits of time, and of what an operation builds."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.filters[_COUNTED] = _counted
        self.filters[_JOINED] = _joined
        for name in ("batch", "center", "format", "indent", "replace", "slice", "wordwrap"):
            self.filters[name] = _limited(FILTERS[name])
        del self.globals["lipsum"]  # builds any number of paragraphs

    def _generate(
        self,
        source: nodes.Template,
        name: str | None,
        filename: str | None,
        defer_init: bool = False,  # noqa: FBT001, FBT002  Jinja2's signature
    ) -> str:
        for loop in source.find_all(nodes.For):
            loop.iter = self._filtered(loop.iter, _COUNTED)
        _replace_concatenations(source, self)
        return super()._generate(source, name, filename, defer_init)

    def _filtered(self, node: nodes.Node, name: str) -> nodes.Filter:
        filtered = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
        return filtered.set_environment(self)  # type: ignore[return-value]  # returns itself

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805, PYI063  as Jinja2's
        _check_time()
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str):
            _check_arguments(owner, *args, *kwargs.values())
        return _checked(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            if left.bit_length() * right > _LARGEST_BITS:
                raise jinja2.TemplateRuntimeError("the number is too large")
        elif operator == "*":
            for count, repeated in ((left, right), (right, left)):
                if isinstance(count, int) and isinstance(repeated, Sized):
                    _check_length(count * len(repeated))
        elif operator == "%" and isinstance(left, str) and _WIDTHS.search(left):
            raise jinja2.TemplateRuntimeError("a width is too large")
        return _checked(super().call_binop(context, operator, left, right))


def _replace_concatenations(node: nodes.Node, environment: LimitedEnvironment) -> None:
    """Let `a ~ b` be made by a filter, which knows how long the text gets."""
    for field, value in node.iter_fields():
        many = value if isinstance(value, list) else [value]
        for at, child in enumerate(many):
            if not isinstance(child, nodes.Node):
                continue
            _replace_concatenations(child, environment)
            if isinstance(child, nodes.Concat):
                joined = environment._filtered(  # noqa: SLF001  of this module
                    nodes.List(child.nodes, lineno=child.lineno), _JOINED
                )
                if many is value:
                    many[at] = joined
                else:
                    setattr(node, field, joined)


def _counted(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        _check_time()
        yield item


def _joined(items: Iterable[Any]) -> str:
    texts = [str(item) for item in items]
    _check_length(sum(map(len, texts)))
    return "".join(texts)


def _limited(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter of Jinja2 with limits on its arguments, and the same marks."""

    def limited(*args: Any, **kwargs: Any) -> Any:
        _check_arguments(*args, *kwargs.values())
        return _checked(function(*args, **kwargs))

    limited.__dict__.update(vars(function))
    return limited


def _check_time() -> None:
    if time.monotonic() > _until.get():
        raise jinja2.TemplateRuntimeError(f"rendering took longer than {RENDERING_SECONDS:g} s")


def _check_arguments(*args: Any) -> None:
    """Check widths, and what replacing each character of a text by another text would build."""
    if any(isinstance(arg, int) and arg > _LARGEST_WIDTH for arg in args):
        raise jinja2.TemplateRuntimeError("a width is too large")
    lengths = sorted((len(arg) + 1 for arg in args if isinstance(arg, str)), reverse=True)
    if lengths[1:] and lengths[0] * lengths[1] > _LARGEST_PRODUCT:
        raise jinja2.TemplateRuntimeError("the text gets too long")


def _checked(result: Any) -> Any:
    if isinstance(result, str | list | tuple):
        _check_length(len(result))
    elif isinstance(result, int) and result.bit_length() > _LARGEST_BITS:
        raise jinja2.TemplateRuntimeError("the number is too large")
    return result


def _check_length(length: int) -> None:
    if length > LARGEST_CHARACTERS:
        raise jinja2.TemplateRuntimeError("the text gets too long")
