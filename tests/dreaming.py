"""The loop of the end-to-end tests: six concepts, and an endpoint that likes three of them."""

import random
import re

LOOP = """
pairs: 4
cohort:
  axes:
    draft_template: [links]
    draft_llm: [big]
    essay_template: [copied]
    evaluation_template: [judge]
    evaluation_llm: [big]
  description_level: sentence
  replicates: {evaluation: 2}
selection: {bar: 0.5, certainty: 0.7}
stop: {rounds: 3}
"""
NAMES = ("Ant", "Bee", "Cod", "Dog", "Eel", "Fox")


def answer(prompt):
    topics = re.findall("|".join(NAMES), prompt)
    rng = random.Random(prompt)
    if prompt.startswith("Judge"):
        return (
            f"SCORE: {min(9, 2 + 2 * len({'Ant', 'Bee', 'Cod'} & {*topics}) + rng.choice([0, 1]))}"
        )
    return f"{topics}: " + " ".join("".join(rng.choices("abcdefghij", k=6)) for _ in range(40))


def make_loop(data_root):
    """Return the folder of the loop l, in a data root with six concepts."""
    rows = "".join(f"{name.lower()},{name}\n" for name in NAMES)
    (data_root / "1_raw/concepts_metadata.csv").write_text(f"concept_id,name\n{rows}")
    for name in NAMES:
        path = data_root / f"1_raw/concepts/descriptions-sentence/{name.lower()}.txt"
        path.write_text(f"The {name} lives.\n")
    folder = data_root / "loops/l"
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text(LOOP)
    return folder
