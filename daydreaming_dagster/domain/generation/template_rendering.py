"""Prompts from Jinja2 templates, which researchers share and which are therefore sandboxed."""

from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType

import jinja2
from jinja2.meta import find_undeclared_variables

from daydreaming_dagster.domain.errors import TemplateError
from daydreaming_dagster.domain.generation.template_limits import LimitedEnvironment, start_clock
from daydreaming_dagster.domain.generation.template_turns import (
    TurnTags,
    line_outside_turns,
    record_turns,
    shown,
)
from daydreaming_dagster.domain.generation.turns import write_turns
from daydreaming_dagster.ports.gens_store import Templates
from daydreaming_dagster.ports.language_model import Message
from daydreaming_dagster.types import Stage

_ENVIRONMENT = LimitedEnvironment(
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    autoescape=False,
    extensions=[TurnTags],
)


def render_template(
    store: Templates, stage: Stage, template_id: str, values: Mapping[str, object]
) -> str:
    """Return the template's text with `values` filled in, or its turns as `write_turns` does.

    The template's own lines end with a line feed, as Jinja2 has it; values stay as they are. Turns
    lose the whitespace around them.

    Raises:
        MissingTemplateError: The stage has no template of that id.
        TemplateError: It has a syntax error, uses a variable that `values` lacks, or does
            something that the sandbox forbids, or takes longer than `RENDERING_SECONDS`. Its turns
            are not in an order that models take, one is empty, or there is text outside of them.
    """
    return render_source(stage, template_id, store.read_template(stage, template_id), values)


def render_source(stage: Stage, template_id: str, source: str, values: Mapping[str, object]) -> str:
    """Return what `render_template` does, of a template's text that was read already.

    Raises:
        TemplateError: As `render_template` says.
    """
    template = compile_source(stage, template_id, source)
    try:
        turns = record_turns()
        start_clock()
        text = template.render(values)
    except Exception as error:  # a template is a program and can fail in any way
        line = _template_line(error.__traceback__)
        raise TemplateError(stage, template_id, f"line {line}: {error}") from error
    if not turns.messages:
        return write_turns([Message("user", text)])
    if text.strip():
        line = line_outside_turns(_ENVIRONMENT.parse(source))
        reason = f"line {line}: {shown(text)} is outside its turns; move it into one"
        raise TemplateError(stage, template_id, reason)
    if turns.messages[-1].role != "user":
        reason = f"line {turns.line}: the last turn has to be the user's, which the model answers"
        raise TemplateError(stage, template_id, reason)
    return write_turns(turns.messages)


def used_variables(store: Templates, stage: Stage, template_id: str) -> frozenset[str]:
    """Return the names that the template uses and does not set itself.

    Raises:
        MissingTemplateError: The stage has no template of that id.
        TemplateError: It does not compile.
    """
    source = store.read_template(stage, template_id)
    compile_source(stage, template_id, source)
    return frozenset(find_undeclared_variables(_ENVIRONMENT.parse(source)))


def compile_source(stage: Stage, template_id: str, source: str) -> jinja2.Template:
    """Return the compiled template.

    Raises:
        TemplateError: It has a syntax error, or is too large or too deep to compile.
    """
    try:
        return _compiled(source)
    except jinja2.TemplateSyntaxError as error:
        reason = f"syntax error in line {error.lineno}: {error.message}"
        raise TemplateError(stage, template_id, reason) from error
    except Exception as error:  # what Python's own compiler refuses: too many nested blocks, …
        reason = f"it does not compile: {type(error).__name__}: {error}"
        raise TemplateError(stage, template_id, reason) from error


@lru_cache(maxsize=256)
def _compiled(source: str) -> jinja2.Template:
    # Keyed by the source itself, an edited template can never be served stale.
    return _ENVIRONMENT.from_string(source)


def _template_line(traceback: TracebackType | None) -> int | str:
    """Return the template's line; Jinja2 rewrites tracebacks to the template's own lines."""
    line: int | str = "?"
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
