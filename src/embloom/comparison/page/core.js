"use strict";
// Names come from data and may hold anything: they only ever become text nodes.
const data = JSON.parse(document.getElementById("data").textContent);
const tip = document.getElementById("tip");

function el(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(options)) {
    if (key === "style") Object.assign(node.style, value);
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null).map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

function section(id, heading, hint, ...children) {
  const node = el("section", { id }, el("h2", {}, heading), hint ? el("p", { class: "hint" }, hint) : null, ...children);
  document.getElementById("main").append(node);
  document.getElementById("nav").append(el("a", { href: "#" + id }, heading));
  return node;
}

function dot(color) {
  return el("span", { class: "dot", style: { background: color } });
}

// Row numbers and classes: two bytes each, or four where a star stands before them.
function whole(text) {
  return text[0] === "*" ? new Uint32Array(bytes(text.slice(1))) : new Uint16Array(bytes(text));
}

// A run's mark: a square with a letter, where classes have round dots.
function badge(row) {
  return el("span", { class: "badge", "data-letter": data.rows.length <= 26 ? String.fromCharCode(65 + row) : "", style: { background: rowColor(row) } });
}

function bytes(text) {
  const raw = atob(text);
  const found = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i);
  return found.buffer;
}

function number(value, digits = 4) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

// Names without what all of them begin with.
function trimmed(names) {
  const parts = names.map((name) => name.split(", "));
  let same = 0;
  while (names.length > 1 && parts.every((part) => part.length > same + 1 && part[same] === parts[0][same])) same++;
  return parts.map((part) => part.slice(same).join(", "));
}

function short(key) {
  return key.split(".").slice(-2).join(".");
}

function showTip(event, ...children) {
  tip.replaceChildren(...children);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const x = event.clientX + 16 + box.width > innerWidth ? event.clientX - box.width - 12 : event.clientX + 16;
  tip.style.left = Math.max(4, x) + "px";
  tip.style.top = Math.min(event.clientY + 14, innerHeight - box.height - 6) + "px";
}

function hideTip() {
  tip.hidden = true;
}

document.title = data.title + " – embloom";
document.getElementById("title").textContent = data.title;
document.getElementById("made").textContent = data.made;
