"use strict";
// What changed most from one embedding to another.

const CHANGES_SHOWN = 12;

function changesSection(group, index) {
  if (!group.changes.length) return;
  const names = trimmed(group.maps.map((map) => map.name));
  const list = el("div", { class: "changes" });
  let [pair, most] = [group.changes[0], CHANGES_SHOWN];
  const choice = el("select", { onchange: () => { pair = group.changes[choice.selectedIndex]; most = CHANGES_SHOWN; draw(); } },
    ...group.changes.map(({ pair: [a, b] }) => el("option", {}, `${names[a]} → ${names[b]}`)));
  const side = (place, near) => el("div", { class: "side" }, badge(group.maps[pair.pair[place]].row), ...near.map((i) => group.link.item(i)));
  const entry = (i, place) => el("div", { class: "change" },
    el("div", { class: "what" }, el("span", { class: "rank" }, place + 1), group.link.item(i, true),
      el("span", { class: "hint" }, `moved ${number(pair.moved[place], 2)}, kept ${Math.round(100 * pair.kept[place])} %`),
      ...(pair.labels[place] || []).filter(Boolean).map((text) => el("b", {}, text))),
    side(0, pair.before[place]), side(1, pair.after[place]));
  const more = el("button", { onclick: () => { most = pair.rows.length; draw(); } }, "show more");
  function draw() {
    list.replaceChildren(...pair.rows.slice(0, most).map(entry));
    more.hidden = most >= pair.rows.length;
    about.textContent = `Half of all ${group.kind} moved less than ${number(pair.median[0], 2)}; on average ${Math.round(100 * pair.median[1])} % of the ${group.maps[0].k} nearest neighbors are kept.`;
  }
  const about = el("p", { class: "hint" });
  section("changes" + index, "What changed most" + numbered(index), `Ordered by two ranks together: how far each lies from where the best rotation of the whole puts it (${group.metric === "angle" ? "cosine distance, 0 to 2" : "in units of the embedding's radius"}), and how much the distances to its neighbors changed; what was relabelled comes first. Beside each its nearest before and after; a click marks it in the maps.`,
    el("div", { class: "controls" }, group.changes.length > 1 ? el("label", {}, "from, to", choice) : el("span", {}, `${names[pair.pair[0]]} → ${names[pair.pair[1]]}`)), about, list, more);
  draw();
}
