"use strict";
// The maps of one set of points, tied together; and the layers of one run, from its input to its output.

function mapsSection(group, index) {
  prepare(group, index);
  const link = (group.link = new Link(group));
  const { state } = link;
  const alone = group.maps.length === 1;
  const names = trimmed(group.maps.map((map) => map.name));
  link.cards = group.maps.map((map, i) => mapCard(link, map, alone ? group.layer : names[i], alone ? null : badge(map.row)));
  const legend = legendOf(group, state, () => link.draw());
  const limits = el("p", { class: "hint limits" });
  const limit = () => (limits.textContent = link.methods.find((method) => method.key === state.method).limits);
  const methods = link.methods.map((method) => el("button", { class: method.key === state.method ? "on" : "", onclick: (event) => {
    state.method = method.key;
    methods.forEach((button) => button.classList.toggle("on", button === event.currentTarget));
    limit();
    link.draw();
  } }, method.name));
  const choices = [...group.labels, ...group.scales];
  const coloring = el("select", { onchange: () => { state.coloring = coloring.selectedIndex; state.off = new Set(); legend.draw(); link.draw(); } },
    ...choices.map((choice) => el("option", {}, choice.name)));
  const search = searchBox(group, state, link);
  const written = group.sprite ? "thumbnails" : group.words.length ? "names" : "";
  const controls = el("div", { class: "controls" }, el("div", { class: "methods" }, ...methods),
    choices.length > 1 ? el("label", {}, "colored by", coloring) : null, search.box,
    el("button", { onclick: () => { state.found = []; search.box.value = ""; search.hits.replaceChildren(); link.pick(-1); link.draw(); } }, "unmark"),
    group.labels.length ? toggle("regions", state, "regions", link) : null, written ? toggle(written, state, "written", link) : null);
  const hint = `${alone ? "" : "The same "}${group.count.toLocaleString("en")} ${group.kind}${group.count < group.total ? ` of ${group.total.toLocaleString("en")}` : ""}${alone ? "" : " in every map, turned to lie alike"}. `
    + `Click a point to mark it and its nearest neighbors, by ${group.metric} in ${alone ? "the" : "each"} embedding itself (not in the map). Scroll to zoom, drag to move, double-click to see all.`;
  section("maps" + index, (alone ? "Map" : "Maps") + numbered(index), hint, controls, search.hits, legend.node,
    el("div", { class: alone ? "maps one" : "maps" }, ...link.cards.map((card) => card.node)), limits);
  legend.draw();
  limit();
  depthSection(group, index);
  link.draw();
}

function prepare(group, index) {
  if (group.sprite) {
    // One rule for all thumbnails: the picture is large.
    group.sprite.name = "sprite" + index;
    document.head.append(el("style", {}, `.sprite${index} { background-image: url(${group.sprite.url}); }`));
    const picture = new Image();
    picture.onload = () => group.link.draw();
    picture.src = group.sprite.url;
    group.sprite.picture = picture;
  }
  group.classes = group.labels.map((label) => whole(label.values));
  group.lower = group.words.map((word) => word.toLowerCase());
  group.order = Array.from({ length: group.count }, (_, i) => i);
}

function toggle(name, state, key, link) {
  const button = el("button", { class: state[key] ? "on" : "", onclick: () => {
    state[key] = !state[key];
    button.classList.toggle("on", state[key]);
    link.draw();
  } }, name);
  return button;
}

function numbered(index) {
  return data.groups.length > 1 ? ` ${index + 1}` : "";
}

function depthSection(group, index) {
  if (group.depth.length < 2) return;
  const { link } = group;
  const cards = group.depth.map((map) => mapCard(link, map, map.name, null));
  link.cards.push(...cards);
  section("layers" + index, "From input to output" + numbered(index), "The same points in every layer, in the order in which it is computed. What is marked, searched or hidden in one map is so in all: follow a point, or a class, through the network.",
    el("div", { class: "maps deep" }, ...cards.map((card) => card.node)));
}
