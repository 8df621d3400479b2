"use strict";
// The stage of the detail view: the video, the same prompt by the other models, and a wipe between two.

const stageClock = makeClock();
let muted = true; // until the user turns the sound on

function showStage(sample, choose) {
  stopStage();
  const place = document.getElementById("stage");
  const picture = videoBox(sample);
  const player = picture.querySelector(".player");
  place.replaceChildren(picture);
  if (player) {
    stageClock.add(player);
    if (player.play) place.append(stageClock.bar);
    if ("sound" in player.dataset) place.append(soundSwitch(player));
    stageClock.start();
  }
  if (!videosAreShared) place.append(element("p", "note", "This page was shared without its videos: it shows frames."));
  const others = allGroups.get(groupOf(sample));
  if (others.length > 1) place.append(...comparison(sample, others, picture, choose));
}

function stopStage() {
  stageClock.play(false);
  for (const player of document.querySelectorAll("#stage .player")) stageClock.remove(player);
}

function soundSwitch(player) {
  const made = button("", "quiet sound", () => {
    muted = !muted;
    show();
  });
  const show = () => {
    player.muted = muted;
    made.textContent = muted ? "sound off" : "sound on";
    made.setAttribute("aria-pressed", String(!muted));
  };
  show();
  return made;
}

// A switch between the models, and the choice of a model to wipe against.
function comparison(sample, others, picture, choose) {
  const strip = element("div", "others");
  strip.setAttribute("role", "group");
  strip.setAttribute("aria-label", "the same prompt and seed by each model (keys 1 to 9)");
  for (const other of others) {
    const made = button("", "other", () => choose(other));
    made.append(posterBox(other), modelLabel(value(other, "model")));
    made.setAttribute("aria-pressed", String(other === sample));
    strip.append(made);
  }
  const wipes = others.filter((other) => other !== sample && hasVideo(other));
  if (!hasVideo(sample) || !wipes.length) return [strip];
  const [label, select] = [element("label", "wipe-choice", "wipe against "), element("select")];
  option(select, "no model", "");
  for (const other of wipes) option(select, value(other, "model"), String(other));
  select.addEventListener("change", () => showWipe(picture, sample, select.value === "" ? null : Number(select.value)));
  label.append(select);
  return [strip, label];
}

// The other video is drawn over the first one; a slider sets the border from which it is visible.
function showWipe(picture, sample, other) {
  for (const player of picture.querySelectorAll(".over .player")) stageClock.remove(player);
  for (const old of picture.parentElement.querySelectorAll(".over, .wipe, .wipe-names")) old.remove();
  if (other === null) return;
  const over = videoBox(other);
  over.classList.add("over");
  const slider = element("input", "wipe");
  Object.assign(slider, { type: "range", min: 0, max: 100, value: 50 });
  slider.setAttribute("aria-label", `border between the two videos; ${value(other, "model")} is on the right`);
  const place = () => picture.style.setProperty("--wipe", `${slider.value}%`);
  slider.addEventListener("input", place);
  place();
  picture.append(over);
  const names = element("p", "wipe-names");
  names.append(modelLabel(value(sample, "model")), modelLabel(value(other, "model")));
  picture.after(slider, names);
  stageClock.add(over.querySelector(".player"));
  stageClock.start();
}
