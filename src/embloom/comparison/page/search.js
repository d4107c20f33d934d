"use strict";
// Search by name: what fits is ringed in every map, and listed; Enter picks the first.

const HITS_RINGED = 300;
const HITS_LISTED = 12;

// Points whose name, or for samples whose number or class, holds the text; whole names first.
function searched(group, state, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const label = group.labels[state.coloring];
  const found = [];
  const exact = [];
  for (let i = 0; i < group.count; i++) {
    const name = group.words.length ? group.lower[i] : "";
    if (name ? name === wanted : String(i) === wanted) exact.push(i);
    else if (name.includes(wanted) || (label && label.classes[group.classes[state.coloring][i]].toLowerCase() === wanted)) found.push(i);
  }
  const starts = (i) => group.words.length > 0 && group.lower[i].startsWith(wanted);
  return [...exact, ...found.filter(starts), ...found.filter((i) => !starts(i))];
}

function searchBox(group, state, link) {
  const hits = el("div", { class: "hits" });
  const box = el("input", { type: "search", placeholder: group.words.length ? "find a name" : "find a number or class", "aria-label": "search" });
  box.addEventListener("input", () => {
    const all = searched(group, state, box.value);
    state.found = all.slice(0, HITS_RINGED);
    hits.replaceChildren(...all.slice(0, HITS_LISTED).map((i) => link.item(i)),
      ...(all.length > HITS_LISTED ? [el("small", {}, `and ${(all.length - HITS_LISTED).toLocaleString("en")} more`)] : []),
      ...(box.value.trim() && !all.length ? [el("small", {}, `nothing here is called so${group.count < group.total ? "; not all are shown" : ""}`)] : []));
    link.draw();
  });
  // On Enter, and when the field is left.
  box.addEventListener("change", () => {
    const [first] = searched(group, state, box.value);
    if (first !== undefined) link.pick(first);
  });
  return { box, hits };
}
