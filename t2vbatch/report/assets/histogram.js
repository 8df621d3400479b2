"use strict";
// How one number is spread: a line of steps a model.

const BINS = 24;

function histogram(models, [name]) {
  const [low, high] = ends(models.flatMap(([, samples]) => samples.map((sample) => value(sample, name))));
  const width = (high - low) / BINS;
  const counts = models.map(([, samples]) => {
    const bins = new Array(BINS + 2).fill(0);
    for (const sample of samples) bins[Math.min(BINS, 1 + Math.floor((value(sample, name) - low) / width))] += 1;
    return bins;
  });
  // An empty bin at either end, or the outer ones would be drawn by half.
  const middles = Array.from({ length: BINS + 2 }, (_, bin) => low + (bin - 0.5) * width);
  const line = { width: 1.5, paths: uPlot.paths.stepped({ align: 0 }), points: { show: false } };
  return {
    mode: 1,
    data: [middles, ...counts],
    series: [{ label: name }, ...models.map(([model]) => ({ ...seriesOf(model, "40"), ...line }))],
    scales: { x: { time: false } },
    labels: [name, "videos"],
  };
}
