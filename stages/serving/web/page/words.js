// Numbers and answers in words.

/** A share as a percentage that never reads as certainty. */
export function percent(share) {
  if (share > 0.999) return "over 99.9%";
  if (share < 0.001) return "under 0.1%";
  return `${(100 * share).toFixed(share > 0.99 || share < 0.01 ? 1 : 0)}%`;
}

/** A share with its 95% interval, as texts: ["96.8%", "94.0 to 99.1%"]. */
export function shareParts(figure) {
  const [value, low, high] = [figure.value, figure.low, figure.high].map((x) => (100 * x).toFixed(1));
  return [`${value}%`, `${low} to ${high}%`];
}

/** The same for figures that are no shares, such as an AUROC. */
export function plainParts(figure) {
  const [value, low, high] = [figure.value, figure.low, figure.high].map((x) => x.toFixed(3));
  return [value, `${low} to ${high}`];
}

function withInterval(figure) {
  const [value, interval] = shareParts(figure);
  return `${value} (95% interval ${interval})`;
}

/** A message of the service, which has neither a capital nor a full stop, as a sentence. */
export function sentence(text) {
  const whole = (text ?? "").trim();
  if (!whole) return "";
  return `${whole[0].toUpperCase()}${whole.slice(1)}${/[.!?…]$/.test(whole) ? "" : "."}`;
}

/** By Bayes' rule, what a probability at one prior is at another. */
export function atPrior(probability, prior, other) {
  const odds = (probability / (1 - probability)) * ((1 - prior) / prior) * (other / (1 - other));
  return Number.isFinite(odds) ? odds / (1 + odds) : 1;
}

/** The paragraphs that explain an answer with a decision. */
export function explain(image, model) {
  const [negative, positive] = model.classes;
  const is = image.decision === positive;
  const prior = model.prior ?? 0.5;
  const rarer = prior > 0.1 ? 0.1 : prior / 5;
  const limit =
    model.threshold === null || model.threshold === undefined
      ? "by the threshold of the model"
      : `since that is ${is ? "at or above" : "below"} the threshold of ${percent(model.threshold)}`;
  const lines = [
    `Probability of ${positive}: ${percent(image.probability)}, where ${percent(prior)} of the ` +
      `patients have it (the prior). Were it ${percent(rarer)}, the same image would mean ` +
      `${percent(atPrior(image.probability, prior, rarer))}.`,
    `Decision: ${is ? positive : negative}, ${limit}.`,
  ];
  const figure = model.figures?.test?.[is ? "specificity" : "sensitivity"];
  if (figure) {
    lines.push(
      is
        ? `On its test images, the model called ${withInterval(figure)} of those without it ` +
            `${negative}; the others were false alarms.`
        : `On its test images, the model found ${withInterval(figure)} of those with it; it ` +
            "missed the others.",
    );
  }
  return lines;
}

/** How unlike the training images an image is. */
export function unlikeness(domain) {
  if (!domain || domain.score === null || domain.score === undefined) return null;
  const limit = domain.limit ?? 1;
  const known = domain.percentile !== null && domain.percentile !== undefined;
  const rank = known ? `; more than ${Math.floor(domain.percentile)}% of known images` : "";
  return `${domain.score.toFixed(2)}, refused above ${limit}${rank}`;
}

/** "10 images: 6 PNEUMONIA, 3 NORMAL, 1 refused." */
export function summary(states) {
  const counts = new Map();
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
  const parts = [...counts].map(([state, count]) => `${count} ${state}`);
  return `${states.length} ${states.length === 1 ? "image" : "images"}: ${parts.join(", ")}.`;
}
