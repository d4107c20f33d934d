"use strict";
// Two versions of an embedding: the verdict, how many neighbors stay, what changed most, what was relabelled.

const VERSIONS_SHOWN = 25;

function versionsSections() {
  const found = data.versions;
  if (!found) return;
  section("verdict", "Verdict", "", el("ul", { class: "notes" }, ...found.verdict.map((line) => el("li", {}, line))));
  found.groups.forEach((group, index) => {
    if (group.sprite) {
      group.sprite.name = "versions" + index;
      document.head.append(el("style", {}, `.versions${index} { background-image: url(${group.sprite.url}); }`));
    }
    const item = (i) => (group.sprite ? thumb(group, i, 36) : el("span", { class: "word" }, group.names[i]));
    const first = (i) => {
      const node = item(i);
      node.classList.add("first");
      node.title = group.names[i];
      return node;
    };
    staySection(group);
    changedSection(group, item, first);
    if (group.relabelled.length) {
      section("relabelled", "With another label", "The rows whose label differs; their rank is that by the vectors alone.",
        el("div", { class: "changes" }, ...group.relabelled.map((one) => el("div", { class: "change" },
          el("div", { class: "what" }, el("span", { class: "rank" }, one.rank), first(one.item), ...one.labels.map((text) => el("b", {}, text)))))));
    }
  });
}

function staySection(group) {
  const k = group.spread.length - 1;
  const top = Math.max(...group.spread);
  const rows = group.spread.map((share, i) => el("tr", {}, el("td", { class: "number" }, i), el("td", { class: "number" }, `${number(100 * share, 1)} %`),
    el("td", {}, el("div", { style: { width: `${top ? (240 * share) / top : 0}px`, height: "0.8em", background: "currentColor", opacity: 0.45 } }))));
  section("stay", "How many neighbors stay", `Of the ${k} nearest neighbors of each of the ${group.total} ${group.kind}, how many are among the ${k} nearest in the other version.`,
    el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, "kept"), el("th", {}, group.kind), el("th", {}, ""))), el("tbody", {}, ...rows)));
}

function changedSection(group, item, first) {
  const side = (place, near) => el("div", { class: "side" }, el("span", { class: "hint" }, ["before", "after"][place]), ...near.map(item));
  const entry = (one, place) => el("div", { class: "change" },
    el("div", { class: "what" }, el("span", { class: "rank" }, place + 1), first(one.item),
      el("span", { class: "hint" }, `moved ${number(one.moved, 2)}, kept ${Math.round(100 * one.kept)} %`), ...one.labels.map((text) => el("b", {}, text))),
    side(0, one.near[0]), side(1, one.near[1]));
  const list = el("div", { class: "changes" }, ...group.changed.slice(0, VERSIONS_SHOWN).map(entry));
  const more = el("button", { onclick: () => { list.replaceChildren(...group.changed.map(entry)); more.hidden = true; } }, "show more");
  more.hidden = group.changed.length <= VERSIONS_SHOWN;
  section("changed", "What changed most", `Ordered by two ranks together: how far each lies from where the best rotation of the whole puts it (half of all ${group.kind} less than ${number(group.median, 2)}), and how much the distances to its neighbors changed. Beside each its nearest before and after.`, list, more);
}
