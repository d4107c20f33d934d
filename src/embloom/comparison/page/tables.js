"use strict";
// The table of settings and numbers, what was kept label by label, and the notes.

// A table that a click on a heading sorts. columns: {name, label, kind, value(i), cell(i), low}.
function sortable(columns, sorted, lastLine) {
  const body = el("tbody");
  let by = sorted;
  let up = false;
  const heads = columns.map((column) => el("th", { class: column.kind, title: column.name, onclick: () => sort(column) }, column.label));

  function draw(order) {
    body.replaceChildren(...order.map((i) => el("tr", {}, ...columns.map((column) => column.cell(i)))));
    if (lastLine) body.append(lastLine);
    heads.forEach((head, i) => head.classList.toggle("sorted", columns[i].name === by));
  }

  function sort(column) {
    up = by === column.name ? !up : column.low;
    by = column.name;
    const order = data.rows.map((_, i) => i);
    order.sort((a, b) => {
      const [x, y] = [column.value(a), column.value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
    });
    draw(order);
  }

  draw(data.rows.map((_, i) => i));
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body));
}

function nameColumn() {
  const cell = (i) => {
    const { name, runs } = data.rows[i];
    const states = [...new Set(runs.map((run) => run.state))].filter((state) => state !== "finished");
    return el("td", { class: "long", title: runs.map((run) => run.folder).join("\n") }, dot(rowColor(i)), name, states.length ? ` (${states.join(", ")})` : "");
  };
  return { name: "run", label: "run", kind: "", low: true, value: (i) => data.rows[i].name, cell };
}

function settingColumn(key) {
  const text = (i) => data.rows[i].settings[key];
  const value = (i) => (text(i) === undefined ? null : Number.isFinite(Number(text(i))) ? Number(text(i)) : text(i));
  return { name: key, label: short(key), kind: "", low: true, value, cell: (i) => el("td", { class: "long", title: text(i) ?? "" }, text(i) ?? "–") };
}

function scoreColumn({ tag, label, low, cells }) {
  const means = cells.map((cell) => cell[0]).filter((value) => value !== null);
  const top = low ? Math.min(...means) : Math.max(...means);
  const cell = (i) => {
    const [mean, deviation] = cells[i];
    const spread = deviation === null ? null : el("span", { class: "spread" }, " ±" + number(deviation));
    return el("td", { class: means.length > 1 && mean === top ? "number best" : "number" }, number(mean), spread);
  };
  return { name: tag, label, kind: "number", low, value: (i) => cells[i][0], cell };
}

const MANY_SETTINGS = 4;

function numbersTable() {
  const { keys, columns, alone, sorted } = data.table;
  const seeds = data.rows.some((row) => row.runs.length > 1);
  const settings = keys.map(settingColumn);
  if (seeds) settings.push({ name: "runs", label: "runs", kind: "number", low: true, value: (i) => data.rows[i].runs.length, cell: (i) => el("td", { class: "number" }, data.rows[i].runs.length) });
  const apart = settings.length > MANY_SETTINGS;
  const before = [nameColumn(), ...(apart ? [] : settings)];
  const levels = columns.map((column) => el("td", { class: "number" }, column.chance === null ? "" : number(column.chance)));
  const chance = columns.some((column) => column.chance !== null)
    ? el("tr", { class: "chance" }, el("td", {}, "chance"), ...before.slice(1).map(() => el("td")), ...levels) : null;
  const hints = ["Click a heading to sort; the best is bold."];
  if (seeds) hints.push("Mean ± standard deviation over runs that differ by their seed only.");
  if (alone) hints.push("Losses are shown only where several rows have the same loss configuration and data: others cannot be compared.");
  section("table", "Settings and scores", hints.join(" "), apart ? sortable([nameColumn(), ...settings], "") : null,
    sortable([...before, ...columns.map(scoreColumn)], sorted, chance));
}

const SHAPES = [{ borderRadius: "50%" }, { borderRadius: "1px" }, { borderRadius: "1px", transform: "rotate(45deg)" }, { borderRadius: "50% 0" }];

function keptSection() {
  if (!data.kept.length) return;
  const probes = [...new Set(data.kept.flatMap((entry) => Object.keys(entry.probes)))];
  const legend = el("div", { class: "runs" }, ...probes.map((probe, i) =>
    el("span", {}, el("span", { class: "dot", style: { background: "#667085", ...SHAPES[i % SHAPES.length] } }), probe)),
    el("span", { style: { color: "#667085" } }, "┊ dashed: chance (the most frequent class)"));
  const cards = data.kept.map((entry) => {
    const there = data.rows.map((_, i) => i).filter((i) => Object.values(entry.probes).some((cells) => cells[i][0] !== null));
    const names = trimmed(there.map((i) => data.rows[i].name));
    const levels = [...new Set(there.map((i) => entry.chance[i]))];
    const lines = there.map((i, place) => {
      const values = Object.entries(entry.probes).map(([probe, cells]) => [probe, ...cells[i]]).filter((cell) => cell[1] !== null);
      const best = values.length ? Math.max(...values.map((cell) => cell[1])) : null;
      const marks = values.map(([probe, mean, deviation]) =>
        el("b", { title: `${probe} ${number(mean)}${deviation === null ? "" : " ±" + number(deviation)}`,
          style: { left: 100 * Math.min(1, Math.max(0, mean)) + "%", background: rowColor(i), ...SHAPES[probes.indexOf(probe) % SHAPES.length] } }));
      const track = el("div", { class: "track" }, el("i", { style: { width: 100 * (best ?? 0) + "%", background: rowColor(i) } }),
        entry.chance[i] === null ? null : el("u", { title: `chance ${number(entry.chance[i])}`, style: { left: 100 * entry.chance[i] + "%" } }), ...marks);
      return el("div", { class: "keptrow" }, el("div", { class: "who", title: data.rows[i].name }, dot(rowColor(i)), el("span", {}, names[place])), track,
        el("div", { class: "value" }, number(best, 3)));
    });
    return el("div", { class: "card" }, el("h3", {}, entry.label, el("span", { class: "hint", style: { fontWeight: 400 } }, levels.length === 1 ? `  chance ${number(levels[0], 3)}` : "")), ...lines);
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
