"use strict";
// A video in the page: a contact sheet that runs under the pointer, and the file itself once it is wanted.

// Small videos are enlarged as they are: smoothing would show what the model did not make.
const PIXELATED_UP_TO = 192;

function film(sample) {
  if (value(sample, "video")) {
    const frame = still(sample);
    frame.append(makePlayer(sample));
    return frame;
  }
  const frame = element("div", "film");
  frame.append(element("p", "none", value(sample, "error_type") || value(sample, "status")));
  return frame;
}

// A video without its player: the contact sheet.
function still(sample) {
  const frame = element("div", "film");
  const [width, height] = [value(sample, "width"), value(sample, "height")];
  if (width && height) frame.style.aspectRatio = `${width} / ${height}`;
  if (Math.max(width, height) <= PIXELATED_UP_TO) frame.classList.add("pixelated");
  const poster = value(sample, "poster");
  if (poster) showSheet(frame, poster);
  return frame;
}

function showSheet(frame, poster) {
  frame.style.backgroundImage = `url("${poster}")`;
  frame.style.backgroundSize = `${sheetFrames * 100}% 100%`;
  const show = (index) => {
    frame.style.backgroundPositionX = `${(100 * index) / (sheetFrames - 1)}%`;
  };
  frame.addEventListener("pointermove", (event) => {
    const box = frame.getBoundingClientRect();
    const index = Math.floor((sheetFrames * (event.clientX - box.left)) / box.width);
    show(Math.min(Math.max(index, 0), sheetFrames - 1));
  });
  frame.addEventListener("pointerleave", () => show(0));
}

// What plays a kind of file; a folder of frames has none of these endings.
const PLAYERS = { mp4: "video", webm: "video", gif: "img" };

// The element that plays a video, without its file.
function makePlayer(sample) {
  const file = value(sample, "video");
  const player = element(PLAYERS[file.slice(file.lastIndexOf(".") + 1)] ?? "frames-player", "player");
  player.dataset.file = fileLink(file);
  player.dataset.fps = value(sample, "fps");
  player.dataset.frames = value(sample, "num_frames");
  if (player.tagName === "VIDEO" && value(sample, "audio_sha256")) player.dataset.sound = "";
  if (player.tagName === "IMG") player.alt = "";
  if (player.tagName === "VIDEO") Object.assign(player, { muted: true, loop: true, playsInline: true, preload: "none" });
  return player;
}

function unload(player) {
  player.removeAttribute("src");
  if (player.load) player.load();
}

// Calls enter and leave with the player of each film as it comes into view and goes. A browser holds few
// decoders: only what is in view should have its file.
function watchPlayers(enter, leave) {
  const tell = (entry) => {
    const player = entry.target.querySelector(".player");
    if (player) (entry.isIntersecting ? enter : leave)(player);
  };
  return new IntersectionObserver((entries) => entries.forEach(tell), { rootMargin: "100px" });
}

function scoreLine(sample) {
  const line = element("span", "line scores");
  for (const { name } of scores) {
    const score = element("span", "score");
    score.append(`${name} `, element("b", "", scoreText(sample, name)));
    line.append(score);
  }
  return line;
}

function heading(sample) {
  return value(sample, "prompt") ?? value(sample, "row_id");
}
