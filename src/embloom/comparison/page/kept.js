"use strict";
// What was kept label by label, beside the level of chance.

const SHAPES = [{ borderRadius: "50%" }, { borderRadius: "1px" }, { borderRadius: "1px", transform: "rotate(45deg)" }, { borderRadius: "50% 0" }];

function keptSection() {
  if (!data.kept.length) return;
  const probes = [...new Set(data.kept.flatMap((entry) => Object.keys(entry.probes)))];
  const legend = el("div", { class: "runs" }, ...probes.map((probe, i) =>
    el("span", {}, el("span", { class: "dot", style: { background: "var(--soft)", ...SHAPES[i % SHAPES.length] } }), probe)),
    el("span", { style: { color: "var(--soft)" } }, "┊ dashed: chance (the most frequent class)"));
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
      return el("div", { class: "keptrow" }, el("div", { class: "who", title: data.rows[i].name }, badge(i), el("span", {}, names[place])), track,
        el("div", { class: "value" }, number(best, 3)));
    });
    return el("div", { class: "card" }, el("h3", {}, entry.label, el("span", { class: "hint", style: { fontWeight: 400 } }, levels.length === 1 ? `  chance ${number(levels[0], 3)}` : "")), ...lines);
  });
  section("kept", "What each embedding kept", "How often a probe on the frozen embedding finds the class; the number is the best probe's.", legend, el("div", { class: "cards" }, ...cards));
}
