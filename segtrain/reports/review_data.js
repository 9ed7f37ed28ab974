// The audit's data: the findings at once; an image's picture, labels and regions only when it is to be seen.
"use strict";

const AUDIT = JSON.parse(document.getElementById("audit").textContent);
const FINDINGS = AUDIT.findings.map(asFinding);
const IMAGES_IN_MEMORY = 16;
const images = new Map(); // an image's number -> the promise of it, the one last used at the end

function asFinding(row, rank) {
  const [image, n, kind, number, given, suggested, area, score, precision, ...evidence] = row;
  const name = AUDIT.images[image];
  const key = `${name}#${n}`;
  return { rank, image, n, key, name, kind, number, given, suggested, area, score, precision, evidence };
}

function imageOf(number) {
  const found = images.get(number) ?? readImage(number).catch(() => null);
  images.delete(number);
  images.set(number, found);
  if (images.size > IMAGES_IN_MEMORY) images.delete(images.keys().next().value);
  return found;
}

// Gives null where the audit kept no picture.
async function readImage(number) {
  const block = document.getElementById(`image-${number}`);
  if (!block) return null;
  const content = JSON.parse(block.textContent);
  const picture = new Image();
  picture.src = `data:image/jpeg;base64,${content.picture}`;
  const names = Object.keys(content.labels);
  const [, ...grids] = await Promise.all([picture.decode(), ...names.map((name) => inflate(content.labels[name]))]);
  const labels = Object.fromEntries(names.map((name, place) => [name, grids[place]]));
  const [height, width] = content.size;
  return { picture, height, width, step: content.step, grid: content.grid, labels, regions: content.regions, made: {} };
}

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// What is drawn of an image is made once: outlines, fills and regions.
function made(image, name, make) {
  image.made[name] ??= make();
  return image.made[name];
}

function classesIn(image, layer) {
  return made(image, `classes ${layer}`, () => {
    const label = image.labels[layer];
    if (!label) return [];
    const numbers = AUDIT.classes.map((_, number) => number);
    if (AUDIT.overlapping) return numbers.filter((number) => planeOf(image, layer, number).includes(1));
    const seen = new Uint8Array(256);
    for (const value of label) seen[value] = 1;
    return numbers.filter((number) => seen[number] && number !== AUDIT.background);
  });
}

function planeOf(image, layer, number) {
  const [height, width] = image.grid;
  return image.labels[layer].subarray(number * height * width, (number + 1) * height * width);
}

// Gives the outline of one class in a layer, in pixels of the label's grid.
function outlineOf(image, layer, number) {
  return made(image, `outline ${layer} ${number}`, () => {
    const [height, width] = image.grid;
    const [plane, value] = AUDIT.overlapping ? [planeOf(image, layer, number), 1] : [image.labels[layer], number];
    return trace((row, column) => plane[row * width + column] === value, height, width);
  });
}

// Gives the outline of a region, in pixels of its box.
function regionOf(image, n) {
  return made(image, `region ${n}`, () => {
    const { height, width, counts } = image.regions[n];
    const inside = new Uint8Array(height * width); // down the columns
    let at = 0;
    counts.forEach((count, place) => inside.fill(place % 2, at, (at += count)));
    return trace((row, column) => inside[column * height + row], height, width);
  });
}

// Gives a layer's classes in their colours, ignored pixels grey: a canvas of the label's grid.
function fillOf(image, layer) {
  return made(image, `fill ${layer}`, () => {
    const [height, width] = image.grid;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(width, height);
    paint(new Uint32Array(pixels.data.buffer), image, layer);
    context.putImageData(pixels, 0, 0);
    return canvas;
  });
}

function paint(pixels, image, layer) {
  const label = image.labels[layer];
  const ignored = packed("#8a8a8a");
  const size = pixels.length;
  const palette = AUDIT.colours.map((colour, number) => (number === AUDIT.background ? 0 : packed(colour)));
  if (!AUDIT.overlapping) {
    for (let at = 0; at < size; at++) pixels[at] = label[at] === 255 ? ignored : palette[label[at]];
    return;
  }
  palette.forEach((colour, number) => {
    const plane = planeOf(image, layer, number);
    for (let at = 0; at < size; at++) {
      if (plane[at] === 1) pixels[at] = pixels[at] ? mixed(pixels[at], colour) : colour;
      else if (plane[at] === 255 && !pixels[at]) pixels[at] = ignored;
    }
  });
}

function packed(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0; // as bytes: red, green, blue, opacity
}

function mixed(first, second) {
  return (((first & 0xfefefe) >>> 1) + ((second & 0xfefefe) >>> 1)) | 0xff000000;
}

// Follows every border with the inside on the right hand, through the middles of the pixels' sides: corners are cut.
const STEPS = [[0, 1], [1, 0], [0, -1], [-1, 0]]; // right, down, left, up
const AHEAD = [[[-1, 0], [0, 0]], [[0, 0], [0, -1]], [[0, -1], [-1, -1]], [[-1, -1], [-1, 0]]]; // left and right hand

function trace(isInside, height, width) {
  const stride = width + 2;
  const inside = new Uint8Array((height + 2) * stride); // with a frame that is outside
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++)
      if (isInside(row, column)) inside[(row + 1) * stride + column + 1] = 1;
  const followed = new Uint8Array(inside.length); // pixels whose upper side is done
  const path = new Path2D();
  for (let at = stride; at < inside.length; at++)
    if (inside[at] && !inside[at - stride] && !followed[at]) follow(path, inside, followed, at, stride);
  return path;
}

function follow(path, inside, followed, start, stride) {
  const ahead = AHEAD.map((pair) => pair.map(([down, right]) => down * stride + right));
  const [top, left] = [Math.floor(start / stride), start % stride];
  let [row, column, heading, before, first] = [top, left, 0, -1, true];
  do {
    const at = row * stride + column;
    if (heading === 0) followed[at] = 1;
    const [down, right] = STEPS[heading];
    [row, column] = [row + down, column + right];
    const [leftHand, rightHand] = ahead[heading].map((offset) => inside[row * stride + column + offset]);
    const next = leftHand ? (heading + 3) % 4 : rightHand ? heading : (heading + 1) % 4;
    if (heading !== before || next !== heading) {
      path[first ? "moveTo" : "lineTo"](column - right / 2 - 1, row - down / 2 - 1);
      first = false;
    }
    [before, heading] = [heading, next];
  } while (row !== top || column !== left || heading !== 0);
  path.closePath();
}
