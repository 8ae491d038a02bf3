// Questions to the service: the only file that calls it.

const SLOW_MS = 6000;
const LIMIT_MS = 90000;
const TRIES = 5;

let key = "";

/** Keep a key in memory alone. What no header can hold is no key of this service. */
export function useKey(text) {
  key = text.trim().replace(/[^\x21-\x7e]/g, "?");
}

/** Why there is no answer, in words, and what to do. */
export class NoAnswer extends Error {
  constructor(kind, message, action) {
    super(message);
    this.kind = kind;
    this.action = action;
  }
}

const DOWN = () =>
  new NoAnswer(
    "down",
    "The service does not answer.",
    "It may be restarting, or the network is down. Try again in a while.",
  );

/** What the service says of its model. */
export async function askModel() {
  return (await send("v1/model", { method: "GET" }, () => {}, 1)).json();
}

/**
 * Ask for the answer for one image.
 * @param {ArrayBuffer} image The bytes of the file; its name is not sent.
 * @param {(state: string) => void} onWait Called with "slow" or "busy".
 */
export async function askAnswer(image, onWait) {
  return (await send("v1/images", posted(image), onWait)).json();
}

/** Ask for a picture of an image: a blob, and the digest of the model that judged it. */
export async function askPicture(image, part) {
  const response = await send(`v1/images/overlay?part=${part}`, posted(image), () => {});
  return { blob: await response.blob(), model: response.headers.get("Pneumonia-Model") };
}

/** Fetch a sample of the page: a blob. */
export async function askSample(address) {
  const response = await fetch(address, { credentials: "omit" }).catch(() => null);
  if (!response?.ok) throw DOWN();
  return response.blob();
}

function posted(image) {
  return { method: "POST", body: image, headers: { "Content-Type": "application/octet-stream" } };
}

async function send(path, request, onWait, tries = TRIES) {
  for (let tried = 1; ; tried += 1) {
    const slow = setTimeout(() => onWait("slow"), SLOW_MS);
    let response;
    try {
      response = await fetch(path, {
        ...request,
        headers: { ...request.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) },
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.timeout(LIMIT_MS),
      });
    } catch (error) {
      if (error.name !== "TimeoutError") throw DOWN();
      throw new NoAnswer("slow", "The service took too long.", "Try again in a while.");
    } finally {
      clearTimeout(slow);
    }
    if (response.ok) return response;
    if (response.status === 503 && tried < tries) {
      onWait("busy");
      await pause(response.headers.get("Retry-After"));
      continue;
    }
    const content = await response.json().catch(() => null);
    // A single image that can't be used is an answer too, with status 422.
    if (content?.images) return { json: () => content };
    throw failure(response.status, content?.error);
  }
}

function pause(seconds) {
  const wait = Math.min(Math.max(Number(seconds) || 1, 1), 30);
  return new Promise((done) => setTimeout(done, 1000 * wait));
}

function failure(status, error) {
  if (status === 401) {
    return key
      ? new NoAnswer("key", "The access key is not valid here.", "Enter another one.")
      : new NoAnswer("key", "This service asks for a key.", "Enter one under “Access key”.");
  }
  if (status === 503) {
    return new NoAnswer("busy", error?.message ?? "The service is busy.", "Try again in a while.");
  }
  if (status === 502 || status === 504) return DOWN();
  const message = error?.message ?? `The service answered with status ${status}.`;
  return new NoAnswer(error?.kind ?? "failed", message, error?.action ?? "");
}
