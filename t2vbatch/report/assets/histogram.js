"use strict";
// The histogram of one number: an outline for each model, and bars that filter.
//
// It counts the samples that match all other filters, so that its own filter can be changed.

const BINS = Math.min(24, Math.max(8, Math.ceil(Math.sqrt(count))));
const SVG = "http://www.w3.org/2000/svg";
const CHART_HEIGHT = 100;

function histogram(name) {
  const samples = matching(name).filter((sample) => value(sample, name) !== null);
  const figure = element("figure", "histogram");
  const title = element("figcaption", "", name);
  figure.append(title);
  if (!samples.length) {
    figure.append(element("p", "note", "None of these samples has this score."));
    return figure;
  }
  title.append(element("span", "soft", ` ${many(samples.length, "video")}${degenerates(samples)}`));
  const frame = bars(name, samples, BINS);
  if (!frame) {
    figure.append(element("p", "note", `Every value is ${scoreText(samples[0], name)}.`));
    return figure;
  }
  const [low, high] = extent(name);
  const axis = element("div", "ticks");
  axis.append(...[low, (low + high) / 2, high].map((tick) => element("span", "", number(tick))));
  figure.append(frame, axis);
  return figure;
}

// The axis covers all samples: it stays while filters change. Null if all have one value.
function extent(name) {
  const found = allSamples.map((sample) => value(sample, name)).filter((one) => one !== null);
  return new Set(found).size > 1 ? ends(found) : null;
}

// The outlines of these samples, and a button for each bin; null if all samples of the page have one value.
function bars(name, samples, size) {
  const range = extent(name);
  if (!range) return null;
  const [low, high] = range;
  const binOf = (sample) => Math.min(size - 1, Math.floor((size * (value(sample, name) - low)) / (high - low)));
  const counts = new Map(models.map((model) => [model, new Array(size).fill(0)]));
  for (const sample of samples) counts.get(value(sample, "model"))[binOf(sample)] += 1;
  const frame = element("div", "bars");
  frame.append(outlines(counts, size), bins(name, counts, low, high));
  return frame;
}

// The leaderboard leaves their scores out; the histogram shows them, because its bars lead to the videos.
function degenerates(samples) {
  const found = samples.filter((sample) => value(sample, "status") === "degenerate");
  return found.length ? `, ${counted(found.length)} degenerate` : "";
}

function outlines(counts, size) {
  const tallest = Math.max(1, ...[...counts.values()].flat());
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", `0 0 ${size} ${CHART_HEIGHT}`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("aria-hidden", "true");
  for (const [model, found] of counts) {
    if (!found.some(Boolean)) continue;
    const path = document.createElementNS(SVG, "path");
    const tops = found.map((height) => CHART_HEIGHT - (height / tallest) * (CHART_HEIGHT - 4));
    path.setAttribute("d", `M0 ${CHART_HEIGHT} ${tops.map((top, bin) => `L${bin} ${top} L${bin + 1} ${top}`).join(" ")} L${size} ${CHART_HEIGHT}`);
    path.setAttribute("class", `outline m${colourOf(model)}`);
    drawing.append(path);
  }
  return drawing;
}

// One button for each bin over the drawing; the arrow keys move between them.
function bins(name, counts, low, high) {
  const row = element("div", "bins");
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", `${name}: ranges to filter by`);
  const filter = state.filters[name];
  const total = [...counts.values()][0].length;
  for (let bin = 0; bin < total; bin += 1) {
    const [from, to] = [low + ((high - low) * bin) / total, low + ((high - low) * (bin + 1)) / total];
    const active = Boolean(filter) && "from" in filter && (filter.from ?? low) < to && (filter.to ?? high) > from;
    const made = button("", "bin", (event) => filterBin(name, from, to, active, event.shiftKey));
    const size = [...counts.values()].reduce((sum, found) => sum + found[bin], 0);
    made.title = `${number(from)} to ${number(to)}: ${many(size, "video")}`;
    made.setAttribute("aria-label", made.title);
    made.setAttribute("aria-pressed", String(active));
    made.tabIndex = bin === 0 ? 0 : -1;
    made.dataset.bin = `${name}/${bin}`;
    row.append(made);
  }
  row.addEventListener("keydown", moveBetweenBins);
  return row;
}

// A click filters by a bin, a second one removes the filter, shift extends it to another bin.
function filterBin(name, from, to, active, extend) {
  const filter = state.filters[name];
  if (extend && filter && "from" in filter) {
    setFilter(name, { from: Math.min(filter.from ?? from, from), to: Math.max(filter.to ?? to, to) });
  } else setFilter(name, active ? null : { from, to });
}

function moveBetweenBins(event) {
  const way = { ArrowLeft: "previousElementSibling", ArrowRight: "nextElementSibling" }[event.key];
  const next = way && event.target[way];
  if (!next) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  event.preventDefault();
  event.stopPropagation();
}
