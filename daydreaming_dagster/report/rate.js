"use strict";
// One question at a time. Answers are kept in the browser, and saved as CSV.

const data = JSON.parse(document.getElementById("data").textContent);
const { questions } = data;
const by = (id) => document.getElementById(id);
const form = by("answer");
const KEPT = `ratings of ${data.sheet}`;

const state = { rater: "", answers: questions.map(() => ({})), at: 0 };
let shown = "welcome";

const keep = () => {
  try {
    localStorage.setItem(KEPT, JSON.stringify(state));
  } catch {
    by("unsaved").hidden = false; // a browser may keep nothing for files
  }
};

const isPair = (number) => questions[number].length > 1;
const isAnswered = (number) => {
  const { score, preferred, decision } = state.answers[number];
  return Boolean(score || preferred || decision);
};
const unanswered = () => questions.map((_, number) => number).filter((number) => !isAnswered(number));

const count = () => {
  const left = unanswered().length;
  by("left").textContent = left ? `${left} left` : "None left";
  by("progress").value = questions.length - left;
};

const show = (section) => {
  shown = section;
  for (const name of ["welcome", "question", "end"]) by(name).hidden = name !== section;
  count();
  scrollTo(0, 0);
  by(`${section}-title`).focus({ preventScroll: true });
};

const article = (token, title) => {
  const element = document.createElement("article");
  if (title) element.append(Object.assign(document.createElement("h2"), { textContent: title }));
  element.append(Object.assign(document.createElement("p"), { dir: "auto", textContent: data.texts[token] }));
  return element;
};

const ask = (number) => {
  state.at = number;
  keep();
  const tokens = questions[number];
  const pair = isPair(number);
  by("question-title").textContent = `${pair ? "Pair" : "Text"} ${number + 1} of ${questions.length}`;
  by("texts").className = pair ? "pair" : "";
  by("texts").replaceChildren(...tokens.map((token, place) => article(token, pair && ["First", "Second"][place])));
  by("score").hidden = pair;
  by("preferred").hidden = !pair;
  by("decide").hidden = pair;
  form.reset();
  for (const [name, value] of Object.entries(state.answers[number])) form.elements[name].value = value;
  by("decide").open = Boolean(state.answers[number].decision || state.answers[number].reason);
  by("back").disabled = number === 0;
  show("question");
};

const end = () => {
  const left = unanswered().length;
  by("end-title").textContent = left ? `${left} left` : "Done: thank you";
  by("skipped").textContent = left ? "You can go back to those that you skipped." : "";
  show("end");
};

const note = () => {
  const given = Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim()));
  state.answers[state.at] = given;
  keep();
  count();
};

const choose = (name, value) => {
  form.elements[name].value = value;
  note();
};

const next = () => (state.at + 1 < questions.length ? ask(state.at + 1) : end());

const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

const exported = () => {
  const rows = questions.flatMap(([first, second = ""], number) => {
    if (!isAnswered(number)) return [];
    const said = { sheet: data.sheet, rater: state.rater, first, second, ...state.answers[number] };
    return [data.columns.map((column) => cell(String(said[column] ?? ""))).join(",")];
  });
  return [data.columns.join(","), ...rows, ""].join("\n");
};

const save = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([exported()], { type: "text/csv" }));
  const name = state.rater.normalize("NFKD").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "");
  link.download = `${data.sheet}-${name || "rater"}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};

by("start").addEventListener("submit", (event) => {
  event.preventDefault();
  state.rater = by("rater").value.trim();
  if (!state.rater) return by("rater").focus();
  const [first] = unanswered();
  if (first === undefined) end();
  else ask(first);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  note();
  next();
});
form.addEventListener("input", note);
by("back").addEventListener("click", () => ask(state.at - 1));
by("again").addEventListener("click", () => ask(unanswered()[0] ?? 0));
for (const button of document.querySelectorAll(".save")) button.addEventListener("click", save);

const DECISIONS = { a: "accept", d: "defer", r: "reject" };
const PREFERRED = { 1: "first", 2: "second", 0: "tie" };

addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (shown !== "question" || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = target.id === "reason";
  if (key === "Enter" && !target.closest("button, summary")) {
    event.preventDefault();
    form.requestSubmit();
  } else if (typing) {
    return;
  } else if (key === "Backspace") {
    event.preventDefault();
    if (state.at > 0) ask(state.at - 1);
  } else if (isPair(state.at)) {
    if (key in PREFERRED) choose("preferred", PREFERRED[key]);
  } else if (key >= String(data.lowest) && key <= String(data.highest) && key.length === 1) {
    choose("score", key);
  } else if (key in DECISIONS) {
    by("decide").open = true;
    choose("decision", DECISIONS[key]);
  }
});

try {
  const kept = JSON.parse(localStorage.getItem(KEPT));
  if (kept?.answers?.length === questions.length) Object.assign(state, kept);
} catch {
  by("unsaved").hidden = false;
}
by("rater").value = state.rater;
show("welcome");
