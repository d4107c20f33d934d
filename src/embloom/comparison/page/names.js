"use strict";
// What is written on a map: names of regions, words and thumbnails where there is room for them.

const CELL = 6; // pixels of the grid of what is taken

class Room {
  constructor(width, height, ratio) {
    this.cell = CELL * ratio;
    [this.columns, this.rows] = [Math.ceil(width / this.cell), Math.ceil(height / this.cell)];
    this.taken = new Uint8Array(this.columns * this.rows);
  }

  // Whether a rectangle is free and inside; it is taken then.
  take(x, y, width, height) {
    const [left, top] = [Math.floor(x / this.cell), Math.floor(y / this.cell)];
    const [right, bottom] = [Math.floor((x + width) / this.cell), Math.floor((y + height) / this.cell)];
    if (left < 0 || top < 0 || right >= this.columns || bottom >= this.rows) return false;
    for (let row = top; row <= bottom; row++)
      for (let column = left; column <= right; column++) if (this.taken[row * this.columns + column]) return false;
    for (let row = top; row <= bottom; row++) this.taken.fill(1, row * this.columns + left, row * this.columns + right + 1);
    return true;
  }
}

// Where each class is the densest, if it prevails there: class -> its place, in units of the map.
function regions(points, classes, count, shown) {
  const side = 24;
  const total = new Float32Array(side * side);
  const own = new Map();
  const cell = (i) => Math.min(side - 1, Math.floor(((points[2 * i] + 32768) / 65536) * side)) + side * Math.min(side - 1, Math.floor(((points[2 * i + 1] + 32768) / 65536) * side));
  for (let i = 0; i < classes.length; i++) {
    const at = cell(i);
    total[at]++;
    if (!own.has(classes[i])) own.set(classes[i], new Float32Array(side * side));
    own.get(classes[i])[at]++;
  }
  const around = (grid, at) => {
    let sum = 0;
    for (const dy of [-1, 0, 1]) for (const dx of [-1, 0, 1]) {
      const [x, y] = [(at % side) + dx, Math.floor(at / side) + dy];
      if (x >= 0 && y >= 0 && x < side && y < side) sum += grid[x + side * y];
    }
    return sum;
  };
  const found = [];
  for (const [name, grid] of own) {
    if (name >= count || !shown(name)) continue;
    let [best, most] = [0, -1];
    for (let at = 0; at < grid.length; at++) {
      const sum = grid[at] && around(grid, at);
      if (sum > most) [best, most] = [at, sum];
    }
    if (most < 0.4 * around(total, best)) continue;
    let [x, y, n] = [0, 0, 0];
    for (let i = 0; i < classes.length; i++) {
      if (classes[i] !== name) continue;
      const at = cell(i);
      if (Math.abs((at % side) - (best % side)) > 1 || Math.abs(Math.floor(at / side) - Math.floor(best / side)) > 1) continue;
      [x, y, n] = [x + points[2 * i], y + points[2 * i + 1], n + 1];
    }
    found.push({ name, x: x / n, y: y / n, size: most });
  }
  return found.sort((a, b) => b.size - a.size);
}

// Chooses what is written: [{x, y (of the map), text or image, color, big}], the most important first.
function chooseNames(view, context) {
  const ratio = view.ratio();
  const { width, height } = view.canvas;
  const room = new Room(width, height, ratio);
  const chosen = [];
  const { group, look } = view;
  const font = (big) => `${big ? 600 : 400} ${(big ? 14 : 11.5) * ratio}px system-ui, "DejaVu Sans", sans-serif`;
  if (look.regions) {
    context.font = font(true);
    for (const region of view.regions()) {
      const text = shorter(look.names[region.name], 40);
      const wide = context.measureText(text).width;
      const [x, y] = view.pixel(region.x, region.y);
      const left = Math.min(Math.max(x - wide / 2, 4), width - wide - 4 * ratio - 4);
      if (x > 0 && x < width && room.take(left, y - 9 * ratio, wide, 18 * ratio)) chosen.push({ x: region.x, y: region.y, dx: left - x, text, font: font(true), color: look.palette[region.name], big: true });
    }
  }
  const names = look.written && (group.sprite ? "images" : group.words.length ? "words" : "");
  if (!names) return chosen;
  const most = chosen.length + Math.min(260, Math.round((width * height) / (names === "images" ? 9000 : 5000) / ratio ** 2));
  const side = 26 * ratio;
  const scale = names === "images" ? side / Math.max(group.sprite.width, group.sprite.height) : 1;
  context.font = font(false);
  const order = look.found.length ? [...look.found, ...look.order] : look.order;
  for (let k = 0; k < order.length && chosen.length < most; k++) {
    const i = order[k];
    if (look.off.has(look.codes[i])) continue;
    const [x, y] = view.at(i);
    if (x < 0 || y < 0 || x > width || y > height) continue;
    const place = { x: view.points[2 * i], y: view.points[2 * i + 1], i, color: look.palette[look.codes[i]] };
    if (names === "images") {
      const [wide, tall] = [group.sprite.width * scale, group.sprite.height * scale];
      if (room.take(x - wide / 2, y - tall / 2, wide + 4 * ratio, tall + 4 * ratio)) chosen.push({ ...place, image: i, wide, tall });
    } else {
      const text = shorter(group.words[i], 28);
      const shift = view.radius() + 2 * ratio;
      if (room.take(x + shift, y - 6 * ratio, view.measured(context, text), 12 * ratio)) chosen.push({ ...place, dx: shift, text, font: font(false) });
    }
  }
  return chosen;
}

function shorter(text, most) {
  return text.length > most ? text.slice(0, most - 1) + "…" : text;
}

function drawNames(view, context, chosen) {
  const ratio = view.ratio();
  const [ground, text] = [ink("ground-map"), ink("ink")];
  const { sprite } = view.group;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const one of chosen.slice().reverse()) {
    const [x, y] = view.pixel(one.x, one.y);
    if (one.image !== undefined) {
      if (!sprite.picture?.naturalWidth) continue;
      const [left, top] = [(one.image % sprite.columns) * sprite.width, Math.floor(one.image / sprite.columns) * sprite.height];
      context.fillStyle = one.color;
      context.fillRect(x - one.wide / 2 - 1.5 * ratio, y - one.tall / 2 - 1.5 * ratio, one.wide + 3 * ratio, one.tall + 3 * ratio);
      context.drawImage(sprite.picture, left, top, sprite.width, sprite.height, x - one.wide / 2, y - one.tall / 2, one.wide, one.tall);
      continue;
    }
    context.font = one.font;
    context.strokeStyle = ground;
    context.lineWidth = (one.big ? 4 : 3) * ratio;
    context.globalAlpha = one.big ? 0.9 : 0.75;
    context.strokeText(one.text, x + one.dx, y);
    context.globalAlpha = 1;
    context.fillStyle = text;
    context.fillText(one.text, x + one.dx, y);
  }
}

// Lines through zero, and what the axes are.
function drawAxes(view, context) {
  const ratio = view.ratio();
  const [x, y] = view.pixel(0, 0);
  const { width, height } = context.canvas;
  context.strokeStyle = ink("line");
  context.lineWidth = ratio;
  for (const [from, to] of [[[x, 0], [x, height]], [[0, y], [width, y]]]) {
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
  }
  context.font = `600 ${12 * ratio}px system-ui, "DejaVu Sans", sans-serif`;
  context.fillStyle = ink("soft");
  context.textBaseline = "top";
  context.textAlign = "right";
  context.fillText(view.group.axes[0] + " →", width - 8 * ratio, Math.min(height - 16 * ratio, y + 5 * ratio));
  context.textAlign = "left";
  context.fillText("↑ " + view.group.axes[1], Math.min(width - 60 * ratio, x + 7 * ratio), 6 * ratio);
}
