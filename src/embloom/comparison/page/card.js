"use strict";
// One map with its name, the buttons that save it, and the neighbors of the point that is marked.

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
  if (group.words.length) return [el("b", {}, group.words[i]), ...lines];
  return [...(group.sprite ? [thumb(group, i, 96)] : []), el("b", {}, `sample ${i}`), ...lines];
}

function mapCard(link, map, title, mark) {
  const { group, state } = link;
  const canvas = el("canvas", { role: "img", "aria-label": `map of ${title}` });
  const near = whole(map.near);
  const places = Object.fromEntries(Object.entries(map.places).map(([key, text]) => [key, new Int16Array(bytes(text))]));
  const list = el("div", { class: "near" });
  const view = new MapView(canvas, group, { hover: link.hover, pick: (i) => link.pick(i === state.picked ? -1 : i) });
  let shown = -2;
  const card = {
    view,
    show: (look) => view.show(places[state.method] || places[link.methods[0].key], look),
    mark: () => {
      const { picked, hovered, found } = state;
      const neighbors = picked < 0 ? [] : Array.from(near.subarray(picked * map.k, (picked + 1) * map.k));
      view.mark({ first: picked, near: neighbors, hover: hovered, found });
      if (picked === shown) return;
      shown = picked;
      if (picked >= 0) view.reveal(picked);
      list.replaceChildren(...(picked < 0 ? [] : [link.item(picked, true), "→", ...neighbors.map((i) => link.item(i))]));
    },
  };
  card.node = el("div", { class: "map" }, el("div", { class: "head" }, el("h3", { title: map.name }, mark, el("span", {}, title), el("small", {}, `${map.width} dimensions`)), exportButtons(view, title)), canvas, list);
  return card;
}

// What the maps of a group share: what is marked, hovered, searched and hidden in one is so in all.
class Link {
  constructor(group) {
    this.group = group;
    this.methods = [...group.methods, ...(group.axes.length ? [{ key: "axes", name: "axes", limits: axesLimits(group) }] : [])];
    const first = group.axes.length ? "axes" : this.methods[this.methods.length - 1].key;
    this.state = { coloring: 0, method: first, off: new Set(), picked: -1, hovered: -1, found: [], regions: true, written: true };
    this.cards = [];
    this.hover = (i, event) => {
      if (i >= 0) showTip(event, ...describe(group, i));
      else hideTip();
      if (i === this.state.hovered) return;
      this.state.hovered = i;
      this.sync();
    };
    this.pick = (i) => {
      this.state.picked = i;
      this.sync();
    };
    whenColorsChange(() => this.draw());
  }

  draw() {
    painter.forget(this.look?.colors);
    this.look = lookOf(this.group, this.state);
    for (const card of this.cards) card.show(this.look);
    this.sync();
  }

  sync() {
    for (const card of this.cards) card.mark();
  }

  // A point as a thumbnail or by its name; a click marks it.
  item(i, first) {
    const { group } = this;
    const again = () => this.pick(i);
    const node = group.sprite ? thumb(group, i, 36, again) : el("button", { class: "word", onclick: again }, group.words.length ? group.words[i] : `sample ${i}`);
    if (first) node.classList.add("first");
    node.addEventListener("mousemove", (event) => this.hover(i, event));
    node.addEventListener("mouseleave", (event) => this.hover(-1, event));
    return node;
  }
}

function axesLimits(group) {
  const how = group.metric === "angle" ? "its cosine with that direction" : "how far it lies along that direction from the middle";
  return `Axes by formula: a point's place is ${how}. Both axes have one scale. Directions that are asked for always show something: where words stand that you did not think of is what tells.`;
}
