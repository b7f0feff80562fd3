"use strict";
// Two texts side by side, with the words that differ marked. The rest of the page gives its tools.

const MOST_CELLS = 25_000_000;

// Which words of two texts are the same, in order: the longest common subsequence. Null if the texts
// are too long for that.
function commonWords(a, b) {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const [n, m] = [a.length - start - end, b.length - start - end];
  if ((n + 1) * (m + 1) > MOST_CELLS) return null;
  const kept = { a: new Set(), b: new Set() };
  const keep = (x, y) => { kept.a.add(x); kept.b.add(y); };
  const width = m + 1;
  const longest = new Uint32Array((n + 1) * width);
  for (let x = n - 1; x >= 0; x -= 1)
    for (let y = m - 1; y >= 0; y -= 1)
      longest[x * width + y] =
        a[start + x] === b[start + y]
          ? longest[(x + 1) * width + y + 1] + 1
          : Math.max(longest[(x + 1) * width + y], longest[x * width + y + 1]);
  for (let place = 0; place < start; place += 1) keep(place, place);
  for (let x = 0, y = 0; x < n && y < m; ) {
    if (a[start + x] === b[start + y]) { keep(start + x, start + y); x += 1; y += 1; }
    else if (longest[(x + 1) * width + y] >= longest[x * width + y + 1]) x += 1;
    else y += 1;
  }
  for (let place = 1; place <= end; place += 1) keep(a.length - place, b.length - place);
  return kept;
}

const comparerOf = ({ stages, make, route, link, unpack, scoresOf }) => {
  // A word with the space after it, which does not count when words are compared.
  const words = (text) => text.match(/^\s+|\S+\s*/g) ?? [];

  function marked(tag, all, kept) {
    const parts = [];
    let run = "";
    let same = true;
    const flush = () => { if (run) parts.push(same ? run : make(tag, {}, run)); run = ""; };
    all.forEach((word, place) => {
      const isSame = kept.has(place);
      if (isSame !== same) { flush(); same = isSame; }
      run += word;
    });
    flush();
    return make("div", { class: "diff", dir: "auto" }, ...parts);
  }

  // Both texts, the words of the first that the second lacks marked, and the other way round.
  function differences(first, second) {
    const [a, b] = [words(first), words(second)];
    const kept = commonWords(...[a, b].map((all) => all.map((word) => word.trim())));
    if (kept === null) {
      const [left, right] = [first, second].map((text) => make("div", { class: "diff", dir: "auto" }, text));
      return { shared: 0, note: "The texts are too long to mark the words that differ.", left, right };
    }
    const shared = Math.round((200 * kept.a.size) / Math.max(1, a.length + b.length));
    const note = first === second ? "Both are the same." : `${shared} % of the words are the same, in order.`;
    return { shared, note, left: marked("del", a, kept.a), right: marked("ins", b, kept.b) };
  }

  const column = (title, ...content) => make("section", {}, make("h2", {}, ...title), ...content);

  function versions(texts) {
    if (!texts.earlier.length) return null;
    const parts = texts.earlier.map(([model, text], place) => {
      const { shared, note, left, right } = differences(text, texts.raw ?? "");
      const what = `Answer ${place + 1} of ${texts.earlier.length} that was replaced${model ? `, by ${model}` : ""}`;
      const columns = switchable(shared, column(["Replaced"], left), column(["Present"], right));
      return make("details", {}, make("summary", {}, what), make("p", { class: "note" }, note), ...columns);
    });
    return make("section", {}, make("h2", {}, "Replaced answers"), ...parts);
  }

  // The others that were made from the same parents, or of the same concepts.
  function siblings(item, generations) {
    const same = (one) => one.parents.map((parent) => `${parent.role} ${parent.item.stage}/${parent.item.id}`).join();
    const own = same(item);
    return generations.filter((one) => one !== item && one.stage === item.stage && one.combo === item.combo && same(one) === own);
  }

  function siblingList(item, generations) {
    const others = siblings(item, generations);
    if (!others.length || stages[item.stage].judges) return null;
    const from = item.parents.length ? `the same ${item.parents.map((parent) => parent.item.stage).join(" and ")}` : "the same concepts";
    const entries = others.map((one) =>
      make("li", {}, link(one), scoresOf(one), make("p", { class: "begins", dir: "auto" }, one.begins), make("a", { href: `${route(item)}/with/${one.stage}/${one.id}` }, "Side by side")),
    );
    return make("section", {}, make("h2", {}, `Other ${stages[item.stage].plural} of ${from}`), make("ul", { class: "siblings" }, ...entries));
  }

  // The marks are in the way of reading texts that have little in common, so they start hidden.
  function switchable(shared, ...columns) {
    const box = make("input", { type: "checkbox" });
    const both = make("div", { class: "side-by-side" }, ...columns);
    const show = () => both.classList.toggle("unmarked", !box.checked);
    box.checked = shared >= 50;
    box.addEventListener("change", show);
    show();
    return [make("label", { class: "switch" }, box, "Mark what the other text lacks"), both];
  }

  async function sideBySide(first, second) {
    const texts = await Promise.all([first, second].map(async (one) => (await unpack(one.chunk))[one.id]));
    const { shared, note, left, right } = differences(texts[0].raw ?? "", texts[1].raw ?? "");
    const head = (one) => [link(one), " ", scoresOf(one)];
    return [
      make("p", { class: "note" }, note),
      ...switchable(shared, column(head(first), left), column(head(second), right)),
    ];
  }

  return { versions, siblingList, sideBySide };
};
