// The panel about the model, and the banners.

import { element, terms } from "./elements.js";
import { percent, plainParts, sentence, shareParts } from "./words.js";

/** Fill the panel. */
export function showModel(place, model) {
  const test = model.figures?.test ?? {};
  const rows = [
    ["Sensitivity", test.sensitivity, shareParts],
    ["Specificity", test.specificity, shareParts],
    ["AUROC", test.auroc, plainParts],
  ].filter(([, figure]) => figure);
  place.replaceChildren(
    terms([
      ["Name", model.name],
      ["Version", [model.version, model.alias].filter(Boolean).join(", ")],
      ["Classes", model.classes.join(", ")],
      ["Prior", percent(model.prior ?? 0.5)],
      ["Threshold", typeof model.threshold === "number" ? percent(model.threshold) : null],
      ["Digest", element("code", {}, short(model.model_digest))],
      ["Commit", model.commit ? element("code", {}, short(model.commit)) : null],
    ]),
    element("h3", {}, "Intended use"),
    element("p", {}, model.intended_use || "Not stated."),
    element("h3", {}, "On its test images"),
    rows.length
      ? element(
          "table",
          {},
          element("caption", {}, "With 95% intervals"),
          element("tbody", {}, ...rows.map(row)),
        )
      : element("p", { class: "quiet" }, "No figures are on record."),
  );
}

/** Show what a user must know before any answer. */
export function showBanners(place, model) {
  const lines = [];
  if (model.synthetic !== false) {
    lines.push(
      model.synthetic
        ? "This model learned from synthetic images (phantoms) alone: no answer says anything about a patient."
        : "It is not on record whether this model learned from images of patients.",
    );
  }
  if (model.alias && model.alias !== "champion") {
    lines.push(`This is the ${model.alias}, not the champion: a version on trial.`);
  }
  const shown = lines.map((line) => element("p", {}, line));
  // That it learned from synthetic images is in the first banner already.
  const cautions = (model.cautions ?? []).filter((caution) => !caution.includes("synthetic images"));
  if (cautions.length) {
    const each = cautions.map((caution) => element("li", {}, sentence(caution)));
    shown.push(element("ul", { "aria-label": "Cautions about the model" }, ...each));
  }
  place.querySelectorAll(":scope > :not(.error)").forEach((line) => line.remove());
  place.append(...shown);
}

/** "pneumonia version 3, champion". */
export function named(model) {
  const version = model.version ? ` version ${model.version}` : "";
  return `${model.name}${version}${model.alias ? `, ${model.alias}` : ""}`;
}

/** The first characters of a digest. */
export function short(digest) {
  return (digest ?? "").slice(0, 12);
}

function row([name, figure, parts]) {
  const cells = parts(figure).map((text) => element("td", {}, text));
  return element("tr", {}, element("th", { scope: "row" }, name), ...cells);
}
