"""Random histories, run on several stores in lockstep and on a model that is none.

A test module runs them on the stores that it opens::

    from daydreaming_dagster.testing.stateful import gens_store_machine

    @contextmanager
    def fresh_stores():
        memory = InMemoryGensStore()
        with TemporaryDirectory() as root:
            yield {"memory": lambda: memory, "mine": lambda: MyGensStore(root)}

    TestLockstep = gens_store_machine(fresh_stores).TestCase
"""
# ruff: noqa: S101  pytest asserts

import copy
import itertools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from daydreaming_dagster.ports.errors import InvalidIdError, MissingArtifactError, UnstorableError
from daydreaming_dagster.ports.gens_store import Artifact, GensStore, versions_of
from daydreaming_dagster.testing.gens_store.access import (
    ARTIFACTS,
    DOCUMENTS,
    METHODS,
    TEXTS,
    call,
    methods_of,
    read,
    write,
)
from daydreaming_dagster.testing.gens_store.cases import HOSTILE_IDS, HOSTILE_STAGES, NOT_JSON
from daydreaming_dagster.types import STAGES, JsonValue, Stage

Openers = Mapping[str, Callable[[], GensStore]]
"""For each store under its name, a function that opens it, the first time and again."""

_stages: Final = st.sampled_from(STAGES)
# Few, so that histories meet; none differ in case, since some file systems refuse those.
_GEN_IDS: Final = ("a", "aa", "a-b", "B", "0")
_gen_ids: Final = st.sampled_from(_GEN_IDS)
_texts: Final = st.text()
_torn_texts: Final = st.builds(
    "{}{}{}".format, st.text(), st.characters(categories=["Cs"]), st.text()
)
_json: Final[st.SearchStrategy[JsonValue]] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
_documents: Final = st.dictionaries(st.text(), _json, max_size=4)


def gens_store_machine(  # noqa: C901  a class made in a function counts as its complexity
    fresh: Callable[[], AbstractContextManager[Openers]],
) -> type[RuleBasedStateMachine]:
    """Return a state machine whose stores must all do what a dict of dicts does.

    `fresh` is called for each history. It opens new, empty stores and removes them in the end.
    """

    class GensStoreMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self._cleanup = ExitStack()
            self._openers: Openers = {}
            self._stores: dict[str, GensStore] = {}
            # What should be there. Values as Python has them: the model knows no encoding.
            self._model: dict[tuple[Stage, str], dict[Artifact, object]] = {}
            # What each generation contained when it had a version.
            self._seen: dict[tuple[str, Stage, str, str], str] = {}

        @initialize()
        def open_all(self) -> None:
            self._openers = self._cleanup.enter_context(fresh())
            self._stores = {name: opener() for name, opener in self._openers.items()}

        def teardown(self) -> None:
            try:
                for stage, gen_id, artifact in itertools.product(STAGES, _GEN_IDS, ARTIFACTS):
                    self._check(stage, gen_id, artifact)
            finally:
                self._cleanup.close()

        @rule(data=st.data())
        def reopen(self, data: st.DataObject) -> None:
            name = data.draw(st.sampled_from(sorted(self._openers)))
            self._stores[name] = self._openers[name]()

        @rule(
            stage=_stages,
            gen_id=_gen_ids,
            written=st.tuples(st.sampled_from(TEXTS), _texts)
            | st.tuples(st.sampled_from(DOCUMENTS), _documents),
        )
        def write(self, stage: Stage, gen_id: str, written: tuple[Artifact, object]) -> None:
            artifact, value = written
            for store in self._stores.values():
                write(store, stage, gen_id, artifact, value)
            self._model.setdefault((stage, gen_id), {})[artifact] = copy.deepcopy(value)
            self._check(stage, gen_id, artifact)

        @rule(stage=_stages, gen_id=_gen_ids, artifact=st.sampled_from(TEXTS), text=_torn_texts)
        def write_a_lone_surrogate(
            self, stage: Stage, gen_id: str, artifact: Artifact, text: str
        ) -> None:
            self._check_refused(stage, gen_id, artifact, text)

        @rule(
            stage=_stages,
            gen_id=_gen_ids,
            artifact=st.sampled_from(DOCUMENTS),
            case=st.sampled_from(sorted(NOT_JSON)),
        )
        def write_no_json(self, stage: Stage, gen_id: str, artifact: Artifact, case: str) -> None:
            self._check_refused(stage, gen_id, artifact, NOT_JSON[case]())

        @rule(
            method=st.sampled_from(sorted(METHODS.keys() - {"close"})),
            stage=st.sampled_from(HOSTILE_STAGES),
            other=st.sampled_from(HOSTILE_IDS),
            data=st.data(),
        )
        def name_what_is_hostile(
            self, method: str, stage: object, other: object, data: st.DataObject
        ) -> None:
            hostile = {"stage": stage, "gen_id": other, "template_id": other}
            parameters = sorted(hostile.keys() & METHODS[method].parameters.keys())
            parameter = data.draw(st.sampled_from(parameters))
            arguments = {parameter: hostile[parameter]}
            for name, store in self._stores.items():
                if method in methods_of(store):
                    assert _raises(InvalidIdError, call, store, method, **arguments), name

        @rule(stage=_stages, gen_id=_gen_ids)
        def delete(self, stage: Stage, gen_id: str) -> None:
            for store in self._stores.values():
                store.delete_generation(stage, gen_id)
            self._model.pop((stage, gen_id), None)

        @rule(stage=_stages, gen_id=_gen_ids, artifact=st.sampled_from(ARTIFACTS))
        def read(self, stage: Stage, gen_id: str, artifact: Artifact) -> None:
            self._check(stage, gen_id, artifact)

        @invariant()
        def all_list_what_is_there(self) -> None:
            for stage in STAGES:
                expected = sorted(gen_id for of, gen_id in self._model if of == stage)
                for name, store in self._stores.items():
                    assert list(store.list_generations(stage)) == expected, name

        @invariant()
        def generations_of_equal_versions_are_equal(self) -> None:
            for stage in STAGES:
                for name, store in self._stores.items():
                    for gen_id, version in versions_of(store, stage).items():
                        assert (stage, gen_id) in self._model, name
                        now = repr(sorted(self._model[stage, gen_id].items()))
                        seen = self._seen.setdefault((name, stage, gen_id, version), now)
                        assert seen == now, name

        def _check_refused(
            self, stage: Stage, gen_id: str, artifact: Artifact, value: object
        ) -> None:
            for name, store in self._stores.items():
                assert _raises(UnstorableError, write, store, stage, gen_id, artifact, value), name
            self._check(stage, gen_id, artifact)

        def _check(self, stage: Stage, gen_id: str, artifact: Artifact) -> None:
            there = (stage, gen_id) in self._model
            artifacts = self._model.get((stage, gen_id), {})
            for name, store in self._stores.items():
                assert store.exists(stage, gen_id) == there, name
                if artifact in artifacts:
                    # repr, since True == 1 == 1.0 and dicts compare without order.
                    value = read(store, stage, gen_id, artifact)
                    assert repr(value) == repr(artifacts[artifact]), name
                else:
                    assert _raises(MissingArtifactError, read, store, stage, gen_id, artifact), name

    return GensStoreMachine


def _raises(
    error: type[Exception], function: Callable[..., object], *args: object, **kwargs: object
) -> bool:
    try:
        function(*args, **kwargs)
    except error:
        return True
    return False
