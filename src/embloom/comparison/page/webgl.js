"use strict";
// Points by WebGL: one context draws for all maps of the page, since browsers allow few.

const VERTEX = `
attribute vec2 place; attribute vec4 color;
uniform vec2 center, scale; uniform mediump float size; uniform float layer;
varying vec3 tint;
void main() {
  tint = color.rgb;
  bool here = (color.a > 0.5) == (layer > 0.5);
  gl_Position = here ? vec4((place - center) * scale, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = size;
}`;
const FRAGMENT = `
precision mediump float;
varying vec3 tint; uniform float size, opacity;
void main() {
  float far = length(gl_PointCoord - 0.5) * size;
  float part = clamp(size * 0.5 - far, 0.0, 1.0) * opacity;
  gl_FragColor = vec4(tint * part, part);
}`;

class Painter {
  // A browser that computes WebGL on the CPU takes longer for it than `drawPixels` does; `anyhow` takes it all the same.
  constructor(anyhow = false) {
    this.canvas = document.createElement("canvas");
    this.canvas.addEventListener("webglcontextlost", () => (this.gl = null));
    this.gl = this.canvas.getContext("webgl", { antialias: false, depth: false, premultipliedAlpha: true });
    if (this.gl && !anyhow && /swiftshader|llvmpipe|software/i.test(this.renderer())) this.gl = null;
    this.stored = new WeakMap(); // array of numbers -> its buffer
    if (this.gl) this.prepare();
  }

  renderer() {
    const told = this.gl.getExtension("WEBGL_debug_renderer_info");
    return told ? String(this.gl.getParameter(told.UNMASKED_RENDERER_WEBGL)) : "";
  }

  prepare() {
    const gl = this.gl;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return (this.gl = null);
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.at = Object.fromEntries(["place", "color"].map((name) => [name, gl.getAttribLocation(program, name)]));
    this.set = Object.fromEntries(["center", "scale", "size", "layer", "opacity"].map((name) => [name, gl.getUniformLocation(program, name)]));
  }

  buffer(numbers) {
    const gl = this.gl;
    let found = this.stored.get(numbers);
    if (!found) {
      found = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, found);
      gl.bufferData(gl.ARRAY_BUFFER, numbers, gl.STATIC_DRAW);
      this.stored.set(numbers, found);
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, found);
  }

  // No longer needed: colors that were chosen before.
  forget(numbers) {
    const found = numbers && this.gl && this.stored.get(numbers);
    if (found) this.gl.deleteBuffer(found);
    this.stored.delete(numbers);
  }

  // Draws Int16 places with RGBA colors (an alpha of 0: hidden, drawn faintly below) into a 2D context.
  draw(context, places, colors, { center, scale, size, opacity }) {
    const gl = this.gl;
    const { width, height } = context.canvas;
    if (this.canvas.width < width || this.canvas.height < height) {
      this.canvas.width = Math.max(this.canvas.width, width);
      this.canvas.height = Math.max(this.canvas.height, height);
    }
    gl.viewport(0, this.canvas.height - height, width, height);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.buffer(places);
    gl.enableVertexAttribArray(this.at.place);
    gl.vertexAttribPointer(this.at.place, 2, gl.SHORT, false, 0, 0);
    this.buffer(colors);
    gl.enableVertexAttribArray(this.at.color);
    gl.vertexAttribPointer(this.at.color, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    gl.uniform2f(this.set.center, center[0], center[1]);
    gl.uniform2f(this.set.scale, (2 * scale) / width, (2 * scale) / height);
    gl.uniform1f(this.set.size, size);
    for (const layer of [0, 1]) {
      gl.uniform1f(this.set.layer, layer);
      gl.uniform1f(this.set.opacity, layer ? opacity : opacity * 0.25);
      gl.drawArrays(gl.POINTS, 0, places.length / 2);
    }
    context.drawImage(this.canvas, 0, 0, width, height, 0, 0, width, height);
  }
}

const painter = new Painter();

// The same without WebGL: discs written into pixels, which is many times faster than drawing circles.
function drawPixels(map, context, opacity) {
  const { points, look } = map;
  const { width, height } = context.canvas;
  const picture = context.createImageData(width, height);
  const pixels = picture.data;
  const radius = map.radius() + 0.5;
  const reach = Math.ceil(radius);
  const disc = [];
  for (let dy = -reach; dy <= reach; dy++)
    for (let dx = -reach; dx <= reach; dx++) {
      const part = Math.min(1, Math.max(0, radius - Math.hypot(dx, dy)));
      if (part > 0) disc.push(dx, dy, part);
    }
  const unit = map.unit();
  const [left, top] = [width / 2 - map.view.x * unit, height / 2 + map.view.y * unit];
  for (const layer of [0, 255]) {
    for (let i = 0; i < points.length / 2; i++) {
      if (look.colors[4 * i + 3] !== layer) continue;
      const [x, y] = [Math.round(left + points[2 * i] * unit), Math.round(top - points[2 * i + 1] * unit)];
      if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
      for (let k = 0; k < disc.length; k += 3) {
        const at = 4 * (x + disc[k] + (y + disc[k + 1]) * width);
        const part = disc[k + 2] * (layer ? opacity : opacity * 0.25);
        const below = (pixels[at + 3] / 255) * (1 - part);
        const whole = part + below;
        for (let c = 0; c < 3; c++) pixels[at + c] = (look.colors[4 * i + c] * part + pixels[at + c] * below) / whole;
        pixels[at + 3] = 255 * whole;
      }
    }
  }
  context.putImageData(picture, 0, 0);
}
