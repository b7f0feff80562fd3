"use strict";
// One generation with what it is made from and what is made from it. The rest of the page gives its tools.

const readerOf = ({ index, childStages, make, share, capital, route, link, unpack, comboOf }) => {
  const { stages } = index;
  const severalScore = Object.values(stages).filter(({ judges }) => judges === "scores").length > 1;

  const absent = (text) => make("p", { class: "absent" }, text);

  const UNUSED = {
    "cut off": "The answer was cut off, so it is not used.",
    "not parsed": "The answer could not be parsed, so it is not used.",
    "not answered": "No model has answered yet.",
  };

  function prose(item, texts) {
    const parts = item.state in UNUSED ? [absent(UNUSED[item.state])] : [];
    if (texts.html === null) return parts.length ? parts : [absent("There is no text.")];
    if (texts.html.trim() === "") return [...parts, absent("The text is empty.")];
    const box = make("div", { class: "prose", dir: "auto" });
    // render_markdown made it when the report was written: no tag comes from the text itself.
    box.innerHTML = texts.html;
    return [...parts, box];
  }

  function folded(title, text, open = false) {
    const content = text === null ? absent("Not there.") : text === "" ? absent("Empty.") : make("pre", { dir: "auto" }, text);
    return make("details", { open }, make("summary", {}, title), content);
  }

  function source(item, texts) {
    const of = `${item.stage} ${item.label}`;
    return [
      ...texts.problems.map((problem) => make("p", { class: "state" }, problem)),
      folded(`Prompt of ${of}`, texts.prompt),
      folded(`Raw answer of ${of}`, texts.raw),
      ...Object.entries(texts.metadata).map(([file, text]) => folded(`${file} of ${of}`, text)),
    ];
  }

  function facts(item, texts) {
    const { judges } = stages[item.stage];
    const entries = [
      ["Ranks it may have", item.rank === null ? null : item.band],
      [judges ? "Score" : "Mean score", item.mean === null ? null : share(item.mean)],
      [judges ? "As given" : "Scores", item.scores],
      ["People", item.people],
      ["Cohorts", item.cohorts],
      ["Combination", comboOf(item)],
      ["Template", item.template],
      ["Model", item.llm || "copy"],
      ["Replicate", item.replicate],
      ["It took", texts.took],
      ["State", item.state],
      ["Stale", item.stale],
    ];
    return make(
      "dl",
      { class: "facts" },
      ...entries
        .filter(([, value]) => value != null && value !== "")
        .map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, make("bdi", {}, String(value))))),
    );
  }

  function section(title, ...content) {
    return make("section", {}, make("h2", {}, title), ...content);
  }

  const maker = (item) => [make("bdi", {}, item.template), " by ", make("bdi", {}, item.llm || "copy")];

  function evaluation(item, texts, open) {
    const score = item.scores || item.state;
    const stage = severalScore ? `${item.stage}: ` : null;
    return make(
      "details",
      { class: "evaluation", open },
      make(
        "summary",
        {},
        make("span", { class: item.scores ? "score" : "score state" }, score),
        make("span", { class: "judge" }, stage, ...maker(item)),
      ),
      ...prose(item, texts),
      make("p", {}, make("a", { href: route(item) }, `Prompt and metadata of ${item.label}`)),
    );
  }

  function people(texts) {
    const said = texts.people.map(([rater, what, reason, stale]) =>
      make("li", {}, make("bdi", {}, rater), ": ", make("bdi", {}, what), reason && make("p", { class: "begins", dir: "auto" }, reason), stale && make("p", { class: "state" }, stale)),
    );
    return said.length ? section("People", make("ul", { class: "siblings" }, ...said)) : null;
  }

  function concepts(texts) {
    return texts.concepts.map(([name, description]) =>
      make("details", { open: true }, make("summary", {}, make("bdi", {}, name)), description ? make("p", { dir: "auto" }, description) : absent("The catalog has no description of it.")),
    );
  }

  const links = (items) =>
    items.length
      ? make("ul", {}, ...items.map((item) => make("li", {}, link(item), item.parents && ` ${share(item.mean)}`)))
      : absent("None.");

  const isScoreOf = (child, item) => stages[child.stage].judges === "scores" && child.parents[0].item === item;

  function madeFrom(item) {
    const made = Object.keys(stages).filter((stage) => childStages.get(item.stage)?.has(stage));
    return made.map((stage) => {
      const { judges, plural } = stages[stage];
      const these = item.children.filter((child) => child.stage === stage && !isScoreOf(child, item));
      if (judges === "scores" && !these.length) return null;
      return section(`${capital(plural)} ${judges ? "with it" : "made from it"}`, links(these));
    });
  }

  function titleOf({ role, item }) {
    const plain = [item.stage, stages[item.stage]?.plural].includes(role);
    return capital(plain ? item.stage : `${role} (${item.stage})`);
  }

  // One parent, or two side by side. More are shown as links.
  function parentTexts(item, texts) {
    const shown = item.parents.map((parent) =>
      section(titleOf(parent), ...(texts.has(parent.item) ? prose(parent.item, texts.get(parent.item)) : []), make("p", {}, link(parent.item))),
    );
    if (shown.length === 2) return make("div", { class: "pair even" }, ...shown);
    const [first] = texts.values();
    return make("div", { class: "pair" }, ...shown, first?.concepts.length ? section("Concepts", ...concepts(first)) : null);
  }

  function parentLinks(item) {
    const roles = new Set(item.parents.map((parent) => parent.role));
    return [...roles].map((role) =>
      section(`Made from: ${role}`, links(item.parents.filter((parent) => parent.role === role).map((parent) => parent.item))),
    );
  }

  function beside(item, all) {
    const parts = [];
    if (stages[item.stage].judged) {
      const scores = item.children.filter((child) => isScoreOf(child, item));
      const answers = scores.map((child, place) => evaluation(child, all[child.id], place === 0));
      parts.push(section(capital(index.judges), ...(answers.length ? answers : [absent("None.")])));
    }
    const raters = people(all[item.id]);
    if (raters) parts.push(raters);
    if (!item.parents.length) parts.push(section("Concepts", ...concepts(all[item.id])));
    return parts.length ? make("div", { class: "side" }, ...parts) : null;
  }

  async function bodyOf(item) {
    const all = await unpack(item.chunk);
    const own = all[item.id];
    const { judges } = stages[item.stage];
    const [parent, ...others] = item.parents;
    const judgesOne = judges && parent && !others.length;
    const near = judgesOne || others.length > 1 ? [] : item.parents.map((one) => one.item).filter((one) => one.parents);
    const texts = new Map(await Promise.all(near.map(async (one) => [one, (await unpack(one.chunk))[one.id]])));
    const judgedText = judgesOne ? make("p", {}, `Of the ${parent.item.stage} `, link(parent.item)) : null;
    return [
      make("div", { class: "pair" }, section(judges ? "Answer" : "Text", ...prose(item, own), judgedText), beside(item, all)),
      ...(others.length > 1 ? parentLinks(item) : [parent && !judgesOne ? parentTexts(item, texts) : null]),
      ...madeFrom(item),
      section("How it was made", ...source(item, own), ...[...texts].flatMap(([one, text]) => source(one, text))),
    ];
  }

  return { facts, bodyOf };
};
