// The large picture with its layers, moved and enlarged by hand, and the small ones beside it that show the same part.
"use strict";

const DASHES = { given: [], suggested: [], prediction: [7, 5] }; // pixels of the screen
const HALO = "rgba(0, 0, 0, 0.6)";
const LARGEST = 48; // pixels of the screen for one of the image

class Viewer {
  constructor(stage, panels) {
    Object.assign(this, { stage, panels, canvas: stage.querySelector("canvas"), note: stage.querySelector(".note") });
    Object.assign(this, { image: null, finding: null, whole: false, hidden: false });
    this.layers = { given: true, suggested: true, prediction: false, region: true };
    this.view = { x: 0, y: 0, scale: 1 }; // the image's pixel in the middle, and its size on the screen
    new ResizeObserver(() => this.resized()).observe(stage);
    new ResizeObserver(() => this.later()).observe(panels[0].parentElement);
    followPointers(this);
  }

  clear() {
    Object.assign(this, { image: null, finding: null });
    this.say("");
    this.later();
  }

  show(finding, image) {
    Object.assign(this, { finding, image });
    this.say(image ? "" : "No picture: the audit kept none of this image. Look it up by its name before you decide.");
    this.frameFinding();
    this.draw();
  }

  say(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  toggle(layer) {
    this.layers[layer] = !this.layers[layer];
    this.hidden = false;
    this.later();
  }

  zoomOut(whole) {
    this.whole = whole;
    this.frameFinding();
    this.later();
  }

  resized() {
    const { width, height } = this.size();
    for (const panel of this.panels) panel.style.aspectRatio = `${Math.min(1.8, Math.max(0.75, width / height))}`;
    this.frameFinding();
    this.later();
  }

  size() {
    const { clientWidth, clientHeight } = this.stage;
    return { width: Math.max(1, clientWidth), height: Math.max(1, clientHeight) };
  }

  box() {
    return this.image?.regions[this.finding.n];
  }

  // Looks at the whole image, or at the finding with some of its surroundings.
  frameFinding() {
    if (!this.image) return;
    const { width, height } = this.size();
    const part = this.whole || !this.box() ? { top: 0, left: 0, ...this.image } : surroundings(this.box(), this.image);
    const [wide, high] = [Math.min(part.width, this.image.width), Math.min(part.height, this.image.height)];
    const scale = Math.min(width / wide, height / high, LARGEST);
    this.look(part.left + part.width / 2, part.top + part.height / 2, scale);
  }

  // Moves the view, as far as the image goes.
  look(x, y, scale) {
    const { width, height } = this.size();
    const least = 0.6 * Math.min(width / this.image.width, height / this.image.height);
    scale = Math.min(LARGEST, Math.max(least, scale));
    x = within(x, this.image.width, width / scale);
    y = within(y, this.image.height, height / scale);
    this.view = { x, y, scale };
  }

  move(right, down) {
    const { x, y, scale } = this.view;
    this.look(x - right / scale, y - down / scale, scale);
    this.later();
  }

  // Enlarges around a point of the canvas, which stays where it is.
  enlarge(times, at) {
    const { width, height } = this.size();
    const { x, y, scale } = this.view;
    const [right, down] = at ? [at.x - width / 2, at.y - height / 2] : [0, 0];
    const larger = Math.min(LARGEST, scale * times);
    this.look(x + right / scale - right / larger, y + down / scale - down / larger, larger);
    this.later();
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.draw();
    });
  }

  draw() {
    const context = opened(this.canvas);
    if (this.image) {
      this.drawLayers(context);
      this.drawCorners(context);
    }
    const { width, height } = this.size();
    for (const canvas of this.panels) this.drawPanel(canvas, width / this.view.scale, height / this.view.scale);
  }

  drawLayers(context) {
    const { image, layers } = this;
    place(context, this.view);
    drawPicture(context, image);
    if (this.hidden) return;
    if (layers.region && this.box()) this.drawRegion(context);
    for (const layer of ["prediction", "given", "suggested"])
      if (layers[layer] && image.labels[layer]) this.drawOutlines(context, layer);
  }

  drawRegion(context) {
    const box = this.box();
    context.save();
    context.translate(box.left, box.top);
    context.fillStyle = AUDIT.layers.region;
    context.globalAlpha = 0.24;
    context.fill(regionOf(this.image, this.finding.n), "evenodd");
    context.restore();
  }

  // Other classes than the finding's own are there, but faint.
  drawOutlines(context, layer) {
    const { image, finding } = this;
    const scale = this.view.scale * image.step;
    const own = AUDIT.overlapping ? [finding.number] : [finding.number, finding.given, finding.suggested];
    context.save();
    clipTo(context, image);
    context.scale(image.step, image.step);
    for (const number of classesIn(image, layer)) {
      const concerned = own.includes(number);
      context.globalAlpha = concerned ? 1 : 0.45;
      const thickness = concerned ? 2.2 : 1.2;
      stroke(context, outlineOf(image, layer, number), HALO, (thickness + 2.2) / scale, []);
      const dashes = DASHES[layer].map((length) => length / scale);
      stroke(context, outlineOf(image, layer, number), AUDIT.layers[layer], thickness / scale, dashes);
    }
    context.restore();
  }

  // Marks the finding where it is small in the picture.
  drawCorners(context) {
    const box = this.box();
    const { width, height } = this.size();
    const { x, y, scale } = this.view;
    if (!box || Math.max((box.width * scale) / width, (box.height * scale) / height) > 0.3) return;
    const [left, top] = [(box.left - x) * scale + width / 2 - 9, (box.top - y) * scale + height / 2 - 9];
    const [right, bottom] = [left + box.width * scale + 18, top + box.height * scale + 18];
    const path = new Path2D();
    for (const [fromX, fromY, inX, inY] of [[left, top, 1, 1], [right, top, -1, 1], [right, bottom, -1, -1], [left, bottom, 1, -1]]) {
      path.moveTo(fromX + 9 * inX, fromY);
      path.lineTo(fromX, fromY);
      path.lineTo(fromX, fromY + 9 * inY);
    }
    const ratio = window.devicePixelRatio;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    stroke(context, path, HALO, 4, []);
    stroke(context, path, "#ffffff", 1.6, []);
  }

  // Draws the image, or the classes of one label over it, as much of it as the large picture shows.
  drawPanel(canvas, width, height) {
    const context = opened(canvas);
    const layer = canvas.dataset.layer;
    if (!this.image || (layer !== "image" && !this.image.labels[layer])) return;
    const scale = Math.min(canvas.clientWidth / width, canvas.clientHeight / height);
    place(context, { ...this.view, scale });
    drawPicture(context, this.image);
    if (layer === "image") return;
    const [rows, columns] = this.image.grid.map((length) => length * this.image.step);
    clipTo(context, this.image);
    context.fillStyle = "rgba(0, 0, 0, 0.45)";
    context.fillRect(0, 0, this.image.width, this.image.height);
    context.globalAlpha = 0.7;
    context.imageSmoothingEnabled = false;
    context.drawImage(fillOf(this.image, layer), 0, 0, columns, rows);
  }
}

// Gives a canvas's context, cleared and as fine as the screen.
function opened(canvas) {
  const ratio = window.devicePixelRatio;
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  context.reset();
  return context;
}

// Lets the context draw in pixels of the image.
function place(context, { x, y, scale }) {
  const { clientWidth, clientHeight } = context.canvas;
  const ratio = window.devicePixelRatio;
  const size = ratio * scale;
  context.setTransform(size, 0, 0, size, (ratio * clientWidth) / 2 - x * size, (ratio * clientHeight) / 2 - y * size);
}

function drawPicture(context, image) {
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(image.picture, 0, 0, image.width, image.height);
}

function clipTo(context, image) {
  context.beginPath();
  context.rect(0, 0, image.width, image.height);
  context.clip();
}

function stroke(context, path, colour, thickness, dashes) {
  context.strokeStyle = colour;
  context.lineWidth = thickness;
  context.lineJoin = "round";
  context.lineCap = dashes.length ? "butt" : "round";
  context.setLineDash(dashes);
  context.stroke(path);
}

function surroundings(box, image) {
  const margin = Math.max(0.6 * Math.max(box.height, box.width), 0.04 * Math.max(image.height, image.width), 10);
  const [top, left] = [box.top - margin, box.left - margin];
  return { top, left, height: box.height + 2 * margin, width: box.width + 2 * margin };
}

// Keeps the middle of a view of some length within an image's.
function within(middle, length, seen) {
  return seen >= length ? length / 2 : Math.min(length - seen / 2, Math.max(seen / 2, middle));
}

// The wheel and two fingers enlarge, one finger or the mouse moves, a double click changes to the whole and back.
function followPointers(viewer) {
  const { canvas } = viewer;
  const pointers = new Map();
  const placeOf = ({ offsetX, offsetY }) => ({ x: offsetX, y: offsetY });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (viewer.image) viewer.enlarge(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), placeOf(event));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, placeOf(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before || !viewer.image) return;
    const after = placeOf(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) viewer.enlarge(distance(after, other) / Math.max(1, distance(before, other)), other);
    else viewer.move(after.x - before.x, after.y - before.y);
    pointers.set(event.pointerId, after);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
}

function distance(first, second) {
  return Math.hypot(first.x - second.x, first.y - second.y);
}
