// One image of the list: its state, its answer, and the pictures of it.

import { element, terms } from "./elements.js";
import { named, short } from "./model.js";
import { askPicture } from "./service.js";
import { explain, percent, sentence, unlikeness } from "./words.js";

const WAITS = {
  queued: "waiting",
  asking: "asking …",
  slow: "still asking; the service is slow …",
  busy: "the service is busy; trying again …",
};
let made = 0;

/** A card. `state` is for the summary: a decision, "refused", "without an answer" or "waiting". */
export class Card {
  /**
   * @param {File | {name: string, arrayBuffer: () => Promise<ArrayBuffer>}} file
   * @param {(card: Card) => void} onRetry
   */
  constructor(file, onRetry) {
    this.file = file;
    this.onRetry = onRetry;
    this.id = `card-${(made += 1)}`;
    this.state = "waiting";
    this.pictures = [];
    this.node = element("li", { class: "card", "data-state": "waiting" });
    this.wait("queued");
  }

  wait(why) {
    this.failed = false;
    this.state = "waiting";
    this.node.dataset.state = "waiting";
    this.node.replaceChildren(
      element("div", { class: "head" }, thumb(), this.#titles(badge("", WAITS[why]))),
    );
  }

  fail(error) {
    this.#end("without an answer");
    this.failed = true;
    this.spoken = `No answer. ${sentence(error.message)}`;
    const again = element("button", { type: "button", class: "plain" }, "Try again");
    again.setAttribute("aria-label", `Try again: ${this.file.name}`);
    again.addEventListener("click", () => this.onRetry(this));
    const words = element("p", {}, [error.message, error.action].map(sentence).join(" "));
    const titles = this.#titles(badge("failed", "No answer"), words);
    this.node.replaceChildren(element("div", { class: "head" }, thumb(), titles, again));
  }

  /** Show an answer. `alone`: with its details open. */
  answer(content, alone) {
    const image = content.images[0];
    const { model } = content;
    const refused = image.refused !== null && image.refused !== undefined;
    this.#end(refused ? "refused" : image.decision);
    this.thumb = thumb();
    const head = refused ? this.#refusal(image) : this.#decision(image, model);
    const pictures = model.format > 1; // an earlier version keeps its pixels to itself
    const pixels = pictures && (!refused || image.refused.kind === "out_of_domain");
    this.figure = element("figure");
    const details = element(
      "details",
      {},
      element("summary", {}, this.thumb, head, element("span", { class: "more" })),
      element(
        "div",
        { class: pixels ? "inside" : "inside wordsonly" },
        pixels ? this.figure : null,
        words(image, content, refused, pictures),
      ),
    );
    this.node.replaceChildren(details);
    if (pixels) this.#showJudged(details, model, refused);
    details.open = alone;
  }

  /** Close the details. */
  close() {
    const details = this.node.querySelector("details");
    if (details) details.open = false;
  }

  /** Let go of the pictures. */
  release() {
    this.pictures.forEach((address) => URL.revokeObjectURL(address));
    this.pictures = [];
  }

  #end(state) {
    this.state = state;
    this.node.dataset.state = "done";
  }

  #titles(...content) {
    const verdict = element("span", { class: "verdict" }, content[0]);
    const name = element("span", { class: "name" }, this.file.name);
    return element("div", {}, verdict, name, ...content.slice(1));
  }

  #refusal(image) {
    this.spoken = `Refused: ${image.refused.reason}`;
    const titles = this.#titles(badge("refused", "Refused: no answer"));
    titles.append(element("span", { class: "name" }, image.refused.reason));
    return titles;
  }

  #decision(image, model) {
    const positive = image.decision === model.classes[1];
    const titles = this.#titles(badge(positive ? "positive" : "negative", image.decision));
    const probability = `${percent(image.probability)} probability of ${model.classes[1]}`;
    titles.firstChild.append(element("span", {}, probability));
    this.spoken = `${image.decision}, ${probability}`;
    titles.append(scale(image.probability, model.threshold));
    return titles;
  }

  async #showJudged(details, model, refused) {
    const caption = element("figcaption", {}, "Fetching what was judged …");
    this.figure.replaceChildren(caption);
    try {
      const picture = await this.#picture("judged", model);
      this.thumb.replaceChildren(shown(picture, "", ""));
      const layers = element("div", { class: "layers" }, shown(picture, "", "The grey pixels that were judged"));
      const size = await sizeOf(layers.firstChild);
      caption.textContent = `What was judged: ${size} pixels, as the network received them.`;
      this.figure.replaceChildren(layers, caption);
      if (!refused) this.#offerMap(details, layers, model);
    } catch (error) {
      caption.textContent = `What was judged can't be shown. ${sentence(error.message)}`;
    }
  }

  #offerMap(details, layers, model) {
    const load = async () => {
      if (!details.open || this.mapAsked) return;
      this.mapAsked = true;
      const place = element("p", { class: "slider" }, "Fetching the map …");
      this.figure.append(place);
      try {
        const picture = await this.#picture("drawn", model);
        place.replaceWith(this.#slider(layers, picture, model));
      } catch (error) {
        place.textContent = `There is no map. ${sentence(error.message)}`;
      }
    };
    details.addEventListener("toggle", load);
    load();
  }

  #slider(layers, picture, model) {
    const map = shown(picture, "map", "");
    const id = `${this.id}-map`;
    const range = element("input", { type: "range", id, min: "0", max: "100", value: "70" });
    const fade = () => {
      map.style.opacity = String(range.valueAsNumber / 100);
      range.setAttribute("aria-valuetext", `${range.value} percent`);
    };
    range.addEventListener("input", fade);
    fade();
    layers.append(map);
    return element(
      "div",
      { class: "slider" },
      element("label", { for: id }, "Opacity of the map"),
      range,
      element(
        "div",
        { class: "legend" },
        "little",
        element("i", { role: "presentation" }),
        `speaks for ${model.classes[1]}`,
      ),
      element("p", { class: "quiet" }, "Relative to this image's strongest place, whatever the decision."),
    );
  }

  async #picture(part, model) {
    const picture = await askPicture(await this.file.arrayBuffer(), part);
    if (picture.model !== model.model_digest) {
      throw new Error("Another version of the model answers by now: ask again.");
    }
    const address = URL.createObjectURL(picture.blob);
    this.pictures.push(address);
    return address;
  }
}

function thumb() {
  return element("span", { class: "thumb" });
}

function shown(address, kind, alt) {
  return element("img", { src: address, class: kind || null, alt });
}

async function sizeOf(image) {
  await image.decode();
  return `${image.naturalWidth} × ${image.naturalHeight}`;
}

function badge(kind, text) {
  return element("span", { class: "badge", "data-kind": kind }, text);
}

function scale(probability, threshold) {
  const fill = element("div", { class: "fill" });
  const limit = element("div", { class: "limit" });
  fill.style.width = `${100 * probability}%`;
  limit.style.left = `calc(${100 * threshold}% - 1px)`;
  limit.hidden = typeof threshold !== "number";
  return element("div", { class: "scale", "aria-hidden": "true" }, fill, limit);
}

function words(image, content, refused, pictures) {
  const { model } = content;
  const lines = refused
    ? [sentence(image.refused.reason), "A refusal has no probability: what the network computes for such an image means nothing."]
    : explain(image, model);
  const cautions = (image.cautions ?? []).map((text) => element("li", { class: "caution" }, text));
  return element(
    "div",
    { class: "words" },
    ...lines.map((line) => element("p", {}, line)),
    cautions.length ? element("ul", { "aria-label": "Cautions" }, ...cautions) : null,
    terms([
      ["Unlikeness", unlikeness(image.domain)],
      ["Model", named(model)],
      ["Digest", element("code", {}, short(model.model_digest))],
      ["Answered", new Date(content.time).toLocaleString()],
      ["Request", element("code", {}, content.request_id)],
    ]),
    pictures ? null : element("p", { class: "quiet" }, "A version of this format shows no pictures."),
    element("p", { class: "quiet" }, model.synthetic ? "Synthetic: no statement about a patient." : "No diagnosis."),
  );
}
