"use strict";
// A map as it is seen, as an SVG to edit or a PNG to paste: points, what is written on them, and the legend.

const LEGEND_MOST = 40;

function asSvg(view, title) {
  const ratio = view.ratio();
  const [width, height] = [view.canvas.width / ratio, view.canvas.height / ratio];
  const { look } = view;
  const shown = [...new Set(look.codes)].sort((a, b) => a - b).filter((code) => !look.off.has(code) && look.names[code] !== undefined).slice(0, LEGEND_MOST);
  const beside = shown.length ? 200 : 0;
  const tall = Math.max(height + 34, 40 + 20 * shown.length);
  const picture = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width: width + beside, height: tall, viewBox: `0 0 ${width + beside} ${tall}`, "font-family": "system-ui, 'DejaVu Sans', sans-serif" });
  picture.append(svg("rect", { width: "100%", height: "100%", fill: ink("card") }), svg("text", { x: 8, y: 22, "font-size": 15, "font-weight": 600, fill: ink("ink") }, title));
  const inside = svg("svg", { x: 0, y: 34, width, height, viewBox: `0 0 ${width} ${height}` });
  picture.append(inside);
  const radius = (view.radius() / ratio).toFixed(2);
  const parts = new Map();
  for (const hidden of [true, false]) {
    for (let i = 0; i < view.points.length / 2; i++) {
      if (look.off.has(look.codes[i]) !== hidden) continue;
      const [x, y] = view.at(i).map((value) => value / ratio);
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      const key = hidden ? "hidden" : look.codes[i];
      if (!parts.has(key)) parts.set(key, svg("g", { fill: hidden ? ink("faint") : look.palette[key], "fill-opacity": hidden ? 0.3 : 0.8 }));
      parts.get(key).append(svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: radius }));
    }
  }
  inside.append(...parts.values(), ...view.chosen.map((one) => written(view, one, ratio)));
  shown.forEach((code, k) => {
    picture.append(svg("circle", { cx: width + 16, cy: 46 + 20 * k, r: 5, fill: look.palette[code] }),
      svg("text", { x: width + 28, y: 50 + 20 * k, "font-size": 12, fill: ink("ink") }, shorter(look.names[code], 26)));
  });
  return picture;
}

function written(view, one, ratio) {
  const [x, y] = view.pixel(one.x, one.y).map((value) => value / ratio);
  if (one.image === undefined)
    return svg("text", { x: x + one.dx / ratio, y: y + 4, "font-size": one.big ? 14 : 11.5, "font-weight": one.big ? 600 : 400, fill: ink("ink"), stroke: ink("ground-map"), "stroke-width": 3, "paint-order": "stroke" }, one.text);
  const { sprite } = view.group;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [sprite.width, sprite.height];
  canvas.getContext("2d").drawImage(sprite.picture, (one.image % sprite.columns) * sprite.width, Math.floor(one.image / sprite.columns) * sprite.height, sprite.width, sprite.height, 0, 0, sprite.width, sprite.height);
  const [wide, tall] = [one.wide / ratio, one.tall / ratio];
  return svg("image", { x: x - wide / 2, y: y - tall / 2, width: wide, height: tall, href: canvas.toDataURL() });
}

function download(content, name) {
  const link = el("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function svgFile(view, title) {
  return new Blob([new XMLSerializer().serializeToString(asSvg(view, title))], { type: "image/svg+xml" });
}

// At twice the size.
async function pngFile(view, title) {
  const picture = new Image();
  const source = URL.createObjectURL(svgFile(view, title));
  await new Promise((done, failed) => Object.assign(picture, { onload: done, onerror: failed, src: source }));
  URL.revokeObjectURL(source);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * picture.naturalWidth, 2 * picture.naturalHeight];
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

// The two buttons of a map.
function exportButtons(view, title) {
  const name = title.replace(/[^\p{L}\p{N}]+/gu, "_").slice(0, 60) || "map";
  return el("span", { class: "exports" },
    el("button", { title: "save this map as SVG", onclick: () => download(svgFile(view, title), name + ".svg") }, "SVG"),
    el("button", { title: "save this map as PNG", onclick: async () => download(await pngFile(view, title), name + ".png") }, "PNG"));
}
