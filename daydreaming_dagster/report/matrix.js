"use strict";
// The list as a matrix: a row for each combination, a column for each way to make a text of it.

const matrixOf = ({ make, route, share, comboOf }) => {
  const MOST_COLUMNS = 12;

  const cell = (item) =>
    make(
      "div",
      { class: "cell" },
      make("a", { href: route(item), "aria-label": `${comboOf(item)}: ${item.name}, ${item.label}` }, share(item.mean)),
      make("p", { class: "begins", dir: "auto" }, item.begins || item.state),
    );

  // The combinations, in the order in which they come first.
  function rowsOf(items) {
    const rows = new Map();
    for (const item of items) {
      if (!rows.has(item.combo)) rows.set(item.combo, []);
      rows.get(item.combo).push(item);
    }
    return [...rows.values()];
  }

  function drawRows(table, rows, items) {
    const all = [...new Set(items.map((item) => item.name))].sort();
    const columns = all.slice(0, MOST_COLUMNS);
    const heads = columns.map((name) => make("th", { scope: "col" }, make("bdi", {}, name)));
    const body = rows.map((of) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, make("bdi", {}, comboOf(of[0]) || "several")),
        ...columns.map((name) => make("td", {}, ...of.filter((item) => item.name === name).map(cell))),
      ),
    );
    table.replaceChildren(
      make("caption", {}, all.length > MOST_COLUMNS ? `The first ${MOST_COLUMNS} of ${all.length} columns: filter by template or model to see others` : "Scores and first words"),
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Combination"), ...heads)),
      make("tbody", {}, ...body),
    );
  }

  return { rowsOf, drawRows };
};
