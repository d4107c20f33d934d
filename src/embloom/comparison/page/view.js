"use strict";
// One map: points and names on a canvas, and marks over them. Points are drawn again only when the view changes.

class MapView {
  // `on` is told what the mouse is at: hover(number of a point or -1, event) and pick(number or -1).
  constructor(canvas, group, on) {
    Object.assign(this, { canvas, group, on });
    this.under = document.createElement("canvas");
    this.view = { x: 0, y: 0, scale: 1 };
    this.marked = { first: -1, near: [], hover: -1, found: [] };
    this.chosen = [];
    this.widths = new Map();
    listen(this);
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  // points: Int16Array x0 y0 x1 y1 ...; look: how they are drawn, see `Look`.
  show(points, look) {
    const other = points !== this.points;
    Object.assign(this, { points, look, placed: null });
    if (other) this.home = null;
    this.still();
  }

  // Half a percent of far-off points on each side do not shrink the rest.
  fit() {
    const ends = (start) => {
      const values = new Int16Array(this.points.length / 2);
      for (let i = 0; i < values.length; i++) values[i] = this.points[2 * i + start];
      values.sort();
      const at = (part) => values[Math.round(part * (values.length - 1))] ?? 0;
      return [at(0.0025), at(0.9975)];
    };
    const [[left, right], [low, high]] = this.look.centered ? [[-32767, 32767], [-32767, 32767]] : [ends(0), ends(1)];
    const { width, height } = this.canvas;
    const scale = 0.88 * Math.min(width / Math.max(right - left, 2), height / Math.max(high - low, 2));
    const home = { x: (left + right) / 2, y: (low + high) / 2, scale: scale / (Math.min(width, height) / 2) };
    if (!this.home || this.view.scale === this.home.scale) this.view = { ...home };
    this.home = home;
  }

  resize() {
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((side) => Math.max(50, Math.round(side * this.ratio())));
    if (this.canvas.width === width && this.canvas.height === height) return;
    for (const canvas of [this.canvas, this.under]) Object.assign(canvas, { width, height });
    if (this.points) this.fit();
    this.still();
  }

  ratio() {
    return window.devicePixelRatio || 1;
  }

  // Draws anew with the names that fit; while the map moves, names stay with their points.
  still() {
    this.renamed = true;
    this.moved();
  }

  moved() {
    this.stale = true;
    this.refresh();
  }

  refresh() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (!this.points || !this.canvas.width) return;
      if (!this.home) this.fit();
      if (this.stale) this.drawPoints();
      this.stale = false;
      this.drawMarks();
    });
  }

  // Pixels of the canvas for each unit of the map.
  unit() {
    return (Math.min(this.canvas.width, this.canvas.height) / 2) * this.view.scale;
  }

  pixel(x, y) {
    const unit = this.unit();
    return [this.canvas.width / 2 + (x - this.view.x) * unit, this.canvas.height / 2 - (y - this.view.y) * unit];
  }

  at(i) {
    return this.pixel(this.points[2 * i], this.points[2 * i + 1]);
  }

  radius() {
    const zoom = Math.sqrt(this.view.scale / this.home.scale);
    const count = this.points.length / 2;
    const side = Math.min(1.2, Math.max(0.6, Math.min(this.canvas.width, this.canvas.height) / this.ratio() / 600));
    return Math.min(7, side * (count > 20000 ? 1.3 : count > 5000 ? 1.8 : count > 1000 ? 2.6 : 3.4) * Math.max(0.8, zoom)) * this.ratio();
  }

  regions() {
    this.placed = this.placed || regions(this.points, this.look.codes, this.look.names.length, (name) => !this.look.off.has(name));
    return this.placed;
  }

  measured(context, text) {
    if (!this.widths.has(text)) this.widths.set(text, context.measureText(text).width);
    return this.widths.get(text);
  }

  drawPoints() {
    const context = this.under.getContext("2d", { willReadFrequently: !painter.gl });
    context.clearRect(0, 0, this.under.width, this.under.height);
    const { x, y } = this.view;
    const opacity = this.points.length > 6000 ? 0.7 : 0.85;
    if (painter.gl) painter.draw(context, this.points, this.look.colors, { center: [x, y], scale: this.unit(), size: 2 * this.radius() + 1, opacity });
    else drawPixels(this, context, opacity);
    if (this.look.centered) drawAxes(this, context);
    if (this.renamed) this.chosen = chooseNames(this, context);
    this.renamed = false;
    drawNames(this, context, this.chosen);
  }

  drawMarks() {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const { first, near, hover, found } = this.marked;
    context.globalAlpha = first >= 0 || found.length ? 0.4 : 1;
    context.drawImage(this.under, 0, 0);
    context.globalAlpha = 1;
    for (const i of found) this.ring(context, i, 1.6, 1.2);
    if (first >= 0) {
      const [x, y] = this.at(first);
      context.strokeStyle = ink("soft");
      context.lineWidth = this.ratio();
      for (const i of near) {
        context.beginPath();
        context.moveTo(x, y);
        context.lineTo(...this.at(i));
        context.stroke();
      }
      for (const i of near) this.ring(context, i, 1.9, 1.2);
      this.ring(context, first, 2.8, 2.6);
      if (this.group.words.length) this.nameMarked(context, [first, ...near]);
    }
    if (hover >= 0) this.ring(context, hover, 2.4, 2);
  }

  nameMarked(context, points) {
    const ratio = this.ratio();
    const room = new Room(this.canvas.width, this.canvas.height, ratio);
    const written = [];
    context.font = `600 ${12 * ratio}px system-ui, "DejaVu Sans", sans-serif`;
    for (const i of points) {
      const [x, y] = this.at(i);
      const text = shorter(this.group.words[i], 28);
      const dx = 2.2 * this.radius() + 2 * ratio;
      if (room.take(x + dx, y - 7 * ratio, context.measureText(text).width, 14 * ratio)) written.push({ x: this.points[2 * i], y: this.points[2 * i + 1], dx, text, font: context.font });
    }
    drawNames(this, context, written);
  }

  ring(context, i, size, width) {
    const [x, y] = this.at(i);
    context.beginPath();
    context.arc(x, y, Math.max(this.radius(), 2 * this.ratio()) * size, 0, 2 * Math.PI);
    context.fillStyle = this.look.palette[this.look.codes[i]];
    context.fill();
    context.strokeStyle = ink("ink");
    context.lineWidth = width * this.ratio();
    context.stroke();
  }

  mark(marked) {
    this.marked = marked;
    this.refresh();
  }

  // Moves a point into the middle, if it cannot be seen.
  reveal(i) {
    if (!this.points || !this.home) return;
    const [x, y] = this.at(i);
    if (x > 0 && y > 0 && x < this.canvas.width && y < this.canvas.height) return;
    [this.view.x, this.view.y] = [this.points[2 * i], this.points[2 * i + 1]];
    this.still();
  }

  nearest(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    const unit = this.unit();
    // In units of the map: nothing has to be computed for most points but two differences.
    const x = this.view.x + ((event.clientX - box.left) * ratio - this.canvas.width / 2) / unit;
    const y = this.view.y - ((event.clientY - box.top) * ratio - this.canvas.height / 2) / unit;
    const { points, look } = this;
    let [best, found] = [((14 * ratio) / unit) ** 2, -1];
    for (let i = 0; i < points.length / 2; i++) {
      const [dx, dy] = [points[2 * i] - x, points[2 * i + 1] - y];
      const distance = dx * dx + dy * dy;
      if (distance < best && !look.off.has(look.codes[i])) [best, found] = [distance, i];
    }
    return found;
  }
}
