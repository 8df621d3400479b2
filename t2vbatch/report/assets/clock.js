"use strict";
// One time for many videos: play, scrub and step them together, each frame of each where it belongs.
//
// A position is a frame of the fastest video. Videos are sent to the middle of a frame, where rounding cannot
// reach the next one; a video that is shorter than the others waits at its end.

function makeClock() {
  const bar = element("div", "clock");
  const button = element("button", "clock-play", "▶");
  const slider = element("input");
  const label = element("output");
  Object.assign(button, { type: "button", title: "play or pause (space)" });
  Object.assign(slider, { type: "range", min: 0, max: 0, step: 1, value: 0 });
  slider.setAttribute("aria-label", "frame");
  bar.append(button, slider, label);

  const videos = new Set();
  let [time, fps, length, playing, before] = [0, 1, 0, false, 0];

  const end = (video) => Math.max(0, video.duration - 0.5 / video.dataset.fps);
  const ready = (video) => video.readyState > 0;
  const place = (video) => {
    if (ready(video)) video.currentTime = Math.min(time, end(video));
  };
  // A browser may not paint what it sought before it had painted anything; asked once more, it does.
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

  // Videos run by themselves; whichever is more than half a frame off is set right.
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
    button.textContent = playing ? "❚❚" : "▶";
    if (playing) {
      before = performance.now();
      requestAnimationFrame(tick);
    } else {
      for (const video of videos) video.pause();
      if (length) seek(Math.floor(time * fps));
    }
  }

  function add(player) {
    player.src = player.dataset.file;
    if (!player.play) return; // a GIF keeps its own time
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

  button.addEventListener("click", () => play(!playing));
  slider.addEventListener("input", () => {
    const frame = Number(slider.value);
    play(false);
    seek(frame);
  });
  return { bar, add, remove, play, key };
}
