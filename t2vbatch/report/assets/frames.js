"use strict";
// A folder of frames as a player: as much of a <video> as this page asks of one, answered with pictures.
//
// Time stands still while a frame is on its way, as it does in a video that buffers.

const AHEAD = 8; // frames that are fetched before they are due: a second of most videos

class FramesPlayer extends HTMLElement {
  loop = true;
  paused = true;
  readyState = 0; // 4 from the first picture on
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

  // As a video's: without a source, everything of the last one is let go.
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
    // A picture that the page has already is there at once; who asked for it listens a moment later.
    queueMicrotask(() => this.dispatchEvent(new Event("loadedmetadata")));
  }

  #fetch(index) {
    if (this.#pictures[index]) return;
    const picture = new Image();
    picture.addEventListener("load", () => this.#pictures[index] === picture && this.#show());
    picture.src = `${this.getAttribute("src")}/${String(index).padStart(5, "0")}.png`;
    this.#pictures[index] = picture;
  }

  // Onto a canvas: an <img> that changes its picture is blank until the next one is decoded.
  #draw(picture) {
    if (this.#shown < 0) Object.assign(this.#canvas, { width: picture.naturalWidth, height: picture.naturalHeight });
    this.#canvas.getContext("2d").drawImage(picture, 0, 0);
  }
}

customElements.define("frames-player", FramesPlayer);
