"use strict";
// The maps of one set of points side by side, tied together; and how alike the embeddings are.

function thumb(group, i, size, onclick) {
  const { name, columns, width, height } = group.sprite;
  const scale = size / Math.max(width, height);
  const rows = Math.ceil(group.count / columns);
  const node = el("div", { class: "thumb " + name, style: {
    width: width * scale + "px", height: height * scale + "px",
    backgroundSize: `${columns * width * scale}px ${rows * height * scale}px`,
    backgroundPosition: `${-(i % columns) * width * scale}px ${-Math.floor(i / columns) * height * scale}px`,
  } });
  if (onclick) node.addEventListener("click", onclick);
  return node;
}

function describe(group, i) {
  const lines = group.labels.map((label, j) => el("div", {}, `${label.name}: ${label.classes[group.classes[j][i]]}`));
  if (group.kind === "words") return [el("b", {}, group.words[i]), ...lines];
  return [...(group.sprite ? [thumb(group, i, 96)] : []), el("b", {}, `sample ${i}`), ...lines];
}

function mapsSection(group, index) {
  if (group.sprite) {
    // One rule for all thumbnails: the picture is large.
    group.sprite.name = "sprite" + index;
    document.head.append(el("style", {}, `.sprite${index} { background-image: url(${group.sprite.url}); }`));
  }
  group.classes = group.labels.map((label) => new Int32Array(bytes(label.values)));
  const state = { label: 0, method: group.methods.length ? group.methods[group.methods.length - 1].key : "", off: new Set(), picked: -1 };
  const none = new Int32Array(group.count);
  const names = trimmed(group.maps.map((map) => map.name));
  const views = group.maps.map((map, i) => mapCard(group, map, names[i], state, () => sync()));
  let hovered = -1;

  function colors() {
    return group.labels.length ? classColors(group.labels[state.label].classes) : ["#1f77b4"];
  }
  function draw() {
    for (const view of views) view.map.show(view.places[state.method], colors(), group.classes[state.label] || none, state.off);
    sync();
  }
  function sync() {
    for (const view of views) view.mark(state.picked, hovered);
  }
  views.forEach((view) => {
    view.hover = (i, event) => {
      if (i >= 0) showTip(event, ...describe(group, i));
      else hideTip();
      if (i !== hovered) { hovered = i; sync(); }
    };
  });

  const legend = el("div", { class: "legend" });
  function drawLegend() {
    const label = group.labels[state.label];
    if (!label) return;
    const palette = colors();
    legend.replaceChildren(...label.classes.slice(0, 60).map((name, i) => {
      const button = el("button", { title: `${name}: click to hide or show, double-click to see it alone`, class: state.off.has(i) ? "off" : "" }, dot(palette[i]), el("span", {}, name));
      button.addEventListener("click", () => { state.off.has(i) ? state.off.delete(i) : state.off.add(i); drawLegend(); draw(); });
      button.addEventListener("dblclick", () => {
        const alone = label.classes.every((_, j) => state.off.has(j) !== (j === i));
        state.off = new Set(alone ? [] : label.classes.map((_, j) => j).filter((j) => j !== i));
        drawLegend();
        draw();
      });
      return button;
    }));
  }

  const methods = group.methods.map((method) => el("button", { class: method.key === state.method ? "on" : "", onclick: (event) => {
    state.method = method.key;
    methods.forEach((button) => button.classList.toggle("on", button === event.currentTarget));
    draw();
  } }, method.name));
  const labels = el("select", { onchange: () => { state.label = labels.selectedIndex; state.off.clear(); drawLegend(); draw(); } },
    ...group.labels.map((label) => el("option", {}, label.name)));
  const find = el("input", { placeholder: "find a word", list: `words${index}`, onchange: () => { const i = group.words.indexOf(find.value); if (i >= 0) { state.picked = i; sync(); } } });
  const clear = el("button", { onclick: () => { state.picked = -1; sync(); } }, "unmark");
  const controls = el("div", { class: "controls" }, el("div", {}, ...methods),
    group.labels.length > 1 ? el("label", {}, "coloured by", labels) : null,
    group.kind === "words" ? el("label", {}, find) : null, clear);
  const several = data.groups.length > 1 ? ` ${index + 1}` : "";
  const hint = `The same ${group.count.toLocaleString("en")} ${group.kind}${group.count < group.total ? ` of ${group.total.toLocaleString("en")}` : ""} in every map, turned to lie alike. `
    + `Click a point to mark it and its nearest neighbors, by ${group.metric} in each embedding itself (not in the map). Scroll to zoom, drag to move, double-click to reset.`;
  section("maps" + index, "Maps" + several, hint, controls, legend, el("div", { class: group.maps.length === 1 ? "maps one" : "maps" }, ...views.map((view) => view.node)));
  drawLegend();
  draw();
}

function mapCard(group, map, name, state, sync) {
  const canvas = el("canvas");
  const near = new Int32Array(bytes(map.near));
  const places = Object.fromEntries(Object.entries(map.places).map(([key, text]) => [key, new Int16Array(bytes(text))]));
  const list = el("div", { class: "near" });
  const view = { places, hover: () => {} };
  const pick = (i) => { state.picked = i; sync(); };
  view.map = new MapView(canvas, (i, event) => view.hover(i, event), (i) => pick(i === state.picked ? -1 : i));
  const item = (i, first) => {
    const again = () => pick(i);
    const node = group.sprite ? thumb(group, i, 36, again) : el("span", { class: "word", onclick: again }, group.words[i] ?? i);
    if (first) node.classList.add("first");
    node.addEventListener("mousemove", (event) => view.hover(i, event));
    node.addEventListener("mouseleave", (event) => view.hover(-1, event));
    return node;
  };
  let shown = -2;
  view.mark = (picked, hovered) => {
    const found = picked < 0 ? [] : Array.from(near.subarray(picked * map.k, (picked + 1) * map.k));
    view.map.mark(picked, found, hovered);
    if (picked === shown) return;
    shown = picked;
    list.replaceChildren(...(picked < 0 ? [] : [item(picked, true), "→", ...found.map((i) => item(i, false))]));
  };
  view.node = el("div", { class: "map" }, el("h3", { title: map.name }, dot(rowColor(map.row)), el("span", {}, name), el("small", {}, `${map.width} dimensions`)), canvas, list);
  return view;
}

function matrix(names, rows, values, low) {
  const tight = names.length > 16;
  const shade = (value) => {
    const part = value === null ? 0 : Math.min(1, Math.max(0, (value - low) / (1 - low)));
    return { background: `hsl(190 ${Math.round(30 + 50 * part)}% ${Math.round(97 - 62 * part)}%)`, color: part > 0.55 ? "#fff" : "#1f2430" };
  };
  const head = el("tr", {}, el("th"), ...names.map((name, i) => el("th", { title: name }, dot(rowColor(rows[i])))));
  const lines = values.map((line, i) => el("tr", {}, el("th", { title: names[i] }, dot(rowColor(rows[i])), names[i]),
    ...line.map((value, j) => el("td", { title: `${names[i]}\n${names[j]}\n${number(value)}`, style: shade(value) }, number(value, 2)))));
  return el("table", { class: tight ? "matrix tight" : "matrix" }, el("thead", {}, head), el("tbody", {}, ...lines));
}

function similaritySection(group, index) {
  const { rows, cka, overlap, chance, k } = group.similarity;
  const names = trimmed(group.similarity.names);
  if (names.length < 2) return;
  const several = data.groups.length > 1 ? ` ${index + 1}` : "";
  section("alike" + index, "Similarity" + several, `Between the embeddings themselves, over the same ${group.count.toLocaleString("en")} ${group.kind}.`,
    el("div", { class: "matrices" },
      el("div", {}, el("h3", {}, "Linear CKA"), el("p", { class: "hint" }, "1: the same but for rotation and scale"), matrix(names, rows, cka, 0)),
      el("div", {}, el("h3", {}, "Neighbor overlap"), el("p", { class: "hint" }, `shared among the ${k} nearest; by chance ${number(chance, 3)}`), matrix(names, rows, overlap, chance))));
}

data.groups.forEach(mapsSection);
data.groups.forEach(similaritySection);
curvesSection();
notesSection();
