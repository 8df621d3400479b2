"use strict";
// The dots of the scatter plot: the pointer or the arrow keys show the video of a dot, a click or Enter opens it.

const REACH = 12; // largest distance in pixels from the pointer to its dot

function pointAt(chart, samples, names) {
  const [ring, tip] = [element("div", "dot-ring"), element("div", "dot-tip")];
  let pointed = null;

  function show(dot) {
    pointed = dot;
    ring.hidden = tip.hidden = dot === null;
    chart.over.style.cursor = dot ? "pointer" : "";
    if (!dot) return;
    const box = chart.over.getBoundingClientRect();
    Object.assign(ring.style, { left: `${dot.x}px`, top: `${dot.y}px` });
    tip.replaceChildren(...tipParts(dot.sample, names));
    // On the side of the dot that has more space.
    const [right, low] = [dot.x > box.width / 2, dot.y > box.height / 2];
    Object.assign(tip.style, {
      left: right ? "" : `${dot.x + 12}px`,
      right: right ? `${box.width - dot.x + 12}px` : "",
      top: low ? "" : `${dot.y}px`,
      bottom: low ? `${box.height - dot.y}px` : "",
    });
  }

  function move(event) {
    const box = chart.over.getBoundingClientRect();
    show(nearest(dotsOf(chart, samples), event.clientX - box.left, event.clientY - box.top));
  }

  function open() {
    if (pointed) openDetail(samples.flat(), pointed.sample);
  }

  function key(event) {
    if (event.key === "Enter") return open();
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const dots = dotsOf(chart, samples).sort((a, b) => a.x - b.x || b.y - a.y);
    const at = dots.findIndex(({ sample }) => sample === pointed?.sample);
    show(dots[Math.min(Math.max(at + by, 0), dots.length - 1)]);
    event.preventDefault();
  }

  show(null);
  tip.setAttribute("aria-live", "polite");
  chart.over.append(ring, tip);
  chart.over.tabIndex = 0;
  chart.over.setAttribute("role", "group");
  chart.over.setAttribute("aria-label", `${names.join(" and ")}: arrow keys move between the dots, Enter opens a video`);
  chart.over.addEventListener("pointermove", move);
  chart.over.addEventListener("pointerleave", () => show(null));
  chart.over.addEventListener("blur", () => show(null));
  chart.over.addEventListener("keydown", key);
  chart.over.addEventListener("click", (event) => {
    move(event); // touch has no hover
    open();
  });
}

// Every dot with its position in pixels.
function dotsOf(chart, samples) {
  return samples.flatMap((ofModel, index) => {
    const [xs, ys] = chart.data[index + 1];
    return ofModel.map((sample, at) => ({ sample, x: chart.valToPos(xs[at], "x"), y: chart.valToPos(ys[at], "y") }));
  });
}

function nearest(dots, left, top) {
  let [found, closest] = [null, REACH];
  for (const dot of dots) {
    const distance = Math.hypot(dot.x - left, dot.y - top);
    if (distance < closest) [found, closest] = [dot, distance];
  }
  return found;
}

function tipParts(sample, names) {
  const text = element("div");
  text.append(element("b", "prompt", heading(sample)), element("span", "line", value(sample, "model")));
  for (const name of names) text.append(element("span", "line", `${name} ${scoreText(sample, name)}`));
  return value(sample, "video") ? [posterBox(sample), text] : [text];
}
