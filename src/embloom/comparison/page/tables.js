"use strict";
// The table of settings and numbers, what was kept label by label, and the notes.

// A table that a click on a heading sorts. columns: {name, label, kind, value(i), cell(i), low}; the first names the row.
// What does not fit beside each other goes on below, under the first column again: nothing is cut off.
function sortable(columns, sorted, lastLine) {
  const holder = el("div", { class: "tables" });
  let by = sorted;
  let up = false;
  let order = data.rows.map((_, i) => i);
  let parts = [columns];

  function sort(column) {
    up = by === column.name ? !up : column.low;
    by = column.name;
    order = data.rows.map((_, i) => i);
    order.sort((a, b) => {
      const [x, y] = [column.value(a), column.value(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
    });
    draw();
  }

  function table(part) {
    const heads = part.map((column) => el("th", { class: (column.kind + (column.name === by ? " sorted" : "")).trim(), title: column.name, onclick: () => sort(column) }, ...breakable(column.label)));
    const lines = order.map((i) => el("tr", {}, ...part.map((column) => column.cell(i))));
    if (lastLine) lines.push(el("tr", { class: "chance" }, ...part.map((column) => el("td", { class: column.kind }, lastLine(column)))));
    return el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...lines));
  }

  function draw() {
    holder.replaceChildren(...parts.map(table));
  }

  function arrange() {
    const room = holder.clientWidth;
    if (!room) return;
    parts = [columns];
    draw();
    const widths = [...holder.querySelectorAll("thead th")].map((head) => head.getBoundingClientRect().width);
    if (holder.firstChild.getBoundingClientRect().width <= room) return;
    parts = [];
    let used = Infinity;
    columns.slice(1).forEach((column, i) => {
      if (used + widths[i + 1] > room) {
        parts.push([columns[0]]);
        used = widths[0];
      }
      parts[parts.length - 1].push(column);
      used += widths[i + 1];
    });
    draw();
  }

  draw();
  let seen = 0;
  new ResizeObserver(() => {
    if (holder.clientWidth === seen) return;
    seen = holder.clientWidth;
    // Not at once: an observer that changes what it observes is an error.
    requestAnimationFrame(arrange);
  }).observe(holder);
  return holder;
}

// Long names of metrics may be broken after an underline or a slash.
function breakable(text) {
  return text.split(/(?<=[_/])/).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));
}

function nameColumn() {
  const cell = (i) => {
    const { name, runs } = data.rows[i];
    const states = [...new Set(runs.map((run) => run.state))].filter((state) => state !== "finished");
    return el("td", { class: "long", title: runs.map((run) => run.folder).join("\n") }, badge(i), name, states.length ? ` (${states.join(", ")})` : "");
  };
  return { name: "run", label: "run", kind: "", low: true, value: (i) => data.rows[i].name, cell };
}

function settingColumn(key) {
  const text = (i) => data.rows[i].settings[key];
  const value = (i) => (text(i) === undefined ? null : Number.isFinite(Number(text(i))) ? Number(text(i)) : text(i));
  return { name: key, label: short(key), kind: "", low: true, value, cell: (i) => el("td", { class: "long", title: text(i) ?? "" }, text(i) ?? "–") };
}

function scoreColumn({ tag, label, low, whole, cells }) {
  const means = cells.map((cell) => cell[0]).filter((value) => value !== null);
  const top = low ? Math.min(...means) : Math.max(...means);
  const cell = (i) => {
    const [mean, deviation] = cells[i];
    // A size is no score: none is the best.
    if (whole) return el("td", { class: "number" }, mean === null ? "–" : mean.toLocaleString("en"));
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
  const levels = new Map(columns.map((column) => [column.tag, column.chance === null ? "" : number(column.chance)]));
  const chance = columns.some((column) => column.chance !== null) ? (column) => (column.name === "run" ? "chance" : levels.get(column.name) ?? "") : null;
  const hints = ["Click a heading to sort; the best is bold."];
  if (seeds) hints.push("Mean ± standard deviation over runs that differ by their seed only.");
  if (alone) hints.push("Losses are shown only where several rows have the same loss configuration and data: others cannot be compared.");
  section("table", "Settings and scores", hints.join(" "), apart ? sortable([nameColumn(), ...settings], "") : null,
    sortable([...before, ...columns.map(scoreColumn)], sorted, chance));
}

function notesSection() {
  const states = data.rows.flatMap((row) => row.runs).filter((run) => run.state !== "finished");
  const lines = [...data.notes, ...states.map((run) => `${run.folder} is ${run.state}${run.reason ? ": " + run.reason : ""}`)];
  if (lines.length) section("notes", "Notes", "", el("ul", { class: "notes" }, ...lines.map((line) => el("li", {}, line))));
}
