"use strict";
// The table of settings and numbers, what was kept label by label, and the notes.

function numbersTable() {
  const { keys, columns } = data.table;
  let by = data.table.sorted;
  let up = false;
  const body = el("tbody");
  const heads = [];
  const seeds = data.rows.some((row) => row.runs.length > 1);

  function draw(order) {
    body.replaceChildren(...order.map((i) => line(i)));
    const chance = columns.some((column) => column.chance !== null);
    if (chance) {
      const cells = columns.map((column) => el("td", { class: "number" }, column.chance === null ? "" : number(column.chance)));
      body.append(el("tr", { class: "chance" }, el("td", {}, "chance"), ...keys.map(() => el("td")), ...(seeds ? [el("td")] : []), ...cells));
    }
    heads.forEach((head) => head.classList.toggle("sorted", head.dataset.by === by));
  }

  function line(i) {
    const row = data.rows[i];
    const cells = columns.map((column) => {
      const [mean, deviation] = column.cells[i];
      const means = column.cells.map((cell) => cell[0]).filter((value) => value !== null);
      const best = means.length > 1 && mean === (column.low ? Math.min(...means) : Math.max(...means));
      const spread = deviation === null ? null : el("span", { class: "spread" }, " ±" + number(deviation));
      return el("td", { class: best ? "number best" : "number" }, number(mean), spread);
    });
    const states = [...new Set(row.runs.map((run) => run.state))].filter((state) => state !== "finished");
    const name = el("td", { class: "long", title: row.runs.map((run) => run.folder).join("\n") }, dot(rowColor(i)), row.name, states.length ? ` (${states.join(", ")})` : "");
    const settings = keys.map((key) => el("td", { class: "long", title: row.settings[key] ?? "" }, row.settings[key] ?? "–"));
    return el("tr", {}, name, ...settings, ...(seeds ? [el("td", { class: "number" }, row.runs.length)] : []), ...cells);
  }

  function sorted(name, value, first) {
    up = by === name ? !up : first;
    by = name;
    const order = data.rows.map((_, i) => i);
    order.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
    });
    draw(order);
  }

  function head(name, label, value, first, kind) {
    const node = el("th", { class: kind, title: name, onclick: () => sorted(name, value, first) }, label);
    node.dataset.by = name;
    heads.push(node);
    return node;
  }

  const setting = (key) => (i) => {
    const text = data.rows[i].settings[key];
    return text === undefined ? null : Number.isFinite(Number(text)) ? Number(text) : text;
  };
  const titles = el("tr", {}, head("run", "run", (i) => data.rows[i].name, true, ""),
    ...keys.map((key) => head(key, short(key), setting(key), true, "")),
    ...(seeds ? [head("runs", "runs", (i) => data.rows[i].runs.length, true, "number")] : []),
    ...columns.map((column) => head(column.tag, column.label, (i) => column.cells[i][0], column.low, "number")));
  draw(data.rows.map((_, i) => i));
  const hints = ["Click a heading to sort; the best is bold."];
  if (seeds) hints.push("Mean ± standard deviation over runs that differ by their seed only.");
  if (data.table.alone) hints.push("Losses are shown only where several rows have the same loss configuration and data: others cannot be compared.");
  section("table", "Settings and scores", hints.join(" "), el("div", { class: "scroll" }, el("table", {}, el("thead", {}, titles), body)));
}

const SHAPES = [{ borderRadius: "50%" }, { borderRadius: "1px" }, { borderRadius: "1px", transform: "rotate(45deg)" }, { borderRadius: "50% 0" }];

function keptSection() {
  if (!data.kept.length) return;
  const probes = [...new Set(data.kept.flatMap((entry) => Object.keys(entry.probes)))];
  const legend = el("div", { class: "runs" }, ...probes.map((probe, i) =>
    el("span", {}, el("span", { class: "dot", style: { background: "#667085", ...SHAPES[i % SHAPES.length] } }), probe)),
    el("span", { style: { color: "#667085" } }, "┊ dashed: chance (the most frequent class)"));
  const cards = data.kept.map((entry) => {
    const lines = data.rows.map((row, i) => {
      const values = Object.entries(entry.probes).map(([probe, cells]) => [probe, ...cells[i]]).filter((cell) => cell[1] !== null);
      const best = values.length ? Math.max(...values.map((cell) => cell[1])) : null;
      const marks = values.map(([probe, mean, deviation]) =>
        el("b", { title: `${probe} ${number(mean)}${deviation === null ? "" : " ±" + number(deviation)}`,
          style: { left: 100 * Math.min(1, Math.max(0, mean)) + "%", background: rowColor(i), ...SHAPES[probes.indexOf(probe) % SHAPES.length] } }));
      const track = el("div", { class: "track" }, el("i", { style: { width: 100 * (best ?? 0) + "%", background: rowColor(i) } }),
        el("u", { style: { left: 100 * entry.chance + "%" } }), ...marks);
      return el("div", { class: "keptrow" }, el("div", { class: "who", title: row.name }, dot(rowColor(i)), el("span", {}, row.name)), track,
        el("div", { class: "value" }, number(best, 3)));
    });
    return el("div", { class: "card" }, el("h3", {}, entry.label, el("span", { class: "hint", style: { fontWeight: 400 } }, `  chance ${number(entry.chance, 3)}`)), ...lines);
  });
  section("kept", "What each embedding kept", "How often a probe on the frozen embedding finds the class; the number is the best probe's.", legend, el("div", { class: "cards" }, ...cards));
}

function notesSection() {
  const states = data.rows.flatMap((row) => row.runs).filter((run) => run.state !== "finished");
  const lines = [...data.notes, ...states.map((run) => `${run.folder} is ${run.state}${run.reason ? ": " + run.reason : ""}`)];
  if (lines.length) section("notes", "Notes", "", el("ul", { class: "notes" }, ...lines.map((line) => el("li", {}, line))));
}

numbersTable();
keptSection();
