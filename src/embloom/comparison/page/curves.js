"use strict";
// Loss curves and the like, laid over each other.

function joined(series) {
  const steps = [...new Set(series.flatMap((one) => one.x))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, i) => [step, i]));
  // undefined is a step that this run did not log: the line goes on over it.
  const column = (one, values) => {
    const found = new Array(steps.length);
    one.x.forEach((step, i) => (found[place.get(step)] = values[i]));
    return found;
  };
  return [steps, ...series.flatMap((one) => [one.y, ...(one.low ? [one.high, one.low] : [])].map((values) => column(one, values)))];
}

function chart(entry, log) {
  const holder = el("div", { class: "card" }, el("h3", {}, entry.tag, el("span", { class: "hint", style: { fontWeight: 400 } }, entry.note ? "  " + entry.note : "")));
  const base = { width: 400, height: 230, legend: { show: false }, scales: { x: { time: false }, y: { distr: log ? 3 : 1 } } };
  const axis = { stroke: ink("soft"), grid: { stroke: ink("track"), width: 1 }, ticks: { stroke: ink("line") }, font: "11px system-ui, sans-serif" };
  const series = [];
  const bands = [];
  const owner = [null]; // of each line of the plot, which series it belongs to
  for (const one of entry.series) {
    series.push({ stroke: rowPaint(one.row), width: 1.6, spanGaps: true, points: { show: one.x.length < 40, size: 4 } });
    owner.push(one);
    if (!one.low) continue;
    bands.push({ series: [series.length + 1, series.length + 2], fill: `color-mix(in srgb, ${rowPaint(one.row)} 16%, transparent)` });
    for (let edge = 0; edge < 2; edge++) {
      series.push({ stroke: "transparent", width: 0, spanGaps: true, points: { show: false } });
      owner.push(one);
    }
  }
  const plot = new uPlot({
    ...base,
    axes: [axis, { ...axis, size: 56 }],
    cursor: { focus: { prox: 24 }, points: { size: 7 } },
    focus: { alpha: 0.25 },
    series: [{}, ...series],
    bands,
    hooks: { setSeries: [(u, i) => (u.focused = i)] },
  }, joined(entry.series), holder);
  plot.over.addEventListener("mousemove", (event) => {
    const i = plot.focused;
    const at = plot.cursor.idxs ? plot.cursor.idxs[i] : plot.cursor.idx;
    if (!i || at === null || at === undefined) return hideTip();
    const one = owner[i];
    const place = one.x.indexOf(plot.data[0][at]);
    if (place < 0) return hideTip();
    const shown = (value) => Number(value).toPrecision(4);
    const range = one.low ? `, ${shown(one.low[place])} to ${shown(one.high[place])}` : "";
    showTip(event, el("b", {}, one.name), `step ${one.x[place]}: ${shown(one.y[place])}${range}`);
  });
  plot.over.addEventListener("mouseleave", hideTip);
  new ResizeObserver(() => plot.setSize({ width: Math.max(200, holder.clientWidth - 26), height: 230 })).observe(holder);
  return holder;
}

function curvesSection() {
  if (!data.curves.length) return;
  const charts = el("div", { class: "charts" });
  let log = false;
  const positive = (entry) => entry.series.every((one) => one.y.every((value) => value === null || value > 0));
  const draw = () => charts.replaceChildren(...data.curves.map((entry) => chart(entry, log && positive(entry))));
  const toggle = el("button", { onclick: () => { log = !log; toggle.classList.toggle("on", log); draw(); } }, "logarithmic");
  const rows = [...new Set(data.curves.flatMap((entry) => entry.series.map((one) => one.row)))].sort((a, b) => a - b);
  const names = rows.map((row) => el("span", {}, badge(row), data.rows[row].name));
  section("curves", "Curves", (data.curves.some((entry) => entry.series.some((one) => one.low)) ? "By training step: the mean over seeds, in the band from the least to the greatest. " : "By training step. ") + "Losses share a chart only where their configuration is equal. Drag to zoom in, double-click to zoom out.",
    el("div", { class: "controls" }, toggle, el("div", { class: "runs", style: { margin: 0 } }, ...names)), charts);
  whenColorsChange(draw);
  draw();
}
