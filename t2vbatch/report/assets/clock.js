"use strict";
// One clock for many videos: it plays, scrubs and steps them together.
//
// A position is a frame of the video with the highest frame rate. Seeks go to the middle of a frame, so that
// rounding cannot reach the next one. A video that is shorter than the others waits at its end.

function reducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function makeClock() {
  const bar = element("div", "clock");
  const toggle = button("▶", "clock-play", () => play(!playing));
  const slider = element("input");
  const label = element("output");
  toggle.title = "play or pause (space)";
  toggle.setAttribute("aria-label", "play or pause");
  Object.assign(slider, { type: "range", min: 0, max: 0, step: 1, value: 0 });
  slider.setAttribute("aria-label", "frame");
  bar.append(toggle, slider, label);

  const videos = new Set();
  let [time, fps, length, playing, before] = [0, 1, 0, false, 0];

  const end = (video) => Math.max(0, video.duration - 0.5 / video.dataset.fps);
  const ready = (video) => video.readyState > 0;
  const place = (video) => {
    if (ready(video)) video.currentTime = Math.min(time, end(video));
  };
  // A browser may not paint a seek that comes before the first painted frame: seek once more.
  const paint = (video) => {
    if (!video.requestVideoFrameCallback) return;
    const unpainted = setTimeout(() => {
      if (ready(video) && video.paused) video.currentTime += 0.001;
    }, 200);
    video.requestVideoFrameCallback(() => clearTimeout(unpainted));
  };
  const show = () => {
    const frame = Math.floor(time * fps);
    slider.value = frame;
    label.textContent = `${time.toFixed(2)} s · frame ${frame}`;
  };

  function measure() {
    const known = [...videos].filter(ready);
    if (!known.length) return;
    fps = Math.max(...known.map((video) => Number(video.dataset.fps)));
    length = Math.max(...known.map((video) => video.duration));
    slider.max = Math.max(0, Math.round(length * fps) - 1);
    show();
  }

  function seek(frame) {
    time = (Math.min(Math.max(frame, 0), Number(slider.max)) + 0.5) / fps;
    videos.forEach(place);
    videos.forEach(paint);
    show();
  }

  // Videos play by themselves; a video that is more than half a frame off is corrected.
  function follow(video) {
    if (!ready(video)) return;
    if (time >= end(video)) {
      video.pause();
      place(video);
    } else {
      if (Math.abs(video.currentTime - time) > 0.5 / video.dataset.fps && !video.seeking) place(video);
      if (video.paused) video.play().catch(() => {});
    }
  }

  function tick(now) {
    if (!playing) return;
    time += (now - before) / 1000;
    before = now;
    if (time >= length) time = 0;
    videos.forEach(follow);
    show();
    requestAnimationFrame(tick);
  }

  function play(wanted) {
    playing = wanted;
    toggle.textContent = playing ? "❚❚" : "▶";
    if (playing) {
      before = performance.now();
      requestAnimationFrame(tick);
    } else {
      for (const video of videos) video.pause();
      if (length) seek(Math.floor(time * fps));
    }
  }

  // Plays without a click of the user, unless the user asks for reduced motion.
  function start() {
    if (!reducedMotion()) play(true);
  }

  function add(player) {
    player.src = player.dataset.file;
    if (!player.play) return; // a GIF cannot be controlled
    player.loop = false;
    player.preload = "auto";
    videos.add(player);
    player.addEventListener("loadedmetadata", () => (measure(), place(player)), { once: true });
  }

  function remove(player) {
    videos.delete(player);
    unload(player);
  }

  function key(event) {
    const steps = { ",": -1, ".": 1 };
    if (event.key === " ") play(!playing);
    else if (event.key in steps) play(false), seek(Math.floor(time * fps) + steps[event.key]);
    else return;
    event.preventDefault();
  }

  slider.addEventListener("input", () => {
    const frame = Number(slider.value);
    play(false);
    seek(frame);
  });
  return { bar, add, remove, play, start, key };
}
