"use strict";
// Loss curves and the like, laid over each other.

function joined(series) {
  const steps = [...new Set(series.flatMap((one) => one.x))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, i) => [step, i]));
  // undefined is a step that this run did not log: the line goes on over it.
  const columns = series.map((one) => {
    const column = new Array(steps.length);
    one.x.forEach((step, i) => (column[place.get(step)] = one.y[i]));
    return column;
  });
  return [steps, ...columns];
}

function chart(entry, log) {
  const holder = el("div", { class: "card" }, el("h3", {}, entry.tag, el("span", { class: "hint", style: { fontWeight: 400 } }, entry.note ? "  " + entry.note : "")));
  const base = { width: 400, height: 230, legend: { show: false }, scales: { x: { time: false }, y: { distr: log ? 3 : 1 } } };
  const axis = { stroke: "#667085", grid: { stroke: "#eef1f5", width: 1 }, ticks: { stroke: "#e4e7ec" }, font: "11px system-ui, sans-serif" };
  const series = entry.series.map((one) => ({ stroke: rowColor(one.row), width: 1.6, spanGaps: true, points: { show: one.x.length < 40, size: 4 } }));
  const plot = new uPlot({
    ...base,
    axes: [axis, { ...axis, size: 56 }],
    cursor: { focus: { prox: 24 }, points: { size: 7 } },
    focus: { alpha: 0.25 },
    series: [{}, ...series],
    hooks: { setSeries: [(u, i) => (u.focused = i)] },
  }, joined(entry.series), holder);
  plot.over.addEventListener("mousemove", (event) => {
    const i = plot.focused;
    const at = plot.cursor.idxs ? plot.cursor.idxs[i] : plot.cursor.idx;
    if (!i || at === null || at === undefined) return hideTip();
    const one = entry.series[i - 1];
    showTip(event, el("b", {}, one.name), `step ${plot.data[0][at]}: ${Number(plot.data[i][at]).toPrecision(4)}`);
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
  const names = rows.map((row) => el("span", {}, dot(rowColor(row)), data.rows[row].name));
  section("curves", "Curves", "By training step. Losses share a chart only where their configuration is equal. Drag to zoom in, double-click to zoom out.",
    el("div", { class: "controls" }, toggle, el("div", { class: "runs", style: { margin: 0 } }, ...names)), charts);
  draw();
}
