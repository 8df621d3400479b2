"use strict";
// A scatter plot of two numbers: one dot for each video. See dots.js for what a dot shows.

const FEW = 12; // an axis with at most this many values makes columns of dots
const CROWD = 1500; // above this number, dots are small and pale so that models do not hide each other

function scatter(models, names) {
  const positions = names.map((name) => spread(models.flatMap(([, samples]) => samples), name));
  const clouds = models.map(([, samples]) => positions.map(({ of }) => samples.map((sample) => of.get(sample))));
  const crowd = positions[0].of.size > CROWD;
  const axis = (side) => ({ time: false, range: () => roomy(clouds.flatMap((cloud) => cloud[side])) });
  return {
    mode: 2,
    data: [null, ...clouds],
    series: [{}, ...models.map(([model]) => ({ ...seriesOf(model, crowd ? "48" : "b0"), paths: dots(crowd ? 2.2 : 3.2) }))],
    scales: { x: axis(0), y: axis(1) },
    labels: names,
    apart: positions.some(({ apart }) => apart),
    made: (chart) => pointAt(chart, models.map(([, samples]) => samples), names),
  };
}

// The position of each sample on an axis. Dots of few values would cover each other: they get a small offset,
// which depends on the sample alone.
function spread(samples, name) {
  const found = samples.map((sample) => value(sample, name));
  const [low, high] = ends(found);
  const different = new Set(found).size;
  const apart = different <= FEW && different < found.length ? 0.03 * (high - low) : 0;
  return { apart, of: new Map(samples.map((sample, at) => [sample, found[at] + apart * (((sample * 0.618) % 1) - 0.5)])) };
}

function roomy(found) {
  const [low, high] = ends(found);
  return [low - 0.05 * (high - low), high + 0.05 * (high - low)];
}

function dots(radius) {
  return (chart, index) => {
    const [xs, ys] = chart.data[index];
    chart.ctx.save();
    chart.ctx.fillStyle = chart.series[index].fill();
    for (let at = 0; at < xs.length; at += 1) {
      const [x, y] = [chart.valToPos(xs[at], "x", true), chart.valToPos(ys[at], "y", true)];
      chart.ctx.beginPath();
      chart.ctx.arc(x, y, radius * devicePixelRatio, 0, 2 * Math.PI);
      chart.ctx.fill();
    }
    chart.ctx.restore();
    return null;
  };
}
