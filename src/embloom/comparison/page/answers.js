"use strict";
// Which setting is best, what each setting explains, and the settings as parallel coordinates.

function bestSection() {
  const answer = data.answer;
  if (!answer) return;
  const signed = (value) => (value > 0 ? "+" : "") + number(value);
  const cell = (text, kind = "number") => el("td", { class: kind }, text);
  const lines = answer.records.map((one, i) => {
    const name = el("td", { class: "long" }, badge(answer.rows[i]), one.name);
    const mean = el("td", { class: i ? "number" : "number best" }, number(one.mean), one.std === null ? null : el("span", { class: "spread" }, " ±" + number(one.std)));
    if (!i) return el("tr", {}, name, mean, cell(one.seeds), cell(""), cell(""), cell("the best mean", ""), cell(""));
    const range = one.low === null ? "unknown" : `${signed(one.low)} … ${signed(one.high)}`;
    const verdict = (one.settled ? "the best is better" : "cannot tell") + (one.paired ? ", paired" : "");
    return el("tr", {}, name, mean, cell(one.seeds), cell(signed(one.behind)), cell(range), cell(verdict, ""), cell(one.settled ? "" : one.seeds_needed ?? "–"));
  });
  const heads = [["setting", ""], [answer.by, "number"], ["seeds", "number"], ["the best is ahead by", "number"], ["interval", "number"], ["", ""], ["seeds to settle it", "number"]];
  section("best", "Which is best", answer.hint,
    el("p", {}, answer.verdict),
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads.map(([text, kind]) => el("th", { class: kind }, text)))), el("tbody", {}, ...lines))));
}

function importanceSection() {
  if (!data.importance.length) return;
  const lines = data.importance.map(([key, share]) =>
    el("div", { class: "keptrow" }, el("div", { class: "who", title: key }, el("span", {}, key === "seed" ? "the seed" : short(key))),
      el("div", { class: "track" }, el("i", { style: { width: 100 * share + "%", background: key === "seed" ? "var(--soft)" : "var(--mark)" } })),
      el("div", { class: "value" }, Math.round(100 * share) + " %")));
  section("importance", "What each setting explains", `The share of the variance of ${data.parallel.by} that the means of a setting's values explain (epsilon squared); the rest is the seed, and what settings do together.`,
    el("div", { class: "cards" }, el("div", { class: "card" }, ...lines)));
}

function svg(tag, options = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(options)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Places 0..1 on an axis: numbers by size, else names in order.
function axisOf(name, texts, low) {
  const known = texts.filter((text) => text !== undefined && text !== null);
  const numbers = known.map(Number);
  if (known.length && numbers.every(Number.isFinite) && new Set(numbers).size > 1) {
    const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
    const log = least > 0 && most / least >= 20;
    const scale = (value) => (log ? Math.log(value) : value);
    const place = (text) => (scale(Number(text)) - scale(least)) / (scale(most) - scale(least));
    const marks = new Set(numbers).size <= 8 ? [...new Set(numbers)] : [least, most];
    return { name, place: (text) => (low ? 1 - place(text) : place(text)), marks };
  }
  const marks = [...new Set(known)];
  return { name, place: (text) => (marks.length > 1 ? marks.indexOf(text) / (marks.length - 1) : 0.5), marks };
}

function parallelSection() {
  const { by, low, values } = data.parallel;
  const keys = data.table.keys.filter((key) => key !== "seed");
  if (!by || keys.length < 2 || data.rows.length < 3) return;
  const axes = [...keys.map((key) => axisOf(key, data.rows.map((row) => row.settings[key]))), axisOf(by, values, low)];
  const text = (row, i) => (i < keys.length ? data.rows[row].settings[keys[i]] : values[row]);
  const [width, height, left, top] = [Math.max(640, 220 * axes.length), 320, 90, 34];
  const x = (i) => left + (i * (width - 2 * left)) / (axes.length - 1);
  const y = (place) => top + (1 - place) * (height - top - 24);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, role: "img", style: "max-width: 100%; height: auto" });
  const paths = data.rows.map((row, r) => {
    const points = axes.map((axis, i) => [i, text(r, i)]).filter(([, t]) => t !== undefined && t !== null).map(([i, t]) => `${x(i)},${y(axes[i].place(t))}`);
    const path = svg("polyline", { points: points.join(" "), fill: "none", style: `stroke: ${rowColor(r)}`, "stroke-width": 2, "stroke-opacity": 0.75 });
    path.addEventListener("mousemove", (event) => {
      paths.forEach((other) => other.setAttribute("stroke-opacity", other === path ? 1 : 0.12));
      showTip(event, el("b", {}, row.name), values[r] === null ? "" : `${by} ${number(values[r])}`);
    });
    path.addEventListener("mouseleave", () => { paths.forEach((other) => other.setAttribute("stroke-opacity", 0.75)); hideTip(); });
    return path;
  });
  picture.append(...paths);
  axes.forEach((axis, i) => {
    const title = svg("text", { x: x(i), y: 16, "text-anchor": "middle", "font-size": 12, "font-weight": 600, style: "fill: var(--ink)" }, i < keys.length ? short(axis.name) : axis.name);
    picture.append(svg("line", { x1: x(i), x2: x(i), y1: y(0), y2: y(1), style: "stroke: var(--soft)" }), title);
    for (const mark of axis.marks) {
      const shown = typeof mark === "number" ? String(Number(mark.toPrecision(4))) : String(mark);
      picture.append(svg("text", { x: x(i) + 6, y: y(axis.place(mark)) + 4, "font-size": 11, style: "fill: var(--soft); stroke: var(--card)", "paint-order": "stroke", "stroke-width": 3 }, shown.length > 20 ? shown.slice(0, 19) + "…" : shown));
    }
  });
  section("parallel", "Settings side by side", "A line for each setting, through its values to its score (the mean over seeds); better is higher up.", el("div", { class: "card scroll" }, picture));
}
