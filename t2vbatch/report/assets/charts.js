"use strict";
// The charts of the samples that match the filters: a histogram for each score, and any two numbers as a plot.

function seriesOf(model, opacity) {
  const colour = getComputedStyle(document.body).getPropertyValue(`--m${colourOf(model)}`).trim();
  const solid = resolvedColour(colour);
  return { label: model, stroke: solid, fill: solid + opacity };
}

// A canvas needs the colour of the current theme as #rrggbb.
function resolvedColour(colour) {
  const [light, dark] = colour.match(/#[0-9a-f]{6}/gi);
  return matchMedia("(prefers-color-scheme: dark)").matches ? (dark ?? light) : light;
}

const charts = (() => {
  const place = document.getElementById("charts");
  const [plots, plotPlace] = [document.getElementById("histograms"), document.getElementById("chart")];
  const note = document.getElementById("charted");
  const [across, up] = [document.getElementById("across"), document.getElementById("up")];
  const GROUPS = { scores: "scores", manifest: "manifest", call: "arguments of the call", made: "file and timing" };
  let plot = null;
  let samples = [];

  const ink = () => getComputedStyle(document.body).color;
  const line = () => getComputedStyle(document.querySelector(".bar")).borderBottomColor;
  const width = () => Math.min(plotPlace.clientWidth, 900);

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
    if (models.length > 1) document.getElementById("legend").append(...models.map(modelLabel));
    document.getElementById("legend").hidden = models.length < 2;
    place.style.setProperty("--fill", models.length > 2 ? "7%" : "20%");
    place.querySelector(".controls").hidden = measures.length === 0;
    across.addEventListener("change", () => setState({ across: across.value }));
    up.addEventListener("change", () => setState({ up: up.value || "count" }));
  }

  function byModel(names) {
    const whole = samples.filter((sample) => names.every((name) => value(sample, name) !== null));
    return models
      .map((model) => [model, whole.filter((sample) => value(sample, "model") === model)])
      .filter(([, found]) => found.length);
  }

  function show(wanted) {
    samples = wanted;
    keepFocus(plots, () => plots.replaceChildren(...scores.map(({ name }) => histogram(name))));
    draw();
  }

  function chosen() {
    const names = measures.map(({ name }) => name);
    across.value = names.includes(state.across) ? state.across : (names[0] ?? "");
    const second = scores.length > 1 && names.includes(scores[1].name) ? scores[1].name : "";
    up.value = state.up === "count" ? "" : names.includes(state.up) ? state.up : second;
    return [across.value, up.value];
  }

  function draw() {
    plot?.destroy();
    plot = null;
    plotPlace.replaceChildren();
    const names = chosen().filter(Boolean);
    note.textContent = "";
    if (!across.value) return;
    if (!up.value) return plotPlace.append(histogram(across.value));
    const found = byModel(names);
    const total = found.reduce((sum, [, ofModel]) => sum + ofModel.length, 0);
    note.textContent = `None of these videos has ${names.join(" and ")}.`;
    if (!total) return;
    const { labels, made, apart, ...kind } = scatter(found, names);
    note.textContent = plotNote(total, apart);
    plot = new uPlot({ ...kind, ...frame(labels) }, kind.data, plotPlace);
    made(plot);
  }

  function frame(labels) {
    const axis = (label) => ({ label, stroke: ink(), grid: { stroke: line(), width: 1 }, ticks: { stroke: line() } });
    const [below, beside] = labels.map(axis);
    return {
      width: width(),
      height: 340,
      axes: [below, { ...beside, size: roomFor }],
      cursor: { show: false },
      legend: { show: false },
    };
  }

  // Pixels for the longest number of the upright axis and its label.
  function roomFor(_, texts) {
    return 22 + 7 * Math.max(3, ...(texts ?? []).map((text) => String(text).length));
  }

  function plotNote(total, apart) {
    const parts = [`${many(total, "video")}. A click on a dot opens its video.`];
    if (apart) parts.push("Dots of equal values have a small offset.");
    return parts.join(" ");
  }

  function hide() {
    plot?.destroy();
    plot = null;
    plots.replaceChildren();
    plotPlace.replaceChildren();
  }

  new ResizeObserver(() => plot?.setSize({ width: width(), height: plot.height })).observe(plotPlace);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot && draw());
  return { place, fill, show, hide, more: () => {} };
})();
