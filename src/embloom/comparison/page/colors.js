"use strict";
// Colors of classes, of runs and of numbers; of runs they are others than of classes, and they follow the system's theme.

const TEN = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"];
const RUNS = {
  light: ["#0a2bd6", "#856600", "#700047", "#00576b", "#d60066", "#3d0085", "#1c4a12", "#b814d6"],
  dark: ["#9db8ff", "#ffe08a", "#ffc2e8", "#29ebb8", "#ffb199", "#d9b3ff", "#b8f08a", "#ff5cff"],
};
// Colors that are close to white or to the ground would not be seen.
const DARKER = { yellow: "#eab308", white: "#d0d5dd", lime: "#65a30d", cyan: "#06b6d4", black: "#475467" };
const VIRIDIS = ["#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];

const darkTheme = matchMedia("(prefers-color-scheme: dark)");
const redraws = [];

// Calls `draw` now, and again whenever the theme or the colors of runs change.
function whenColorsChange(draw) {
  redraws.push(draw);
}

// What a variable of the style sheet stands for now, for canvases.
function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

function wheel(index, count, strong) {
  return strong ? `hsl(${Math.round((index * 360) / count)} 65% ${index % 2 ? 40 : 55}%)`
    : `hsl(${Math.round((index * 360) / count)} ${darkTheme.matches ? "90% 78%" : "100% 26%"})`;
}

// A run's color as the style sheet knows it, for elements; and as it is now, for canvases.
function rowColor(row) {
  return `var(--row${row})`;
}
function rowPaint(row) {
  return ink("row" + row);
}

// Runs are told apart one by one, or by the value of a setting.
function colorRuns(by) {
  const values = data.rows.map((row, i) => (by ? row.settings[by] ?? "–" : String(i)));
  const known = [...new Set(values)];
  const own = RUNS[darkTheme.matches ? "dark" : "light"];
  values.forEach((value, i) => {
    const place = known.indexOf(value);
    const color = known.length <= own.length ? own[place] : wheel(place, known.length, false);
    document.documentElement.style.setProperty("--row" + i, color);
  });
  for (const draw of redraws) draw();
}

// Classes that are called after colours are drawn in them.
function classColors(classes) {
  const named = classes.map((name) => name.toLowerCase().split("_").pop());
  if (classes.length > 1 && named.every((name) => /^[a-z]+$/.test(name) && CSS.supports("color", name)))
    return named.map((name) => DARKER[name] || name);
  return classes.map((_, index) => (classes.length <= TEN.length ? TEN[index] : wheel(index, classes.length, true)));
}

// 256 steps of viridis.
function scaleColors() {
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (VIRIDIS.length - 1);
    const low = Math.min(VIRIDIS.length - 2, Math.floor(at));
    const part = (color, k) => parseInt(color.slice(1 + 2 * k, 3 + 2 * k), 16);
    const mixed = [0, 1, 2].map((k) => Math.round(part(VIRIDIS[low], k) + (at - low) * (part(VIRIDIS[low + 1], k) - part(VIRIDIS[low], k))));
    return `rgb(${mixed})`;
  });
}

// CSS colors -> red, green and blue, 0..255.
function rgb(color) {
  const canvas = rgb.canvas || (rgb.canvas = new OffscreenCanvas(1, 1));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

// What the runs are colored by, where there is a choice.
function runColorChoice() {
  const keys = data.table.keys.filter((key) => new Set(data.rows.map((row) => row.settings[key])).size < data.rows.length);
  if (data.rows.length < 3 || !keys.length) return;
  const choice = el("select", { onchange: () => colorRuns(choice.value) }, el("option", { value: "" }, "run"), ...keys.map((key) => el("option", { value: key }, short(key))));
  document.getElementById("nav").append(el("label", {}, "runs colored by ", choice));
}

darkTheme.addEventListener("change", () => colorRuns(document.querySelector("#nav select")?.value ?? ""));
