// The page about the API: openapi.json as text.

import { element } from "./elements.js";

const METHODS = ["get", "post", "put", "delete", "patch", "head", "options"];

function command() {
  const address = new URL("v1/images", document.baseURI);
  return [
    `curl --data-binary @image.jpeg -H "Content-Type: application/octet-stream" \\`,
    `     -H "Authorization: Bearer $KEY" ${address}`,
  ].join("\n");
}

function route(path, method, operation) {
  const id = `${method}-${path.replace(/\W+/g, "-")}`;
  return element(
    "section",
    { "aria-labelledby": id },
    element(
      "h2",
      { id },
      element("span", { class: "method" }, method.toUpperCase()),
      " ",
      element("code", {}, path),
    ),
    ...paragraphs(operation.description),
    table("Parameters", ["Name", "In", "Meaning"], (operation.parameters ?? []).map(parameter)),
    table("Body", ["Type", "Content"], bodies(operation.requestBody)),
    table("Answers", ["Status", "Meaning", "Type"], answers(operation.responses)),
    example(operation.responses),
  );
}

function paragraphs(text) {
  return (text ?? "")
    .split(/\n\s*\n/)
    .filter((part) => part.trim())
    .map((part) => element("p", {}, part));
}

function table(title, heads, rows) {
  if (!rows.length) return null;
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element(
    "table",
    {},
    element("caption", {}, title),
    element("thead", {}, head),
    element("tbody", {}, ...body),
  );
}

function parameter(one) {
  const values = one.schema?.enum ? `one of: ${one.schema.enum.join(", ")}. ` : "";
  return [element("code", {}, one.name), one.in, `${values}${one.description ?? ""}`];
}

function bodies(body) {
  return Object.entries(body?.content ?? {}).map(([type, { schema }]) => [
    element("code", {}, type),
    schema?.description ?? body.description ?? "",
  ]);
}

function answers(responses) {
  return Object.entries(responses ?? {}).map(([status, answer]) => [
    status,
    answer.description ?? "",
    Object.keys(answer.content ?? {}).join(", "),
  ]);
}

function example(responses) {
  const shown = responses?.["200"]?.content?.["application/json"]?.example;
  if (!shown) return null;
  return element(
    "details",
    {},
    element("summary", {}, "An answer"),
    element("pre", { tabindex: "0", "aria-label": "An answer" }, JSON.stringify(shown, null, 2)),
  );
}

async function show() {
  const place = document.getElementById("routes");
  document.getElementById("example").textContent = command();
  try {
    const response = await fetch("openapi.json", { cache: "no-store", credentials: "omit" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const description = await response.json();
    const routes = Object.entries(description.paths).flatMap(([path, methods]) =>
      METHODS.filter((method) => methods[method]).map((method) => route(path, method, methods[method])),
    );
    place.replaceChildren(...routes);
  } catch (error) {
    place.replaceChildren(
      element("p", { class: "note", role: "alert" }, `The description can't be read (${error.message}). Reload the page in a while.`),
    );
  }
}

show();
