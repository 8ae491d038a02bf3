// The page: images in, answers out. Nothing is stored anywhere.

import { Card } from "./card.js";
import { element } from "./elements.js";
import { named, showBanners, showModel } from "./model.js";
import { NoAnswer, askAnswer, askModel, askSample, useKey } from "./service.js";
import { sentence, summary } from "./words.js";

const AT_ONCE = 3;
const POLL_MS = 15000;
const POLL_DOWN_MS = 4000;
const limits = { images: 32, image_bytes: 32 * 1024 * 1024 };

const at = (id) => document.getElementById(id);
const places = Object.fromEntries(
  ["access", "banners", "cards", "clear", "drop", "files", "key", "left-out", "model", "progress", "retry", "status", "summary"].map(
    (id) => [id, at(id)],
  ),
);

let cards = [];
const waiting = [];
let asking = 0;

function add(files) {
  const taken = files.slice(0, limits.images);
  const left = files.length - taken.length;
  const most = `${limits.images} images at a time: the last ${left} of ${files.length} were left out.`;
  places["left-out"].textContent = left ? most : "";
  places["left-out"].hidden = !left;
  const added = taken.map((file) => new Card(file, retry));
  added.forEach((card) => (card.alone = added.length === 1));
  places.cards.prepend(...added.map((card) => card.node));
  cards = [...added, ...cards];
  waiting.push(...added);
  next();
}

function retry(card) {
  card.wait("queued");
  waiting.push(card);
  next();
}

function next() {
  while (asking < AT_ONCE && waiting.length) {
    asking += 1;
    answer(waiting.shift()).finally(() => {
      asking -= 1;
      next();
    });
  }
  summarise();
}

async function answer(card) {
  card.wait("asking");
  try {
    const content = await askAnswer(await read(card.file), (why) => card.wait(why));
    if (card.alone) cards.forEach((other) => other.close());
    card.answer(content, card.alone);
    up(content.model);
  } catch (error) {
    card.fail(error instanceof NoAnswer ? error : new NoAnswer("failed", "The page failed on this image.", ""));
    noteFailure(error);
  }
}

async function read(file) {
  if (file.size > limits.image_bytes) {
    const most = Math.floor(limits.image_bytes / 2 ** 20);
    throw new NoAnswer("too_large", `The file is larger than ${most} MB.`, "");
  }
  try {
    return await file.arrayBuffer();
  } catch {
    throw new NoAnswer("unreadable", "The file can't be read.", "Folders have to be opened first.");
  }
}

function summarise() {
  const done = cards.filter((card) => card.state !== "waiting");
  const failed = cards.filter((card) => card.failed);
  const busy = done.length < cards.length;
  places.clear.hidden = cards.length === 0;
  places.retry.hidden = busy || failed.length < 2;
  places.retry.textContent = `Try all ${failed.length} again`;
  // Only what is final is read out: 32 images would be 32 interruptions.
  places.progress.textContent = busy ? `${done.length} of ${cards.length} answered …` : "";
  if (busy) return;
  const counts = summary(cards.map((card) => card.state));
  const text = cards.length === 1 ? `1 image: ${cards[0].spoken}` : counts;
  places.summary.textContent = cards.length ? text : "None yet.";
}

function retryAll() {
  const failed = cards.filter((card) => card.failed);
  failed.forEach((card) => card.wait("queued"));
  waiting.push(...failed);
  next();
}

function clear() {
  waiting.length = 0;
  cards.forEach((card) => card.release());
  cards = [];
  places.cards.replaceChildren();
  summarise();
  places.files.focus();
}

function up(model) {
  showModel(places.model, model);
  status("ready", `Ready: ${named(model)}`);
  trouble(null);
  showBanners(places.banners, model);
}

function status(state, text) {
  if (places.status.textContent === text) return; // a live region: said once
  places.status.dataset.state = state;
  places.status.textContent = text;
}

function trouble(text) {
  const shown = places.banners.querySelector(".error");
  if (shown?.textContent === text) return;
  shown?.remove();
  if (text) places.banners.prepend(element("p", { class: "error", role: "alert" }, text));
}

function noteFailure(error) {
  if (error.kind === "key") {
    status("down", "A key is needed");
    trouble(`${sentence(error.message)} ${error.action}`);
    if (places.access.open) return; // and the focus stays where the user has it
    places.access.open = true;
    places.key.focus();
  } else if (["down", "slow", "busy"].includes(error.kind)) {
    status("down", error.kind === "down" ? "No answer from the service" : "No answer for now");
    trouble(`${sentence(error.message)} ${error.action}`);
  }
}

async function poll() {
  if (document.hidden) return;
  try {
    const content = await askModel();
    Object.assign(limits, content.limits ?? {});
    showLimits();
    up(content.model ?? content);
  } catch (error) {
    noteFailure(error);
  }
}

function showLimits() {
  const shown = { images: limits.images, megabytes: Math.floor(limits.image_bytes / 2 ** 20) };
  for (const [name, value] of Object.entries(shown)) {
    document.querySelector(`[data-limit="${name}"]`).textContent = String(value);
  }
}

async function addSample(button) {
  try {
    const image = await askSample(button.dataset.sample);
    add([new File([image], `Sample: ${button.textContent.trim()}`)]);
  } catch (error) {
    noteFailure(error);
  }
}

function listen() {
  places.files.addEventListener("change", () => {
    add([...places.files.files]);
    places.files.value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      places.drop.toggleAttribute("data-over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) add([...event.dataTransfer.files]);
    });
  }
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", () => addSample(button));
  }
  places.clear.addEventListener("click", clear);
  places.retry.addEventListener("click", retryAll);
  places.key.addEventListener("change", () => {
    useKey(places.key.value);
    trouble(null);
    poll();
  });
  document.addEventListener("visibilitychange", poll);
}

async function pollOn() {
  await poll();
  setTimeout(pollOn, places.status.dataset.state === "ready" ? POLL_MS : POLL_DOWN_MS);
}

listen();
pollOn();
