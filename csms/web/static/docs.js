// Interactive documentation: every operation of openapi.json, with its parameters, an example body
// made from its schema, and a button that sends it. Text from outside only becomes text nodes.
"use strict";

const byId = (id) => document.getElementById(id);
let components = {};

function make(name, text, kind) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
}

function resolve(schema) {
  if (!schema || !schema.$ref) return schema || {};
  return components[schema.$ref.split("/").pop()] || {};
}

function example(schema, depth = 0) {
  const found = resolve(schema);
  if (depth > 5) return null;
  if (found.default !== undefined) return found.default;
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[0];
  const options = found.anyOf || found.oneOf;
  if (options) return example(options.find((each) => each.type !== "null") || options[0], depth + 1);
  if (found.type === "object" && found.properties) {
    const required = found.required || [];
    return Object.fromEntries(
      Object.entries(found.properties)
        .filter(([name]) => required.includes(name))
        .map(([name, each]) => [name, example(each, depth + 1)]),
    );
  }
  if (found.type === "object") return {};
  if (found.type === "array") return [example(found.items, depth + 1)];
  if (found.format === "date-time") return new Date().toISOString().slice(0, 19) + "Z";
  if (found.type === "string") return "";
  if (found.type === "number" || found.type === "integer") return found.minimum || found.exclusiveMinimum || 0;
  return found.type === "boolean" ? false : null;
}

function parameterField(parameter) {
  const label = make("label");
  label.append(`${parameter.name}${parameter.required ? " *" : ""} (${parameter.in})`);
  const input = make("input");
  input.name = parameter.name;
  input.dataset.place = parameter.in;
  input.required = Boolean(parameter.required);
  label.append(input);
  return label;
}

async function send(path, method, form, body, output) {
  let address = path;
  const query = new URLSearchParams();
  const headers = { Authorization: `Bearer ${byId("key").value.trim()}` };
  for (const input of form.querySelectorAll("input")) {
    if (!input.value) continue;
    if (input.dataset.place === "path") address = address.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.dataset.place === "query") query.append(input.name, input.value);
    else headers[input.name] = input.value;
  }
  if (body) headers["Content-Type"] = "application/json";
  const tail = query.size ? `?${query}` : "";
  output.hidden = false;
  output.textContent = "…";
  try {
    const answer = await fetch(address + tail, { method: method.toUpperCase(), headers, body: body ? body.value : undefined });
    const text = await answer.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it was no JSON */ }
    output.textContent = `${answer.status} ${answer.statusText}\n\n${shown}`;
  } catch (error) {
    output.textContent = String(error);
  }
}

function operationCard(path, method, operation) {
  const card = make("details");
  const title = make("summary");
  title.append(make("span", method.toUpperCase(), `verb ${method}`), make("code", path), ` ${operation.summary || ""}`);
  const form = make("form");
  if ((operation.description || "") !== operation.summary) form.append(make("p", operation.description, "faint"));
  const fields = make("div", undefined, "fields");
  fields.append(...(operation.parameters || []).map(parameterField));
  form.append(fields);
  let body = null;
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  if (content) {
    body = make("textarea");
    body.setAttribute("aria-label", "Body");
    body.spellcheck = false;
    body.value = JSON.stringify(example(content.schema), null, 2);
    const shape = make("details");
    shape.append(make("summary", "Schema"), make("pre", JSON.stringify(resolve(content.schema), null, 2)));
    form.append(body, shape);
  }
  const output = make("pre");
  output.hidden = true;
  if (path.endsWith("/events")) form.append(make("p", "A stream: use curl -N.", "faint"));
  else form.append(make("button", "Send"));
  form.append(output);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(path, method, form, body, output);
  });
  card.append(title, form);
  return card;
}

async function show() {
  const document_ = await (await fetch("/api/v1/openapi.json")).json();
  components = document_.components.schemas;
  byId("version").textContent = `version ${document_.info.version}`;
  const groups = new Map();
  for (const [path, operations] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const tag = (operation.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, make("section", undefined, "card"));
      if (!groups.get(tag).firstChild) groups.get(tag).append(make("h2", tag));
      groups.get(tag).append(operationCard(path, method, operation));
    }
  }
  byId("operations").replaceChildren(...groups.values());
}

show();
