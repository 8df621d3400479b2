"use strict";
// One video of the page: its poster, and its file while the video is in view.

// Small videos are enlarged without smoothing: interpolated pixels would not be the model's.
const PIXELATED_UP_TO = 192;

// What plays each kind of file; a folder of frames has none of these endings.
const PLAYERS = { mp4: "video", webm: "video", gif: "img" };

// The poster of a sample with its player, or the reason why there is no video.
function videoBox(sample) {
  if (value(sample, "video")) {
    const box = posterBox(sample);
    if (hasVideo(sample)) box.append(makePlayer(sample, box));
    // A degenerate video looks like any other while it is small or still.
    if (value(sample, "status") !== "ok") box.append(element("span", "flag", value(sample, "status")));
    return box;
  }
  const [box, reason] = [element("div", "video-box"), element("p", "reason")];
  box.style.setProperty("--aspect", aspectOf(sample));
  reason.append(element("b", "", value(sample, "error_type") || value(sample, "status")));
  const [first] = (value(sample, "error") ?? "").split("\n");
  if (first) reason.append(element("span", "", first));
  box.append(reason);
  return box;
}

function posterBox(sample) {
  const box = element("div", "video-box");
  const [width, height] = [value(sample, "width"), value(sample, "height")];
  box.style.setProperty("--aspect", aspectOf(sample));
  if (Math.max(width, height) <= PIXELATED_UP_TO) box.classList.add("pixelated");
  const poster = value(sample, "poster");
  if (poster) showPoster(box, poster);
  return box;
}

// Width by height. A sample without a video has the shape of the same prompt by another model, or of most videos.
function aspectOf(sample) {
  const [width, height] = [value(sample, "width"), value(sample, "height")];
  if (width && height) return width / height;
  const other = allGroups.get(groupOf(sample)).find((one) => value(one, "width") && value(one, "height"));
  return other === undefined ? commonAspect : value(other, "width") / value(other, "height");
}

const commonAspect = (() => {
  const counts = new Map();
  for (const sample of allSamples) {
    const [width, height] = [value(sample, "width"), value(sample, "height")];
    if (width && height) counts.set(width / height, (counts.get(width / height) ?? 0) + 1);
  }
  return [...counts].reduce((most, one) => (one[1] > most[1] ? one : most), [1, 0])[0];
})();

// The poster is a row of frames; the pointer moves through them.
function showPoster(box, poster) {
  box.style.backgroundImage = `url("${poster}")`;
  box.style.backgroundSize = `${sheetFrames * 100}% 100%`;
  const show = (index) => {
    box.style.backgroundPositionX = `${(100 * index) / (sheetFrames - 1)}%`;
  };
  box.addEventListener("pointermove", (event) => {
    const { left, width } = box.getBoundingClientRect();
    const index = Math.floor((sheetFrames * (event.clientX - left)) / width);
    show(Math.min(Math.max(index, 0), sheetFrames - 1));
  });
  box.addEventListener("pointerleave", () => show(0));
}

// The element that plays a video, before its file is loaded.
function makePlayer(sample, box) {
  const file = value(sample, "video");
  const player = element(PLAYERS[file.slice(file.lastIndexOf(".") + 1)] ?? "frames-player", "player");
  player.dataset.file = fileLink(file);
  player.dataset.fps = value(sample, "fps");
  player.dataset.frames = value(sample, "num_frames");
  if (player.tagName === "IMG") player.alt = "";
  if (player.tagName === "VIDEO") {
    Object.assign(player, { muted: true, loop: true, playsInline: true, preload: "none" });
    player.setAttribute("aria-label", heading(sample));
    if (value(sample, "audio_sha256")) player.dataset.sound = "";
  }
  player.addEventListener("error", () => player.hasAttribute("src") && showMissing(box, file));
  return player;
}

function showMissing(box, file) {
  if (box.querySelector(".missing-file")) return;
  const note = element("p", "missing-file", "The video file is missing here.");
  note.title = `${file} does not exist beside this page, or this browser cannot play it.`;
  box.append(note);
}

function unload(player) {
  player.removeAttribute("src");
  if (player.load) player.load();
}

// Calls enter and leave with the player of each box that comes into view or leaves it. A browser has few
// decoders: only videos in view should have their file.
function watchPlayers(enter, leave) {
  const handle = (entry) => {
    const player = entry.target.querySelector(".player");
    if (player) (entry.isIntersecting ? enter : leave)(player);
  };
  return new IntersectionObserver((entries) => entries.forEach(handle), { rootMargin: "100px" });
}

const CARD_SCORES = 5; // a card with all dimensions of VBench would hide the videos

// The first scores of a sample and the one that sorts: names on the left, numbers aligned on the right.
function scoreList(sample) {
  const list = element("span", "scores");
  const sortedBy = splitSort()[0];
  for (const { name } of scores.filter(({ name }, index) => index < CARD_SCORES || name === sortedBy)) {
    list.append(element("span", "score-name", name), element("b", "score", scoreText(sample, name)));
  }
  return list;
}

// A card of the gallery or of another view; caption comes between the video and the scores.
function videoCard(sample, caption, onClick) {
  const card = element("button", `card ${value(sample, "status")}`);
  card.type = "button";
  card.dataset.sample = sample;
  card.append(videoBox(sample), ...caption, scoreList(sample));
  card.addEventListener("click", onClick);
  return card;
}
