"use strict";
// Two numbers against each other: a dot a video, which says what it is under the pointer and opens on a click.

const REACH = 12; // pixels between the pointer and the dot that it means
const FEW = 12; // values of an axis that make columns of dots instead of a cloud
const CROWD = 1500; // dots beyond which one model would hide the others, were they not small and thin

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
    made: (chart) => point(chart, models.map(([, samples]) => samples), names),
  };
}

// Where each sample stands on an axis. Dots of few values would cover each other: they stand a little apart,
// each always at the same place.
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

// What the pointer means, told beside it.
function point(chart, samples, names) {
  const [ring, tip] = [element("div", "dot-ring"), element("div", "dot-tip")];
  let meant = null;

  function move(event) {
    const box = chart.over.getBoundingClientRect();
    meant = nearest(chart, samples, event.clientX - box.left, event.clientY - box.top);
    ring.hidden = tip.hidden = meant === null;
    chart.over.style.cursor = meant ? "pointer" : "";
    if (!meant) return;
    Object.assign(ring.style, { left: `${meant.x}px`, top: `${meant.y}px` });
    tip.replaceChildren(...told(meant.sample, names));
    // Beside the dot, on the side that has room for it.
    const [right, low] = [meant.x > box.width / 2, meant.y > box.height / 2];
    Object.assign(tip.style, {
      left: right ? "" : `${meant.x + 12}px`,
      right: right ? `${box.width - meant.x + 12}px` : "",
      top: low ? "" : `${meant.y}px`,
      bottom: low ? `${box.height - meant.y}px` : "",
    });
  }

  function leave() {
    meant = null;
    ring.hidden = tip.hidden = true;
  }

  leave();
  chart.over.append(ring, tip);
  chart.over.addEventListener("pointermove", move);
  chart.over.addEventListener("pointerleave", leave);
  chart.over.addEventListener("click", (event) => {
    move(event); // A finger does not hover.
    if (!meant) return;
    const listed = samples.flat();
    openDetail(listed, listed.indexOf(meant.sample));
  });
}

function nearest(chart, samples, left, top) {
  let [found, closest] = [null, REACH];
  for (let index = 1; index < chart.data.length; index += 1) {
    if (!chart.series[index].show) continue;
    const [xs, ys] = chart.data[index];
    for (let at = 0; at < xs.length; at += 1) {
      const [x, y] = [chart.valToPos(xs[at], "x"), chart.valToPos(ys[at], "y")];
      const distance = Math.hypot(x - left, y - top);
      if (distance < closest) [found, closest] = [{ sample: samples[index - 1][at], x, y }, distance];
    }
  }
  return found;
}

function told(sample, names) {
  const text = element("div");
  text.append(element("b", "prompt", heading(sample)), element("span", "line", value(sample, "model")));
  for (const name of names) text.append(element("span", "line", `${name} ${scoreText(sample, name)}`));
  return value(sample, "video") ? [still(sample), text] : [text];
}
