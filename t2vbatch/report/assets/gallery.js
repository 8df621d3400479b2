"use strict";
// The gallery: one card for each sample; cards are added while the user scrolls.

const CARDS = 60; // added at a time: more than one screen

const gallery = (() => {
  const place = document.getElementById("gallery");
  const play = document.getElementById("play");
  let samples = [];
  let drawn = 0;
  play.checked = !reducedMotion();

  const watch = watchPlayers((player) => {
    if (!play.checked) return;
    player.src = player.dataset.file;
    // Scrolling past a video before it has loaded rejects the promise; that is no error.
    player.play?.().catch(() => {});
  }, unload);

  function card(sample) {
    const line = element("span", "line");
    if (models.length > 1) line.append(modelLabel(value(sample, "model")));
    if (samplesPerRow > 1) line.append(sampleNumber(sample));
    const made = videoCard(sample, [element("span", "prompt", heading(sample)), line], () => openDetail(samples, sample));
    watch.observe(made.querySelector(".video-box"));
    return made;
  }

  function more() {
    const next = samples.slice(drawn, drawn + CARDS);
    place.append(...next.map(card));
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
    for (const picture of place.querySelectorAll(".video-box")) watch.observe(picture);
  });
  return { place, show, hide, more };
})();

