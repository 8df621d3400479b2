"use strict";
// The gallery: a card a sample, and only as many as were scrolled to.

const CARDS = 60; // added at a time: more than one screen holds

const grid = (() => {
  const place = document.getElementById("grid");
  const play = document.getElementById("play");
  let samples = [];
  let drawn = 0;

  const watch = watchPlayers((player) => {
    if (!play.checked) return;
    player.src = player.dataset.file;
    // A page that scrolls on before the file is there rejects the promise, and nothing is wrong.
    player.play?.().catch(() => {});
  }, unload);

  function card(sample, position) {
    const made = element("button", `card ${value(sample, "status")}`);
    made.type = "button";
    made.dataset.sample = sample;
    const picture = film(sample);
    const line = element("span", "line");
    if (words("model").length > 1) line.append(element("b", "", value(sample, "model")), " · ");
    line.append(`seed ${value(sample, "seed")}`);
    made.append(picture, element("span", "prompt", heading(sample)), line, scoreLine(sample));
    made.addEventListener("click", () => openDetail(samples, position));
    watch.observe(picture);
    return made;
  }

  function more() {
    const next = samples.slice(drawn, drawn + CARDS);
    place.append(...next.map((sample, index) => card(sample, drawn + index)));
    drawn += next.length;
  }

  function show(wanted) {
    hide();
    samples = wanted;
    more();
  }

  function hide() {
    watch.disconnect();
    for (const player of place.querySelectorAll(".player[src]")) unload(player);
    place.replaceChildren();
    drawn = 0;
  }

  play.addEventListener("change", () => {
    watch.disconnect();
    for (const player of place.querySelectorAll(".player[src]")) unload(player);
    for (const picture of place.querySelectorAll(".film")) watch.observe(picture);
  });
  return { place, show, hide, more };
})();
