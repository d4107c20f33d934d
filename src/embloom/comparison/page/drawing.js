"use strict";
// One map: points on a canvas, in two layers. The points are drawn again only when the view changes.

class MapView {
  // points: Int16Array x0 y0 x1 y1 ..., one drawn after the other; listeners get the number of a point, or -1.
  constructor(canvas, onHover, onPick) {
    this.canvas = canvas;
    this.under = document.createElement("canvas");
    this.onHover = onHover;
    this.onPick = onPick;
    this.view = { x: 0, y: 0, scale: 1 };
    this.marked = { first: -1, near: [], hover: -1 };
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  show(points, colors, classes, off) {
    if (points !== this.points) this.fit(points);
    Object.assign(this, { points, colors, classes, off });
    this.dirty();
  }

  // Half a percent of far-off points do not shrink the rest.
  fit(points) {
    const count = points.length / 2;
    const far = new Float32Array(count);
    for (let i = 0; i < count; i++) far[i] = Math.max(Math.abs(points[2 * i]), Math.abs(points[2 * i + 1]));
    far.sort();
    const reach = count ? far[Math.min(count - 1, Math.floor(count * 0.995))] : 1;
    this.home = { x: 0, y: 0, scale: 0.94 / (Math.max(reach, 1) * 1.04) };
    this.view = { ...this.home };
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const side = Math.max(50, Math.round(this.canvas.clientWidth * ratio));
    if (this.canvas.width === side) return;
    for (const canvas of [this.canvas, this.under]) canvas.width = canvas.height = side;
    this.dirty();
  }

  dirty() {
    this.stale = true;
    this.refresh();
  }

  refresh() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (!this.points || !this.canvas.width) return;
      if (this.stale) this.drawPoints();
      this.stale = false;
      this.drawMarks();
    });
  }

  // Map -> canvas pixels.
  at(i) {
    const half = this.canvas.width / 2;
    const scale = half * this.view.scale;
    return [half + (this.points[2 * i] - this.view.x) * scale, half - (this.points[2 * i + 1] - this.view.y) * scale];
  }

  radius() {
    const zoom = Math.sqrt(this.view.scale / this.home.scale);
    const count = this.points.length / 2;
    return Math.min(7, (count > 20000 ? 1 : count > 5000 ? 1.4 : count > 1000 ? 2.2 : 3) * Math.max(0.8, zoom)) * (window.devicePixelRatio || 1);
  }

  drawPoints() {
    const context = this.under.getContext("2d");
    const side = this.under.width;
    context.clearRect(0, 0, side, side);
    const count = this.points.length / 2;
    const radius = this.radius();
    const stamps = this.colors.map((color) => stamp(color, radius));
    const faint = stamp("#d0d5dd", radius);
    context.globalAlpha = count > 3000 ? 0.7 : 0.85;
    for (const wanted of [false, true]) {
      for (let i = 0; i < count; i++) {
        const shown = !this.off.has(this.classes[i]);
        if (shown !== wanted) continue;
        const [x, y] = this.at(i);
        if (x < -9 || y < -9 || x > side + 9 || y > side + 9) continue;
        const picture = shown ? stamps[this.classes[i]] : faint;
        context.drawImage(picture, x - picture.width / 2, y - picture.height / 2);
      }
    }
  }

  drawMarks() {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const { first, near, hover } = this.marked;
    context.globalAlpha = first >= 0 ? 0.35 : 1;
    context.drawImage(this.under, 0, 0);
    context.globalAlpha = 1;
    if (first >= 0) {
      const [x, y] = this.at(first);
      context.strokeStyle = "rgba(31, 36, 48, .45)";
      context.lineWidth = 1;
      for (const i of near) {
        context.beginPath();
        context.moveTo(x, y);
        context.lineTo(...this.at(i));
        context.stroke();
      }
      for (const i of near) this.ring(context, i, 1.9, "#1f2430", 1.2);
      this.ring(context, first, 2.8, "#1f2430", 2.6);
    }
    if (hover >= 0) this.ring(context, hover, 2.4, "#1f2430", 2);
  }

  ring(context, i, size, color, width) {
    const [x, y] = this.at(i);
    context.beginPath();
    context.arc(x, y, this.radius() * size, 0, 2 * Math.PI);
    context.fillStyle = this.colors[this.classes[i]];
    context.fill();
    context.strokeStyle = color;
    context.lineWidth = width * (window.devicePixelRatio || 1);
    context.stroke();
  }

  mark(first, near, hover) {
    this.marked = { first, near, hover };
    this.refresh();
  }

  nearest(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    const [x, y] = [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
    let [best, found] = [(14 * ratio) ** 2, -1];
    for (let i = 0; i < this.points.length / 2; i++) {
      if (this.off.has(this.classes[i])) continue;
      const [u, v] = this.at(i);
      const distance = (u - x) ** 2 + (v - y) ** 2;
      if (distance < best) [best, found] = [distance, i];
    }
    return found;
  }

  listen() {
    const canvas = this.canvas;
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      drag = { x: event.clientX, y: event.clientY, view: { ...this.view }, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return this.onHover(this.nearest(event), event);
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      drag.moved = drag.moved || Math.hypot(dx, dy) > 4;
      if (!drag.moved) return;
      const unit = 2 / (canvas.clientWidth * this.view.scale);
      this.view.x = drag.view.x - dx * unit;
      this.view.y = drag.view.y + dy * unit;
      this.onHover(-1, event);
      this.dirty();
    });
    canvas.addEventListener("pointerup", (event) => {
      const click = drag && !drag.moved;
      drag = null;
      if (click) this.onPick(this.nearest(event));
    });
    canvas.addEventListener("pointercancel", () => (drag = null));
    canvas.addEventListener("pointerleave", (event) => this.onHover(-1, event));
    canvas.addEventListener("dblclick", () => {
      this.view = { ...this.home };
      this.dirty();
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      const [u, v] = [((event.clientX - box.left) / box.width) * 2 - 1, 1 - ((event.clientY - box.top) / box.height) * 2];
      const factor = Math.exp(-event.deltaY * 0.0016);
      const scale = Math.min(this.home.scale * 200, Math.max(this.home.scale * 0.4, this.view.scale * factor));
      this.view.x += u / this.view.scale - u / scale;
      this.view.y += v / this.view.scale - v / scale;
      this.view.scale = scale;
      this.dirty();
    }, { passive: false });
  }
}

// A drawn point, to be copied: many times faster than drawing a circle for each.
function stamp(color, radius) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.ceil(2 * radius + 2);
  const context = canvas.getContext("2d");
  context.fillStyle = color;
  context.beginPath();
  context.arc(canvas.width / 2, canvas.height / 2, radius, 0, 2 * Math.PI);
  context.fill();
  return canvas;
}
