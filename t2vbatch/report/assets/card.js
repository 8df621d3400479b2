"use strict";
// A video in the page: a contact sheet that runs under the pointer, and the video itself once it is in view.

// Small videos are enlarged as they are: smoothing would show what the model did not make.
const PIXELATED_UP_TO = 192;

function film(sample) {
  const frame = element("div", "film");
  const [width, height] = [value(sample, "width"), value(sample, "height")];
  if (!value(sample, "video")) {
    frame.append(element("p", "none", value(sample, "error_type") || value(sample, "status")));
    return frame;
  }
  if (width && height) frame.style.aspectRatio = `${width} / ${height}`;
  if (Math.max(width, height) <= PIXELATED_UP_TO) frame.classList.add("pixelated");
  const poster = value(sample, "poster");
  if (poster) showSheet(frame, poster);
  const player = makePlayer(sample);
  if (player) frame.append(player);
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

// The element that plays a file, without its file; null for a folder of frames.
function makePlayer(sample) {
  const file = value(sample, "video");
  const kind = file.slice(file.lastIndexOf(".") + 1);
  if (kind !== "mp4" && kind !== "webm" && kind !== "gif") return null;
  const player = element(kind === "gif" ? "img" : "video", "player");
  player.dataset.file = fileLink(file);
  if (kind !== "gif") Object.assign(player, { muted: true, loop: true, playsInline: true, preload: "none" });
  return player;
}

// A browser holds few decoders: only films in view have their file.
const inView = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const player = entry.target.querySelector(".player");
      if (player) entry.isIntersecting ? start(player) : stop(player);
    }
  },
  { rootMargin: "100px" },
);

function start(player) {
  if (!document.getElementById("play").checked) return;
  player.src = player.dataset.file;
  // A page that scrolls on before the file is there rejects the promise, and nothing is wrong.
  if (player.play) player.play().catch(() => {});
}

function stop(player) {
  player.removeAttribute("src");
  if (player.load) player.load();
}

function card(sample, open) {
  const made = element("button", `card ${value(sample, "status")}`);
  made.type = "button";
  made.dataset.sample = sample;
  const picture = film(sample);
  made.append(picture, element("span", "prompt", value(sample, "prompt") ?? value(sample, "row_id")));
  const line = element("span", "line");
  line.append(element("b", "", value(sample, "model")), ` · seed ${value(sample, "seed")}`);
  made.append(line, scoreLine(sample));
  made.addEventListener("click", () => open(sample));
  inView.observe(picture);
  return made;
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
