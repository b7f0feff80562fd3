"use strict";
// A model's text enters the page as text, or as HTML that render_markdown made.

(() => {
  const PAGE = 50;
  const MATRIX_PAGE = 25;
  const AT_ONCE = 32;
  const find = (selector) => document.querySelector(selector);
  const index = JSON.parse(find("#index").textContent);
  const generations = index.rows.map((row) =>
    Object.fromEntries(index.fields.map((field, place) => [field, row[place]])),
  );
  const byId = new Map(generations.map((item) => [`${item.stage}/${item.id}`, item]));
  // A parent that is not in the cohort has a stage and an id alone.
  for (const item of generations) {
    item.parents = item.parents.map(([role, stage, id]) => ({ role, item: byId.get(`${stage}/${id}`) ?? { stage, id } }));
    item.children = [];
  }
  const childStages = new Map();
  for (const item of generations) {
    for (const parent of new Set(item.parents.map((one) => one.item))) {
      if (!parent.parents) continue;
      parent.children.push(item);
      if (!childStages.has(parent.stage)) childStages.set(parent.stage, new Set());
      childStages.get(parent.stage).add(item.stage);
    }
  }
  const ofChunk = new Map();
  for (const item of generations) {
    if (!ofChunk.has(item.chunk)) ofChunk.set(item.chunk, []);
    ofChunk.get(item.chunk).push(item);
  }
  // The generation and its ancestors, each once.
  function lineage(item) {
    const all = new Set([item]);
    for (const one of all) for (const parent of one.parents ?? []) all.add(parent.item);
    return [...all].filter((one) => one.parents);
  }

  const overview = find("#overview");
  const reader = find("#reader");
  const form = find("#filters");
  const found = find("#found");
  const comparison = find("#comparison-offer");
  const pager = find("#pager");
  const [back, on] = pager.querySelectorAll("button");
  const parsed = new Promise((resolve) => {
    if (document.readyState !== "loading") resolve();
    else document.addEventListener("DOMContentLoaded", resolve);
  });

  let listed = [];
  let page = 0;
  let came = { top: 0, link: null };

  function make(tag, attributes = {}, ...content) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) element.setAttribute(name, "");
      else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...content.filter((part) => part != null && part !== false && part !== ""));
    return element;
  }

  const comboOf = (item) => index.combos[item.combo] ?? item.combo;
  const nameOf = (item) => [comboOf(item), item.name].filter(Boolean).join(": ");
  const share = (value) => (value == null ? "–" : value.toFixed(2));
  const route = (item) => `#/${item.stage}/${item.id}`;
  const capital = (name) => name[0].toUpperCase() + name.slice(1);
  const stages = index.stages;
  const kind = () => index.kinds.find(({ name }) => name === form.stage.value);

  // Texts

  async function unpack(number) {
    await parsed;
    const packed = atob(JSON.parse(find(`#chunk-${number}`).textContent));
    const bytes = new Uint8Array(packed.length);
    for (let place = 0; place < packed.length; place += 1) bytes[place] = packed.charCodeAt(place);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).json();
  }

  // The texts in lower case. Unpacking is slow, so it is done once.
  const answers = new Map();
  async function keepAnswers(number) {
    const texts = await unpack(number);
    for (const item of ofChunk.get(number)) answers.set(item, (texts[item.id].raw ?? "").toLowerCase());
  }

  // The list

  const link = (item) =>
    item.parents
      ? make("span", {}, make("a", { href: route(item) }, make("bdi", {}, nameOf(item))), " ", make("span", { class: "id" }, item.label))
      : make("span", {}, `${item.id} (not in this cohort)`);
  const scoresOf = (item) => (item.mean === null ? null : make("span", { class: "note" }, ` ${share(item.mean)}${item.scores && ` (${item.scores})`}`));

  const FAILED = ["not parsed", "cut off"];
  const states = {
    all: () => true,
    complete: (item) => !FAILED.includes(item.state) && item.state !== "not answered",
    failed: (item) => FAILED.includes(item.state),
    missing: (item) => item.state === "not answered",
    stale: (item) => item.stale !== "",
    doubtful: (item) => item.doubt !== "",
  };

  function fill(select, groups, unnamed, shown = (name) => name) {
    const before = select.value;
    select.replaceChildren(new Option("Any", ""));
    for (const [label, values] of groups) {
      const options = [...values].sort().map((value) => {
        const [, name] = JSON.parse(value);
        return new Option(shown(name) || unnamed, value);
      });
      if (label) select.append(make("optgroup", { label }, ...options));
      else select.append(...options);
    }
    select.value = before;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
  }

  function offer() {
    const shown = generations.filter((item) => kind().stages.includes(item.stage));
    for (const field of ["template", "llm"]) {
      const groups = new Map();
      for (const item of shown) {
        for (const one of lineage(item)) {
          const label = capital(stages[one.stage].plural);
          if (!groups.has(label)) groups.set(label, new Set());
          groups.get(label).add(JSON.stringify([one.stage, one[field]]));
        }
      }
      fill(form[field], groups, "copy");
    }
    const combos = new Set(shown.map((item) => JSON.stringify(["", item.combo])));
    fill(form.combo, [["", combos]], "several", (combo) => index.combos[combo] ?? combo);
  }

  function passes(item) {
    const has = (field) => {
      if (!form[field].value) return true;
      const [stage, value] = JSON.parse(form[field].value);
      return lineage(item).some((one) => one.stage === stage && one[field] === value);
    };
    const least = form.least.value === "" ? null : Number(form.least.value);
    const most = form.most.value === "" ? null : Number(form.most.value);
    return (
      kind().stages.includes(item.stage) &&
      has("template") &&
      has("llm") &&
      (!form.combo.value || JSON.parse(form.combo.value)[1] === item.combo) &&
      (!form.cohort?.value || item.cohorts.split(" ").includes(form.cohort.value)) &&
      states[form.state.value](item) &&
      (least === null || (item.mean !== null && item.mean >= least)) &&
      (most === null || (item.mean !== null && item.mean <= most))
    );
  }

  // Of texts that are ranked, the rank decides: their means know nothing of strict judges.
  const above = (a, b) =>
    a.rank !== null && b.rank !== null ? a.rank - b.rank : (b.mean ?? -1) - (a.mean ?? -1);
  const inOrderOfIds = (a, b) => (a.id < b.id ? -1 : 1);
  const orders = {
    best: (a, b) => above(a, b) || inOrderOfIds(a, b),
    worst: (a, b) => (a.mean === null) - (b.mean === null) || above(b, a) || inOrderOfIds(a, b),
    planned: () => 0,
  };

  // What a query finds; throws if it should be a regular expression, and is not.
  function finderOf(query) {
    if (!form.regex.checked) return (text) => text.includes(query.toLowerCase());
    const pattern = new RegExp(query, "imu");
    return (text) => pattern.test(text);
  }

  async function matching(candidates, finds, isCurrent) {
    const named = (item) =>
      [item.id, item.combo, nameOf(item), item.template, item.llm].some((name) => finds(name.toLowerCase()));
    const hits = new Set(candidates.filter(named));
    const rest = candidates.filter((item) => !hits.has(item));
    const chunks = [...new Set(rest.filter((item) => !answers.has(item)).map((item) => item.chunk))];
    for (let start = 0; start < chunks.length; start += AT_ONCE) {
      found.textContent = "Searching…";
      await Promise.all(chunks.slice(start, start + AT_ONCE).map(keepAnswers));
      if (!isCurrent()) return null;
    }
    for (const item of rest) if (finds(answers.get(item))) hits.add(item);
    return candidates.filter((item) => hits.has(item));
  }

  let asked = 0;
  async function list() {
    asked += 1;
    const mine = asked;
    const query = form.query.value.trim();
    let items = generations.filter(passes).sort(orders[form.order.value]);
    let finds;
    try {
      finds = finderOf(query);
    } catch (error) {
      found.textContent = error.message;
      return;
    }
    if (query) items = await matching(items, finds, () => mine === asked);
    if (items === null || mine !== asked) return;
    listed = items;
    page = 0;
    draw();
  }

  function draw() {
    const shown = kind();
    const all = generations.filter((item) => shown.stages.includes(item.stage)).length;
    const asMatrix = form.view.value === "matrix";
    const rows = asMatrix ? matrix.rowsOf(listed) : listed;
    const size = asMatrix ? MATRIX_PAGE : PAGE;
    const pages = Math.max(1, Math.ceil(rows.length / size));
    const here = rows.slice(page * size, (page + 1) * size);
    find("#list").parentElement.hidden = asMatrix;
    find("#columns").hidden = asMatrix;
    find("#matrix").parentElement.hidden = !asMatrix;
    if (asMatrix) matrix.drawRows(find("#matrix"), here, listed);
    found.textContent = `${listed.length.toLocaleString("en")} of ${all.toLocaleString("en")} ${shown.plural}`;
    find("#list tbody").replaceChildren(
      ...(asMatrix ? [] : here).map((item) =>
        make(
          "tr",
          {},
          make("td", { class: "number of-ranks" }, item.rank === null ? "–" : item.band),
          make("th", { scope: "row" }, shown.stages.length > 1 && `${item.stage} `, link(item), item.cohorts && make("span", { class: "note" }, ` ${item.cohorts.replaceAll(" ", " and ")}`), item.begins && make("p", { class: "begins", dir: "auto" }, item.begins)),
          make("td", { class: "number of-score" }, share(item.mean)),
          make("td", { class: "wide of-scores" }, item.scores, item.people && ` people: ${item.people}`),
          make("td", { class: "wide of-state" }, ...stateOf(item)),
          make("td", { class: "of-compare" }, choiceOf(item)),
        ),
      ),
    );
    offerComparison();
    pager.hidden = pages === 1;
    pager.querySelector("span").textContent = `Page ${page + 1} of ${pages}`;
    back.disabled = page === 0;
    on.disabled = page === pages - 1;
  }

  // Two generations to compare: a third choice takes the place of the first.
  let chosen = [];
  function choiceOf(item) {
    const box = make("input", { type: "checkbox", "aria-label": `Compare ${nameOf(item)}, ${item.label}` });
    box.checked = chosen.includes(item);
    box.addEventListener("change", () => {
      chosen = box.checked ? [...chosen, item].slice(-2) : chosen.filter((one) => one !== item);
      draw();
      find(`#list input[aria-label="${CSS.escape(box.getAttribute("aria-label"))}"]`)?.focus();
    });
    return box;
  }
  function offerComparison() {
    const [first, second] = chosen;
    comparison.replaceChildren(
      ...(second ? [make("a", { href: `${route(first)}/with/${second.stage}/${second.id}` }, "The two chosen side by side")]
        : first ? ["Choose another one to see both side by side."] : []),
    );
  }

  function stateOf(item) {
    const wrong = !states.complete(item);
    const parts = [make("span", { class: wrong && "state" }, item.state)];
    if (item.stale) parts.push(" ", make("span", { class: "state" }, "stale"));
    if (item.replaced) parts.push(" ", "replaced an answer");
    if (item.doubt) parts.push(" ", make("span", { class: "state" }, "doubtful"));
    return parts;
  }

  function turn(step) {
    page += step;
    draw();
    find("#generations").scrollIntoView();
  }

  // One generation

  const { versions, siblingList, sideBySide } = comparerOf({ stages, make, route, link, unpack, scoresOf });
  const matrix = matrixOf({ make, route, share, comboOf });
  const { facts, bodyOf } = readerOf({ index, childStages, make, share, capital, route, link, unpack, comboOf });

  function neighbours(item) {
    const place = listed.indexOf(item);
    if (place < 0) return [];
    const step = (target, text) =>
      target ? make("a", { href: route(target), rel: text.toLowerCase() }, text) : null;
    return [
      step(listed[place - 1], "Previous"),
      make("span", {}, `${place + 1} of ${listed.length}`),
      step(listed[place + 1], "Next"),
    ];
  }

  async function open(item) {
    const [body, texts] = await Promise.all([bodyOf(item), unpack(item.chunk)]);
    const [text, ...rest] = body.filter(Boolean);
    const made = rest.pop();
    const content = [facts(item, texts[item.id]), text, versions(texts[item.id]), ...rest, siblingList(item, generations), made];
    const title = [capital(item.stage), comboOf(item) && ": ", make("bdi", {}, comboOf(item)), make("bdi", { class: "maker" }, item.name), make("bdi", { class: "mono" }, item.id)];
    present(route(item), title, neighbours(item), content);
    document.title = `${nameOf(item)}: ${index.cohort}`;
  }

  async function openBoth(first, second) {
    const body = await sideBySide(first, second);
    const way = [first, second].map((item) => make("a", { href: route(item) }, `${capital(item.stage)} ${item.label}`));
    present(`${route(first)}/with/${second.stage}/${second.id}`, ["Side by side"], way, body);
    document.title = `Side by side: ${index.cohort}`;
  }

  function present(hash, title, steps, body) {
    if (location.hash !== hash) return;
    const heading = make("h1", { id: "reader-title", tabindex: "-1" }, ...title);
    const way = make("nav", { class: "way", "aria-label": "Generations" }, make("a", { href: "#generations" }, "Back to the report"), ...steps.filter(Boolean));
    reader.replaceChildren(way, heading, ...body.filter(Boolean));
    overview.hidden = true;
    reader.hidden = false;
    window.scrollTo(0, 0);
    heading.focus({ preventScroll: true });
  }

  function close() {
    reader.hidden = true;
    reader.replaceChildren();
    overview.hidden = false;
    document.title = `${index.cohort}: cohort report`;
  }

  function go() {
    const [, kind, name, ...rest] = location.hash.split("/");
    const item = byId.get(`${kind}/${name}`);
    const other = rest[0] === "with" && byId.get(`${rest[1]}/${rest[2]}`);
    if (item) {
      if (other) openBoth(item, other);
      else open(item);
      return;
    }
    const returns = !reader.hidden;
    close();
    if (kind === "list") {
      form.reset();
      if (name in states) form.state.value = name;
      const match = generations.find((one) => states[form.state.value](one) && (!rest[0] || one.stage === rest[0]));
      if (match && name !== "all") form.stage.value = match.stage;
      offer();
      list();
      find("#generations").scrollIntoView();
      find("#generations-title").focus({ preventScroll: true });
    } else if (returns && location.hash === "#generations" && came.link) {
      window.scrollTo(0, came.top);
      came.link.focus({ preventScroll: true });
    } else if (returns && location.hash) {
      document.getElementById(location.hash.slice(1))?.scrollIntoView();
    }
  }

  // Events

  let waiting = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    if (event.target === form.stage) offer();
    waiting = setTimeout(list, event.target === form.query ? 200 : 0);
  });
  form.addEventListener("reset", () => setTimeout(() => { offer(); list(); }));
  form.addEventListener("submit", (event) => { event.preventDefault(); list(); });
  find("#columns").addEventListener("input", ({ target }) => find("#list").classList.toggle(`without-${target.value}`, !target.checked));
  back.addEventListener("click", () => turn(-1));
  on.addEventListener("click", () => turn(1));
  overview.addEventListener("click", (event) => {
    const target = event.target.closest("a[href^='#/']");
    if (target) came = { top: window.scrollY, link: target };
  });
  document.addEventListener("keydown", (event) => {
    if (reader.hidden || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
    if (event.key === "Escape") location.hash = "#generations";
    const step = { ArrowLeft: "previous", ArrowRight: "next" }[event.key];
    if (step) reader.querySelector(`a[rel="${step}"]`)?.click();
  });
  window.addEventListener("hashchange", go);

  offer();
  list();
  go();
})();
