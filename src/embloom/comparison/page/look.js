"use strict";
// How the points of a group are drawn now, and the legend that says so and filters.

const LEGEND_SHOWN = 48;

// codes: the class or step of each point; palette: their colors; off: classes that are hidden.
function lookOf(group, state) {
  const label = group.labels[state.coloring];
  const scale = group.scales[state.coloring - group.labels.length];
  const codes = label ? group.classes[state.coloring] : scale ? new Uint8Array(bytes(scale.values)) : new Uint8Array(group.count);
  const palette = label ? classColors(label.classes) : scale ? scaleColors() : [TEN[0]];
  const rgbs = palette.map(rgb);
  const faint = rgb(ink("faint"));
  const colors = new Uint8Array(4 * group.count);
  for (let i = 0; i < group.count; i++) {
    const hidden = state.off.has(codes[i]);
    const color = hidden ? faint : rgbs[codes[i]];
    colors[4 * i] = color[0];
    colors[4 * i + 1] = color[1];
    colors[4 * i + 2] = color[2];
    colors[4 * i + 3] = hidden ? 0 : 255;
  }
  return {
    codes, palette, colors, off: state.off, names: label ? label.classes : [], order: group.order, found: state.found,
    regions: state.regions && !!label, written: state.written, centered: state.method === "axes",
  };
}

function legendOf(group, state, changed) {
  const node = el("div", { class: "legend" });
  let wanted = "";
  const filter = el("input", { placeholder: "find a class", class: "small", oninput: () => { wanted = filter.value.toLowerCase(); draw(); } });

  function chip(label, palette, counts, i) {
    const button = el("button", { title: `${label.classes[i]}: click to hide or show, double-click to see it alone`, class: state.off.has(i) ? "off" : "", "aria-pressed": String(!state.off.has(i)) },
      dot(palette[i]), el("span", { class: "name" }, label.classes[i]), el("small", {}, counts[i].toLocaleString("en")));
    button.addEventListener("click", () => { state.off.has(i) ? state.off.delete(i) : state.off.add(i); draw(); changed(); });
    button.addEventListener("dblclick", () => {
      const alone = label.classes.every((_, j) => state.off.has(j) !== (j === i));
      state.off = new Set(alone ? [] : label.classes.map((_, j) => j).filter((j) => j !== i));
      draw();
      changed();
    });
    return button;
  }

  function draw() {
    const label = group.labels[state.coloring];
    const scale = group.scales[state.coloring - group.labels.length];
    if (scale) return node.replaceChildren(el("span", {}, number(scale.low)), el("span", { class: "ramp", style: { background: `linear-gradient(to right, ${VIRIDIS.join(",")})` } }), el("span", {}, number(scale.high)));
    if (!label) return node.replaceChildren();
    const palette = classColors(label.classes);
    const counts = new Array(label.classes.length).fill(0);
    for (const code of group.classes[state.coloring]) counts[code]++;
    const fitting = label.classes.map((_, i) => i).filter((i) => label.classes[i].toLowerCase().includes(wanted));
    const many = label.classes.length > LEGEND_SHOWN;
    const all = el("button", { class: "plain", onclick: () => { state.off = new Set(state.off.size ? [] : label.classes.map((_, i) => i)); draw(); changed(); } }, state.off.size ? "show all" : "hide all");
    node.replaceChildren(...(many ? [filter] : []), ...fitting.slice(0, LEGEND_SHOWN).map((i) => chip(label, palette, counts, i)),
      ...(fitting.length > LEGEND_SHOWN ? [el("small", {}, `and ${fitting.length - LEGEND_SHOWN} more: find them by name`)] : []), all);
    if (many && wanted) filter.focus();
  }

  return { node, draw };
}
