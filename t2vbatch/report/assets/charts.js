"use strict";
// How scores are spread: a histogram of one, a scatter plot of two, a colour a model.

const charts = (() => {
  const place = document.getElementById("chart");
  const [across, up] = [document.getElementById("across"), document.getElementById("up")];
  const COLOURS = ["#3b7dd8", "#d9822b", "#3f9d6b", "#b5559c", "#7a6ff0", "#c2504a", "#6b8e23", "#0f9aa8"];
  const BINS = 24;
  const fold = document.querySelector("#charts details");
  let plot = null;
  let samples = [];

  const colour = (index) => COLOURS[index % COLOURS.length];
  const ink = () => getComputedStyle(document.body).color;
  const line = () => getComputedStyle(document.querySelector(".bar")).borderBottomColor;

  function byModel(samples, names) {
    const whole = samples.filter((sample) => names.every((name) => value(sample, name) !== null));
    return words("model")
      .map((model) => [model, whole.filter((sample) => value(sample, "model") === model)])
      .filter(([, found]) => found.length);
  }

  function bounds(found) {
    const [low, high] = [Math.min(...found), Math.max(...found)];
    return low === high ? [low - 0.5, high + 0.5] : [low, high];
  }

  function histogram(samples, name) {
    const models = byModel(samples, [name]);
    const [low, high] = bounds(models.flatMap(([, found]) => found.map((sample) => value(sample, name))));
    const width = (high - low) / BINS;
    const bins = models.map(([, found]) => {
      const counts = new Array(BINS).fill(0);
      for (const sample of found) counts[Math.min(BINS - 1, Math.floor((value(sample, name) - low) / width))] += 1;
      return counts;
    });
    const at = Array.from({ length: BINS }, (_, bin) => low + (bin + 0.5) * width);
    const series = models.map(([model], index) => ({
      label: model,
      stroke: colour(index),
      fill: colour(index) + "40",
      width: 1.5,
      paths: uPlot.paths.stepped({ align: 0 }),
      points: { show: false },
    }));
    return { data: [at, ...bins], series, axes: [name, "videos"], mode: 1 };
  }

  function scatter(samples, first, second) {
    const models = byModel(samples, [first, second]);
    const data = models.map(([, found]) => [
      found.map((sample) => value(sample, first)),
      found.map((sample) => value(sample, second)),
    ]);
    const series = models.map(([model], index) => ({
      label: model,
      stroke: colour(index),
      fill: colour(index) + "80",
      paths: dots,
    }));
    return { data: [null, ...data], series, axes: [first, second], mode: 2 };
  }

  function dots(chart, index) {
    const [xs, ys] = chart.data[index];
    const size = 3 * devicePixelRatio;
    chart.ctx.fillStyle = chart.series[index].fill();
    xs.forEach((x, at) => {
      chart.ctx.beginPath();
      chart.ctx.arc(chart.valToPos(x, "x", true), chart.valToPos(ys[at], "y", true), size, 0, 2 * Math.PI);
      chart.ctx.fill();
    });
    return null;
  }

  // Drawn only while it is seen: a folded plot has no width.
  function show(wanted) {
    samples = wanted;
    draw();
  }

  function draw() {
    plot?.destroy();
    plot = null;
    if (!fold.open) return;
    if (!scores.length || !samples.some((sample) => value(sample, across.value) !== null)) return;
    const { data, series, axes, mode } = up.value
      ? scatter(samples, across.value, up.value)
      : histogram(samples, across.value);
    if (series.length === 0) return;
    const axis = (label) => ({ label, stroke: ink(), grid: { stroke: line(), width: 1 }, ticks: { stroke: line() } });
    const range = (of) => ({ time: false, range: () => padded(of) });
    const flat = (side) => (mode === 2 ? data.slice(1).flatMap((pair) => pair[side]) : null);
    plot = new uPlot(
      {
        mode,
        width: Math.min(place.clientWidth, 900),
        height: 300,
        series: [mode === 1 ? { label: axes[0] } : {}, ...series],
        scales: mode === 2 ? { x: range(flat(0)), y: range(flat(1)) } : { x: { time: false } },
        axes: axes.map(axis),
        cursor: { drag: { x: false, y: false }, points: { show: false } },
        legend: { live: false },
      },
      data,
      place,
    );
  }

  function padded(found) {
    const [low, high] = bounds(found);
    return [low - 0.05 * (high - low), high + 0.05 * (high - low)];
  }

  fold.addEventListener("toggle", draw);
  return { show };
})();
