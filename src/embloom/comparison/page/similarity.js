"use strict";
// How alike the embeddings are, each with each.

function matrix(names, rows, values, low) {
  const tight = names.length > 16;
  const shade = (value) => {
    const part = value === null ? 0 : Math.min(1, Math.max(0, (value - low) / (1 - low)));
    return { background: `color-mix(in srgb, var(--mark) ${Math.round(6 + 84 * part)}%, var(--card))`, color: part > 0.55 ? "var(--on-mark)" : "var(--ink)" };
  };
  const head = el("tr", {}, el("th"), ...names.map((name, i) => el("th", { title: name }, badge(rows[i]))));
  const lines = values.map((line, i) => el("tr", {}, el("th", { title: names[i] }, badge(rows[i]), names[i]),
    ...line.map((value, j) => el("td", { title: `${names[i]}\n${names[j]}\n${number(value)}`, style: shade(value) }, number(value, 2)))));
  return el("div", { class: "scroll" }, el("table", { class: tight ? "matrix tight" : "matrix" }, el("thead", {}, head), el("tbody", {}, ...lines)));
}

function similaritySection(group, index) {
  const { rows, cka, overlap, chance, k } = group.similarity;
  const names = trimmed(group.similarity.names);
  if (names.length < 2) return;
  section("alike" + index, "Similarity" + numbered(index), `Between the embeddings themselves, over the same ${group.count.toLocaleString("en")} ${group.kind}.`,
    el("div", { class: "matrices" },
      el("div", {}, el("h3", {}, "Linear CKA"), el("p", { class: "hint" }, "1: the same but for rotation and scale"), matrix(names, rows, cka, 0)),
      el("div", {}, el("h3", {}, "Neighbor overlap"), el("p", { class: "hint" }, `shared among the ${k} nearest; by chance ${number(chance, 3)}`), matrix(names, rows, overlap, chance))));
}
