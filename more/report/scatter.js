"use strict";
// A scatter plot of two numbers: one dot for each video. The pointer shows the video of a dot, a click opens it.

const REACH = 12; // largest distance in pixels from the pointer to its dot
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

// The dot at the pointer, with its video beside it.
function pointAt(chart, samples, names) {
  const [ring, tip] = [element("div", "dot-ring"), element("div", "dot-tip")];
  let pointed = null;

  function move(event) {
    const box = chart.over.getBoundingClientRect();
    pointed = nearest(chart, samples, event.clientX - box.left, event.clientY - box.top);
    ring.hidden = tip.hidden = pointed === null;
    chart.over.style.cursor = pointed ? "pointer" : "";
    if (!pointed) return;
    Object.assign(ring.style, { left: `${pointed.x}px`, top: `${pointed.y}px` });
    tip.replaceChildren(...tipParts(pointed.sample, names));
    // On the side of the dot that has more space.
    const [right, low] = [pointed.x > box.width / 2, pointed.y > box.height / 2];
    Object.assign(tip.style, {
      left: right ? "" : `${pointed.x + 12}px`,
      right: right ? `${box.width - pointed.x + 12}px` : "",
      top: low ? "" : `${pointed.y}px`,
      bottom: low ? `${box.height - pointed.y}px` : "",
    });
  }

  function leave() {
    pointed = null;
    ring.hidden = tip.hidden = true;
  }

  leave();
  chart.over.append(ring, tip);
  chart.over.addEventListener("pointermove", move);
  chart.over.addEventListener("pointerleave", leave);
  chart.over.addEventListener("click", (event) => {
    move(event); // touch has no hover
    if (!pointed) return;
    const listed = samples.flat();
    openDetail(listed, pointed.sample);
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

function tipParts(sample, names) {
  const text = element("div");
  text.append(element("b", "prompt", heading(sample)), element("span", "line", value(sample, "model")));
  for (const name of names) text.append(element("span", "line", `${name} ${scoreText(sample, name)}`));
  return value(sample, "video") ? [posterBox(sample), text] : [text];
}
