"use strict";
// The chart that the page shows: of the samples that it lists, one number or two, a colour a model.

const COLOURS = ["#3b7dd8", "#d9822b", "#3f9d6b", "#b5559c", "#7a6ff0", "#c2504a", "#6b8e23", "#0f9aa8"];

// A model keeps its colour, whatever is filtered away.
function seriesOf(model, opacity) {
  const colour = COLOURS[words("model").indexOf(model) % COLOURS.length];
  return { label: model, stroke: colour, fill: colour + opacity };
}

// Smallest and largest, never equal; a loop, because ten thousand arguments are too many.
function ends(found) {
  let [low, high] = [Infinity, -Infinity];
  for (const one of found) [low, high] = [Math.min(low, one), Math.max(high, one)];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

const charts = (() => {
  const place = document.getElementById("chart");
  const note = document.getElementById("charted");
  const [across, up] = [document.getElementById("across"), document.getElementById("up")];
  const fold = document.querySelector("#charts details");
  const GROUPS = { scores: "scores", manifest: "manifest", call: "arguments of the call", made: "the file and its making" };
  let plot = null;
  let samples = [];

  const ink = () => getComputedStyle(document.body).color;
  const line = () => getComputedStyle(document.querySelector(".bar")).borderBottomColor;
  const width = () => Math.min(place.clientWidth, 900);

  function fill() {
    for (const select of [across, up]) {
      for (const [group, label] of Object.entries(GROUPS)) {
        const names = measures.filter((measure) => measure.group === group).map(({ name }) => name);
        if (!names.length) continue;
        const part = element("optgroup");
        part.label = label;
        for (const name of names) option(part, name);
        select.append(part);
      }
    }
  }

  function byModel(names) {
    const whole = samples.filter((sample) => names.every((name) => value(sample, name) !== null));
    return words("model")
      .map((model) => [model, whole.filter((sample) => value(sample, "model") === model)])
      .filter(([, found]) => found.length);
  }

  // Drawn only while it is seen: a folded plot has no width.
  function show(wanted) {
    samples = wanted;
    draw();
  }

  function draw() {
    plot?.destroy();
    plot = null;
    if (!fold.open || !across.value) return;
    const names = up.value ? [across.value, up.value] : [across.value];
    const models = byModel(names);
    const number = models.reduce((sum, [, found]) => sum + found.length, 0);
    note.textContent = `None of these videos has ${names.join(" and ")}.`;
    if (!number) return;
    const { labels, made, apart, ...kind } = (up.value ? scatter : histogram)(models, names);
    note.textContent = told(number, made, apart);
    plot = new uPlot({ ...kind, ...frame(labels) }, kind.data, place);
    made?.(plot);
  }

  function frame(labels) {
    const axis = (label) => ({ label, stroke: ink(), grid: { stroke: line(), width: 1 }, ticks: { stroke: line() } });
    const [below, beside] = labels.map(axis);
    return {
      width: width(),
      height: 340,
      axes: [below, { ...beside, size: roomFor }],
      cursor: { show: false },
      legend: { live: false },
    };
  }

  // Pixels that the longest number on the upright axis takes; its label stands beside them.
  function roomFor(_, texts) {
    return 22 + 7 * Math.max(3, ...(texts ?? []).map((text) => String(text).length));
  }

  function told(number, opens, apart) {
    const parts = [`${number} video${number === 1 ? "" : "s"}.`];
    if (opens) parts.push("A dot opens its video.");
    if (apart) parts.push("Dots of one value stand a little apart.");
    return parts.join(" ");
  }

  fold.addEventListener("toggle", draw);
  for (const select of [across, up]) select.addEventListener("change", draw);
  new ResizeObserver(() => plot?.setSize({ width: width(), height: plot.height })).observe(place);
  return { fill, show };
})();
