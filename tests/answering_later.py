"""A `BatchModel` in memory that does what a test says."""

import json
from collections.abc import Callable

import attrs

from daydreaming_dagster.ports.batch_model import BatchAnswer, BatchState, BatchTerms
from daydreaming_dagster.ports.language_model import Completion, LanguageModelError, ModelRequest


@attrs.define
class ScriptedBatches:
    """Answers batches with `answer` after `looks` looks at each.

    What `fail` returns or raises at a call, by the name of the method, is an error of the call;
    `states` are the ends of batches that are not completed, by their number from 0.
    """

    answer: Callable[[str], object]
    looks: int = 1
    requests: int = 1_000
    size: int = 1_000_000
    fail: Callable[[str], LanguageModelError | None] = lambda _method: None
    after: Callable[[str], None] = lambda _method: None
    states: dict[int, BatchState] = attrs.field(factory=dict)
    without: tuple[tuple[str, str], ...] = ()
    files: dict[str, list[dict]] = attrs.field(factory=dict)
    batches: dict[str, dict] = attrs.field(factory=dict)
    calls: list[str] = attrs.field(factory=list)

    @property
    def asked(self) -> list[str]:
        """The prompts of all submitted batches."""
        return [each["prompt"] for batch in self.batches.values() for each in batch["questions"]]

    def terms(self, model):
        if model in self.without:
            return None
        return BatchTerms("https://batches.example/v1", self.requests, self.size, 0.01)

    def line(self, custom_id, request: ModelRequest):
        return json.dumps({"custom_id": custom_id, "prompt": request.prompt}).encode() + b"\n"

    async def upload(self, model, name, lines):
        self._call("upload")
        file_id = f"file-{len(self.files)}"
        self.files[file_id] = [json.loads(line) for line in lines]
        self.after("upload")
        return file_id

    async def submit(self, model, name, file_id, cohort_id):
        error = self._fails("submit")
        if error is not None and not error.may_be_billed:
            raise error
        batch_id = f"batch-{len(self.batches)}"
        self.batches[batch_id] = {
            "name": name,
            "file": file_id,
            "questions": self.files[file_id],
            "looks": self.looks,
            "cancelled": False,
        }
        if error is not None:
            raise error
        self.after("submit")
        return BatchState(batch_id, "validating")

    async def find(self, model, name, file_id):
        self._call("find")
        for batch_id, batch in self.batches.items():
            if batch["name"] == name or batch["file"] == file_id:
                return self._state(batch_id)
        return None

    async def look(self, model, batch_id):
        self._call("look")
        if batch_id not in self.batches:
            raise LanguageModelError(f"no batch {batch_id}", 404)
        self.batches[batch_id]["looks"] -= 1
        return self._state(batch_id)

    async def answers(self, model, state):
        self._call("answers")
        for question in self.batches[state.id]["questions"]:
            answer = self.answer(question["prompt"])
            if answer is None:
                continue
            if isinstance(answer, str):
                answer = Completion(answer, "stop", "big-1-0613", 60.0, 7, 5, batch_id=state.id)
            yield BatchAnswer(question["custom_id"], answer)
        self.after("answers")

    async def cancel(self, model, batch_id):
        self._call("cancel")
        self.batches[batch_id]["cancelled"] = True
        self.batches[batch_id]["looks"] = 0

    async def aclose(self):
        """Do nothing: there is nothing to release."""

    def _state(self, batch_id):
        batch = self.batches[batch_id]
        if batch["looks"] > 0:
            return BatchState(batch_id, "in_progress")
        number = list(self.batches).index(batch_id)
        status = "cancelled" if batch["cancelled"] else "completed"
        state = self.states.get(number, BatchState(batch_id, status))
        return attrs.evolve(state, id=batch_id, ended=True, answered=len(batch["questions"]))

    def _call(self, method):
        error = self._fails(method)
        if error is not None:
            raise error

    def _fails(self, method):
        self.calls.append(method)
        return self.fail(method)
