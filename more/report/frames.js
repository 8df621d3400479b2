"use strict";
// A player for a folder of frames, with the part of the interface of <video> that this page uses.
//
// Time stops while a frame is loading, as it does in a video that buffers.

const AHEAD = 8; // frames to load in advance: one second of most videos

class FramesPlayer extends HTMLElement {
  loop = true;
  paused = true;
  readyState = 0; // 4 after the first picture
  #time = 0;
  #shown = -1;
  #pictures = [];
  #canvas = element("canvas");

  get #count() {
    return Number(this.dataset.frames);
  }

  get #wanted() {
    return Math.min(Math.max(Math.floor(this.#time * this.dataset.fps), 0), this.#count - 1);
  }

  get duration() {
    return this.#count / this.dataset.fps;
  }

  get seeking() {
    return this.#shown !== this.#wanted;
  }

  get currentTime() {
    return this.#time;
  }

  set currentTime(time) {
    this.#time = Math.min(Math.max(time, 0), this.duration);
    this.#show();
  }

  set src(folder) {
    this.setAttribute("src", folder);
    this.replaceChildren(this.#canvas);
    this.#show();
  }

  // As in a video: without a source, release the pictures of the last one.
  load() {
    this.paused = true;
    this.readyState = 0;
    this.#time = 0;
    this.#shown = -1;
    this.#pictures = [];
    this.replaceChildren();
  }

  play() {
    if (this.paused) {
      this.paused = false;
      this.#run(performance.now());
    }
    return Promise.resolve();
  }

  pause() {
    this.paused = true;
  }

  #run(before) {
    requestAnimationFrame((now) => {
      if (this.paused || !this.isConnected) return;
      if (!this.seeking) this.#advance((now - before) / 1000);
      this.#run(now);
    });
  }

  #advance(seconds) {
    const time = this.#time + seconds;
    if (time < this.duration) this.currentTime = time;
    else if (this.loop) this.currentTime = 0;
    else this.pause();
  }

  #show() {
    if (!this.hasAttribute("src")) return;
    for (let next = 0; next < Math.min(AHEAD, this.#count); next += 1) this.#fetch((this.#wanted + next) % this.#count);
    const picture = this.#pictures[this.#wanted];
    if (!this.seeking || !picture.naturalWidth) return;
    this.#draw(picture);
    this.#shown = this.#wanted;
    if (this.readyState) return;
    this.readyState = 4;
    // A cached picture loads at once, before the caller adds its listener: send the event afterwards.
    queueMicrotask(() => this.dispatchEvent(new Event("loadedmetadata")));
  }

  #fetch(index) {
    if (this.#pictures[index]) return;
    const picture = new Image();
    picture.addEventListener("load", () => this.#pictures[index] === picture && this.#show());
    picture.addEventListener("error", () => this.#pictures[index] === picture && this.dispatchEvent(new Event("error")));
    picture.src = `${this.getAttribute("src")}/${String(index).padStart(5, "0")}.png`;
    this.#pictures[index] = picture;
  }

  // A canvas, because an <img> is blank between two pictures until the second is decoded.
  #draw(picture) {
    if (this.#shown < 0) Object.assign(this.#canvas, { width: picture.naturalWidth, height: picture.naturalHeight });
    this.#canvas.getContext("2d").drawImage(picture, 0, 0);
  }
}

customElements.define("frames-player", FramesPlayer);
