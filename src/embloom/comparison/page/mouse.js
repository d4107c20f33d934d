"use strict";
// What the mouse and fingers do to a map: drag to move, scroll to zoom, click to pick, double-click to see all.

function listen(map) {
  const { canvas } = map;
  let drag = null;
  let rest = 0;
  // Names are chosen anew once the map has come to rest.
  const settle = () => {
    clearTimeout(rest);
    rest = setTimeout(() => map.still(), 90);
  };
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, view: { ...map.view }, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return map.on.hover(map.nearest(event), event);
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    drag.moved = drag.moved || Math.hypot(dx, dy) > 4;
    if (!drag.moved) return;
    const unit = map.unit() / map.ratio();
    map.view.x = drag.view.x - dx / unit;
    map.view.y = drag.view.y + dy / unit;
    map.on.hover(-1, event);
    map.moved();
    settle();
  });
  canvas.addEventListener("pointerup", (event) => {
    const click = drag && !drag.moved;
    drag = null;
    if (click) map.on.pick(map.nearest(event));
  });
  canvas.addEventListener("pointercancel", () => (drag = null));
  canvas.addEventListener("pointerleave", (event) => map.on.hover(-1, event));
  canvas.addEventListener("dblclick", () => {
    map.view = { ...map.home };
    map.still();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(map, event, Math.exp(-event.deltaY * 0.0016));
    settle();
  }, { passive: false });
}

function zoom(map, event, factor) {
  const box = map.canvas.getBoundingClientRect();
  const ratio = map.canvas.width / box.width;
  const [u, v] = [(event.clientX - box.left) * ratio - map.canvas.width / 2, map.canvas.height / 2 - (event.clientY - box.top) * ratio];
  const before = map.unit();
  map.view.scale = Math.min(map.home.scale * 200, Math.max(map.home.scale * 0.4, map.view.scale * factor));
  const after = map.unit();
  map.view.x += u / before - u / after;
  map.view.y += v / before - v / after;
  map.moved();
}
