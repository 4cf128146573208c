// Regions of similar colour: k-means on a small copy, in CIELAB, with a little of where a place is.

import { toLab } from "./colors.js";
import { BILINEAR, resample } from "./resample.js";

const [SIDE, STARTS, ROUNDS] = [96, 3, 20];
const POSITION = 30; // from edge to edge, in the units of CIELAB

/** @returns {{labels: Uint8Array, width, height}} the largest region first */
export function findRegions(picture, count) {
  const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
  const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * scale)));
  const small = resample(picture.data, 4, [picture.width, picture.height], [width, height], BILINEAR);
  const points = [];
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    points.push([...toLab(small, 4 * i), ((x - width / 2) / Math.max(width, height)) * POSITION, ((y - height / 2) / Math.max(width, height)) * POSITION]);
  }
  const random = generator(1);
  let best = null;
  for (let start = 0; start < STARTS; start++) {
    const found = cluster(points, count, random);
    if (!best || found.cost < best.cost) best = found;
  }
  return { labels: bySize(calmed(best.labels, width, height, count), count), width, height };
}

/** Lloyd's algorithm from centres that k-means++ spreads. */
function cluster(points, count, random) {
  const centers = [points[Math.floor(random() * points.length)]];
  while (centers.length < count) {
    const distances = points.map((point) => Math.min(...centers.map((center) => apart(point, center))));
    let left = random() * distances.reduce((a, b) => a + b, 0);
    centers.push(points[Math.max(0, distances.findIndex((each) => (left -= each) <= 0))]);
  }
  const labels = new Uint8Array(points.length);
  let cost = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const sums = centers.map(() => [0, 0, 0, 0, 0, 0]);
    cost = 0;
    points.forEach((point, i) => {
      let [near, least] = [0, Infinity];
      centers.forEach((center, k) => {
        const distance = apart(point, center);
        if (distance < least) [near, least] = [k, distance];
      });
      labels[i] = near;
      cost += least;
      point.forEach((value, c) => (sums[near][c] += value));
      sums[near][5]++;
    });
    sums.forEach((sum, k) => sum[5] && (centers[k] = sum.slice(0, 5).map((value) => value / sum[5])));
  }
  return { labels, cost };
}

const apart = (a, b) => (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2 + (a[3] - b[3]) ** 2 + (a[4] - b[4]) ** 2;

/** Every place gets the label that most of those around it have, twice. */
function calmed(labels, width, height, count) {
  for (let round = 0; round < 2; round++) {
    const old = labels.slice();
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const votes = new Uint8Array(count);
        for (let dy = -2; dy <= 2; dy++) for (let dx = -2; dx <= 2; dx++) {
          votes[old[Math.max(0, Math.min(height - 1, y + dy)) * width + Math.max(0, Math.min(width - 1, x + dx))]]++;
        }
        labels[y * width + x] = votes.indexOf(Math.max(...votes));
      }
    }
  }
  return labels;
}

function bySize(labels, count) {
  const sizes = new Array(count).fill(0);
  for (const label of labels) sizes[label]++;
  const order = sizes.map((_, label) => label).sort((a, b) => sizes[b] - sizes[a]);
  return labels.map((label) => order.indexOf(label));
}

function generator(seed) {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}
