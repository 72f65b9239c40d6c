// The page of `natsgen dev`. Whatever comes from messages is set as text, never as markup.

const TOKEN = "natsgen-token";
const ROWS = 100;
const PORTION = 25; // rows that are filled in one frame
const DRAWN = 60; // subjects on the map; the list has all
const OUTSIDE = 60; // pixels of a line that comes from none of the services
const AGAIN_MS = 1000;
const GONE = "natsgen dev does not answer";
const LIST = { number: "number", boolean: "checkbox", integer: "number", string: "text" };

const $ = (id) => document.getElementById(id);
const seen = new Map(); // messages that are listed, by number
const view = { tab: "map", state: null, filter: "", paused: false, message: 0, sent: "", targets: [], letters: "" };

if (location.hash.startsWith("#token=")) {
  sessionStorage.setItem(TOKEN, location.hash.slice("#token=".length));
  history.replaceState(null, "", location.pathname);
}

// --- elements

function element(name, content = "", properties = {}) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...[content].flat().filter((one) => one !== ""));
  return made;
}

function button(text, act, properties = {}) {
  const made = element("button", text, { type: "button", ...properties });
  made.addEventListener("click", act);
  return made;
}

function cells(row, values) {
  row.replaceChildren(...values.map((value) => (value instanceof HTMLTableCellElement ? value : element("td", value))));
}

function number(value) {
  return element("td", value === null || value === undefined ? "–" : String(value), { className: "number" });
}

const frame = () => new Promise(requestAnimationFrame);

// Keeps the rows of a table that are there, so that focus and scrolling stay where they are. What a person types or
// clicks is seen between two portions.
async function keyed(body, items, keyOf, fill) {
  const there = new Map([...body.children].map((row) => [row.dataset.key, row]));
  const rows = [];
  let filled = 0;
  for (const item of items) {
    const key = String(keyOf(item));
    const row = there.get(key) ?? element("tr");
    const content = JSON.stringify(item);
    if (row.dataset.key !== key || row.content !== content) {
      const focused = row.contains(document.activeElement);
      row.dataset.key = key;
      row.content = content;
      fill(row, item);
      if (focused) row.querySelector("button, input")?.focus();
      filled += 1;
      if (filled % PORTION === 0) await frame();
    }
    rows.push(row);
  }
  if (rows.length !== body.children.length || rows.some((row, at) => row !== body.children[at])) {
    const focused = document.activeElement;
    body.replaceChildren(...rows);
    if (body.contains(focused)) focused.focus({ preventScroll: true });
  }
}

const TIME = new Intl.DateTimeFormat([], { timeStyle: "medium", hourCycle: "h23" }); // making one takes long
const clock = (seconds) => TIME.format(seconds * 1000);
const duration = (seconds) =>
  seconds === null ? null : seconds < 1 ? `≤ ${Math.round(seconds * 10000) / 10} ms` : `≤ ${seconds} s`;
const bytes = (size) => (size < 1024 ? `${size} B` : `${(size / 1024).toFixed(1)} KB`);

// --- the server

async function ask(path, { body, signal } = {}) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(TOKEN) ?? ""}` };
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, signal, body: body && JSON.stringify(body) });
  if (answer.status === 403) throw new Error(await answer.text());
  return answer;
}

async function get(path, body) {
  const answer = await ask(path, { body });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error ?? answer.statusText);
  return found;
}

let listening = new AbortController();

async function listen() {
  listening.abort();
  const mine = (listening = new AbortController());
  while (!mine.signal.aborted) {
    try {
      const answer = await ask(`/api/live?filter=${encodeURIComponent(view.filter)}`, { signal: mine.signal });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const one of events) if (!mine.signal.aborted) take(JSON.parse(one.slice("data: ".length)));
      }
      if (!mine.signal.aborted) $("status").textContent = GONE;
    } catch (error) {
      if (!mine.signal.aborted) $("status").textContent = error instanceof TypeError ? GONE : error.message;
    }
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

function take({ state, messages }) {
  view.state = state;
  for (const one of messages) seen.set(one.number, one);
  if (seen.size > ROWS) {
    const oldest = [...seen.keys()].sort((a, b) => a - b).slice(0, seen.size - ROWS);
    for (const one of oldest) seen.delete(one);
  }
  const ready = state.services.filter((one) => one.ready).length;
  $("status").textContent = `${ready} of ${state.services.length} services ready, ${state.total} messages`;
  $("letter-count").textContent = state.letters ? `(${state.letters})` : "";
  draw();
}

// One at a time: what comes meanwhile is drawn once, afterwards.
async function draw() {
  if (!view.state) return;
  view.isDue = true;
  if (view.isDrawing) return;
  view.isDrawing = true;
  try {
    while (view.isDue) {
      view.isDue = false;
      await drawView();
    }
  } finally {
    view.isDrawing = false;
  }
}

async function drawView() {
  if (view.tab === "map") drawMap();
  if (view.tab === "messages" && !view.paused) await drawMessages();
  if (view.tab === "handlers") await drawHandlers();
  if (view.tab === "letters") drawLetters();
  if (view.tab === "send") drawSend();
}

// --- map

function drawMap() {
  const services = view.state.services.map((one) =>
    element("li", [
      element("strong", one.name),
      " ",
      element("span", one.ready ? "ready" : one.state, { className: one.ready ? "good" : one.state === "broken" ? "bad" : "warn" }),
      ...(one.ready ? [] : [element("div", one.reason, { className: "faint" })]),
      ...(one.problem ? [element("div", one.problem, { className: "bad" })] : []),
    ]),
  );
  replaceIfChanged($("services"), services);
  const isListed = getComputedStyle($("picture")).display === "none"; // on request, and in a narrow window
  if (isListed) drawList(view.state.map);
  else drawPicture(view.state.map);
  const none = view.state.map.length ? "" : "No service has reported its subjects yet.";
  const rest = isListed ? 0 : view.state.map.length - DRAWN;
  $("map-note").textContent = rest > 0 ? `and ${rest} more subjects, shown in the list` : none;
}

function drawList(flows) {
  replaceIfChanged($("graph"), flows.map((flow) => element("div", [
    names(flow.publishers, "anyone"),
    arrow(perSecond(flow.rate)),
    element("div", [subjectButton(flow), element("div", `${streamOf(flow)}, ${flow.total} seen`, { className: "faint" })]),
    arrow(""),
    names(flow.consumers.map((one) => `${consumer(one)} ${perSecond(one.rate)}`), "nobody"),
  ], { className: "flow" })));
}

const perSecond = (rate) => (rate ? `${rate}/s` : "");
const streamOf = (flow) => (flow.stream ? `stream ${flow.stream}` : "not stored");
const consumer = (one) => `${one.who}${one.kind === "handler" ? "" : ` (${one.kind})`}`;

function subjectButton(flow) {
  return button(flow.subject, () => filterBy(flow.subject.replace(/[*>].*/, "")), { className: "link subject" });
}

function arrow(rate) {
  return element("div", [rate, element("span", " →", { className: "across" })], { className: rate ? "arrow busy" : "arrow" });
}

function names(list, otherwise) {
  return list.length
    ? element("ul", list.map((one) => element("li", one)))
    : element("span", otherwise, { className: "faint" });
}

// Three columns of boxes, and lines between them from who publishes, through the subject, to who consumes.
function drawPicture(flows) {
  const drawn = flows.slice(0, DRAWN);
  const subjects = drawn.map((flow) => {
    const told = `${flow.subject}, ${streamOf(flow)}, from ${flow.publishers.join(" and ") || "anyone"}, ` +
      `to ${flow.consumers.map(consumer).join(" and ") || "nobody"}`;
    const made = subjectButton(flow);
    made.setAttribute("aria-label", told);
    return { key: `subject ${flow.subject}`, group: streamOf(flow), content: made };
  });
  const service = (kind, name, text) => ({ key: `${kind} ${name}`, group: name.split(".")[0], content: text });
  replaceIfChanged($("columns"), [
    column("Publishers", drawn.flatMap((flow) => flow.publishers.map((one) => service("from", one, one)))),
    column("Subjects", subjects),
    column("Consumers", drawn.flatMap((flow) => flow.consumers.map((one) => service("to", one.who, consumer(one))))),
  ]);
  drawLines(drawn.flatMap((flow) => [
    ...(flow.publishers.length ? flow.publishers : [""]).map((one) => [`from ${one}`, `subject ${flow.subject}`, flow.rate]),
    ...flow.consumers.map((one) => [`subject ${flow.subject}`, `to ${one.who}`, one.rate]),
  ]));
}

function column(title, nodes) {
  const groups = new Map();
  for (const node of new Map(nodes.map((one) => [one.key, one])).values()) {
    const made = element("li", node.content);
    made.dataset.key = node.key;
    groups.set(node.group, [...(groups.get(node.group) ?? []), made]);
  }
  return element("section", [
    element("h2", title),
    ...[...groups].map(([name, made]) => element("div", [element("div", name, { className: "faint" }), element("ul", made)])),
  ]);
}

function drawLines(edges) {
  const origin = $("picture").getBoundingClientRect();
  const boxes = new Map([...$("columns").querySelectorAll("li")].map((one) => [one.dataset.key, one.getBoundingClientRect()]));
  const rates = new Map();
  const lines = edges.map(([from, to, rate]) => {
    const end = boxes.get(to);
    const [x, y] = [end.left - origin.left, end.top - origin.top + end.height / 2];
    if (rate) rates.set(to, svg("text", { x: x - 16, y: y - 5 }, perSecond(rate)));
    const start = boxes.get(from) ?? { right: end.left - OUTSIDE, top: end.top, height: end.height };
    const [left, top] = [start.right - origin.left, start.top - origin.top + start.height / 2];
    const middle = (left + x) / 2;
    const className = `${rate ? "busy" : ""} ${boxes.has(from) ? "" : "outside"}`;
    return svg("path", { d: `M${left} ${top}C${middle} ${top} ${middle} ${y} ${x} ${y}`, class: className });
  });
  $("lines").replaceChildren(...lines, ...rates.values());
}

function svg(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function replaceIfChanged(place, children) {
  const text = children.map((one) => one.outerHTML).join();
  if (place.shown === text) return;
  const at = [...place.querySelectorAll("button")].indexOf(document.activeElement);
  place.shown = text;
  place.replaceChildren(...children);
  if (at >= 0) place.querySelectorAll("button")[at]?.focus({ preventScroll: true });
}

// --- messages

const OUTCOMES = { handled: "good", failed: "warn", dead: "bad", replayed: "warn" };

function outcome(message) {
  const parts = Object.entries(message.outcomes).map(([who, what]) => {
    const failures = message.failures && what !== "dead" ? ` after ${message.failures} failed` : "";
    const text = what === "dead" ? "dead letter" : what === "failed" ? `failed ${message.failures || 1}×` : what + failures;
    return element("div", `${text}, ${who}`, { className: OUTCOMES[what] ?? "" });
  });
  return element("td", parts.length ? parts : element("span", "–", { className: "faint" }));
}

async function drawMessages() {
  const list = [...seen.values()].sort((a, b) => b.number - a.number);
  await keyed($("rows"), list, (one) => one.number, (row, one) => {
    cells(row, [
      element("td", clock(one.time), { className: "time" }),
      element("td", button(one.subject, () => openMessage(one.number), { className: "link" })),
      outcome(one),
      element("td", bytes(one.size), { className: "number wide" }),
    ]);
  });
  for (const row of $("rows").children) row.classList.toggle("chosen", row.dataset.key === String(view.message));
  $("no-rows").hidden = list.length > 0;
  $("no-rows").textContent = view.filter ? "No message matches the filter." : "No messages yet. Send one in the tab Send.";
  if (view.message) refreshMessage();
}

async function openMessage(chosen) {
  view.message = chosen;
  await refreshMessage();
  draw();
  $("detail").scrollIntoView({ block: "nearest" });
}

async function refreshMessage() {
  const chosen = view.message;
  try {
    const found = await get(`/api/messages/${chosen}`);
    if (chosen === view.message) showIfChanged($("detail"), found, messageDetail);
  } catch (error) {
    showIfChanged($("detail"), error.message, () => [element("p", error.message, { className: "error" })]);
  }
}

function showIfChanged(place, found, make) {
  const text = JSON.stringify(found);
  place.hidden = false;
  if (place.shown === text) return;
  place.shown = text;
  const open = [...place.querySelectorAll("details[open]")].map((one) => one.dataset.key);
  place.replaceChildren(...make(found));
  for (const one of place.querySelectorAll("details")) one.open = open.includes(one.dataset.key);
}

function messageDetail(found) {
  const facts = {
    Stored: found.stream ? `${found.stream}:${found.sequence}` : "not stored",
    Id: found.id,
    Correlation: button(found.correlation, () => filterBy(found.correlation), { className: "link" }),
    ...(found.causation ? { "Caused by": found.causation } : {}),
  };
  return [
    heading(found.subject, "detail", () => (view.message = 0)),
    list(facts),
    element("h3", "Life"),
    life(found.life),
    ...(found.chain.length > 1 ? [element("h3", "Everything with this correlation id"), tree(found.chain, found.number)] : []),
    element("h3", "Payload"),
    payload(found.payload),
    element("h3", "Headers"),
    list(found.headers),
  ];
}

function heading(text, place, close) {
  const away = button("Close", () => {
    close();
    $(place).hidden = true;
    draw();
  });
  return element("div", [element("h2", text), away], { className: "bar" });
}

function list(facts) {
  return element("dl", Object.entries(facts).flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

function life(entries) {
  if (!entries.length) return element("p", "No consumer has received it yet.", { className: "faint" });
  return element("ol", entries.map((one, at) => {
    const what = { dead: "dead letter", log: "logged" }[one.what] ?? one.what;
    const attempt = one.attempt && one.what !== "log" ? `, attempt ${one.attempt}` : "";
    return element("li", [
      element("span", `${clock(one.time)} `, { className: "time faint" }),
      element("strong", what, { className: OUTCOMES[one.what] ?? "faint" }),
      ` ${one.who}${attempt}${one.text ? `: ${one.text}` : ""}`,
      ...(one.stack ? [folded("Stack", `stack-${at}`, element("pre", one.stack, { tabIndex: 0 }))] : []),
    ]);
  }), { className: "life" });
}

function folded(title, key, content) {
  const made = element("details", [element("summary", title), content]);
  made.dataset.key = key;
  return made;
}

function payload(found) {
  const rest = found.rest ? `and ${bytes(found.rest)} more` : "";
  if (found.kind === "empty") return element("p", "empty", { className: "faint" });
  return element("div", [
    element("pre", found.text, { tabIndex: 0 }),
    element("p", [found.kind, rest].filter(Boolean).join(", "), { className: "faint small" }),
  ]);
}

function tree(chain, current) {
  const ids = new Set(chain.map((one) => one.id));
  const branch = (parents, className) =>
    element("ul", parents.map((one) => {
      const children = chain.filter((other) => other.causation === one.id && other !== one);
      const name = button(one.subject, () => { showTab("messages"); openMessage(one.number); }, { className: "link" });
      const ends = Object.entries(one.outcomes).map(([who, what], at) =>
        element("span", `${at ? ", " : " "}${what === "dead" ? "dead letter" : what} ${who}`, { className: OUTCOMES[what] ?? "" }));
      if (one.number === current) name.setAttribute("aria-current", "true");
      return element("li", [name, ...ends, ...(children.length ? [branch(children, "tree")] : [])]);
    }), { className });
  return branch(chain.filter((one) => !ids.has(one.causation) || one.causation === one.id), "tree top");
}

function filterBy(text) {
  $("filter-text").value = text;
  setFilter(text);
  showTab("messages");
}

function setFilter(text) {
  if (text === view.filter) return;
  view.filter = text;
  seen.clear();
  listen();
}

// --- handlers

async function drawHandlers() {
  await keyed($("handler-rows"), view.state.handlers, (one) => `${one.who}/${one.kind}`, (row, one) => {
    const service = view.state.services.find((other) => other.name === one.service);
    const good = service?.ready && !one.trouble;
    cells(row, [
      element("td", [element("strong", one.who), element("div", folders(one.file), { className: "faint" })], { className: "loose" }),
      one.subject, number(one.lag), number(one.in_flight), number(one.rate), number(duration(one.p50)), number(duration(one.p99)),
      number(one.handled), number(one.retried), number(one.dead),
      element("td", [
        element("span", one.trouble || (good ? "ready" : service?.reason || service?.state), { className: good ? "good" : "warn" }),
        ...(one.last_error ? [element("div", `last error: ${one.last_error}`, { className: "faint" })] : []),
      ], { className: "loose" }),
    ]);
  });
}

const folders = (file) => file.split(/(?<=\/)/).flatMap((part) => [part, element("wbr")]); // breaks after a slash

// --- dead letters

const chosenLetters = new Set();

async function drawLetters() {
  const key = `${view.state.letters}/${view.state.total}`;
  if (view.letters === key) return;
  view.letters = key;
  try {
    await showLetters(await get("/api/letters"));
  } catch (error) {
    $("letter-note").textContent = error.message;
  }
}

async function showLetters(letters) {
  const there = new Set(letters.map((one) => one.id));
  for (const one of chosenLetters) if (!there.has(one)) chosenLetters.delete(one);
  await keyed($("letter-rows"), letters, (one) => one.id, (row, one) => {
    const box = element("input", "", { type: "checkbox", checked: chosenLetters.has(one.id) });
    box.setAttribute("aria-label", `Choose letter ${one.id}`);
    box.addEventListener("change", () => {
      if (box.checked) chosenLetters.add(one.id);
      else chosenLetters.delete(one.id);
      letterButtons();
    });
    cells(row, [
      element("td", box),
      element("td", clock(one.time), { className: "time" }),
      element("td", button(`${one.service}.${one.handler}`, () => openLetter(one.id), { className: "link" })),
      one.reason,
      element("td", one.error, { className: "wide" }),
    ]);
  });
  $("no-letters").hidden = letters.length > 0;
  letterButtons();
}

function letterButtons() {
  for (const id of ["replay-chosen", "purge-chosen"]) $(id).disabled = chosenLetters.size === 0;
}

async function openLetter(id) {
  try {
    const found = await get(`/api/letters/${id}`);
    showIfChanged($("letter"), found, () => [
      heading(`Letter ${id}: ${found.service}.${found.handler}`, "letter", () => {}),
      element("div", [
        button("Replay", () => change("replay", [id])),
        button("Purge", () => change("purge", [id]), { className: "danger" }),
      ], { className: "bar" }),
      element("p", `${found.reason}${found.error ? `: ${found.error}` : ""}`, { className: "bad" }),
      ...(found.problem ? [element("p", found.problem, { className: "error" })] : []),
      element("h3", "Stack"),
      element("pre", found.stack || "none", { tabIndex: 0 }),
      element("h3", "Payload"),
      payload(found.payload),
      element("h3", "Headers"),
      list(found.headers),
    ]);
    $("letter").scrollIntoView({ block: "nearest" });
  } catch (error) {
    $("letter-note").textContent = error.message;
  }
}

async function change(what, letters) {
  if (what === "purge" && !(await isSure(letters.length))) return;
  try {
    const { done, gone, failed } = await get(`/api/${what}`, { letters });
    const problems = Object.values(failed).join("; ");
    $("letter-note").textContent = `${done} ${what === "purge" ? "purged" : "replayed"}${gone ? `, ${gone} gone before` : ""}${problems ? `; ${problems}` : ""}`;
    $("letter").hidden = true;
    for (const one of letters) chosenLetters.delete(one);
  } catch (error) {
    $("letter-note").textContent = error.message;
  }
  view.letters = "";
  draw();
}

function isSure(count) {
  $("sure-text").textContent = `Delete ${count === 1 ? "this letter" : `these ${count} letters`} for good?`;
  $("sure").returnValue = "no";
  $("sure").showModal();
  return new Promise((done) => $("sure").addEventListener("close", () => done($("sure").returnValue === "yes"), { once: true }));
}

// --- send

async function drawSend() {
  const key = view.state.services.map((one) => `${one.name} ${one.starts} ${one.ready}`).join();
  if (view.targetsFor !== key) {
    view.targetsFor = key;
    await loadTargets(false);
  }
  if (view.sent) {
    const chain = await get(`/api/chain?id=${encodeURIComponent(view.sent)}`);
    if (chain.length) {
      showIfChanged($("result"), chain, () => [
        element("h2", "Result"),
        tree(chain, 0),
        ...chain.flatMap((one) => [element("h3", one.subject), life(one.life)]),
      ]);
    }
  }
}

async function loadTargets(fresh) {
  const before = $("target").value;
  view.targets = await get("/api/targets");
  $("target").replaceChildren(...view.targets.map((one, at) =>
    element("option", `${one.service}: ${one.kind} ${one.name}`, { value: `${one.service}/${one.kind}/${one.name}` })));
  const still = view.targets.some((one) => `${one.service}/${one.kind}/${one.name}` === before);
  if (still) $("target").value = before;
  if (!still || fresh) showTarget();
}

const target = () => view.targets.find((one) => `${one.service}/${one.kind}/${one.name}` === $("target").value);

function showTarget() {
  const chosen = target();
  $("fields").hidden = !chosen;
  if (!chosen) return;
  $("subject-line").hidden = !/[*>]/.test(chosen.subject);
  $("send-subject").value = $("subject-line").hidden ? "" : chosen.subject.replaceAll("*", "example").replace(">", "example");
  $("raw").value = chosen.example;
  showFields();
}

function resolved(schema, root) {
  if (!schema?.$ref) return schema ?? {};
  return schema.$ref.slice(2).split("/").reduce((one, key) => one?.[key], root) ?? {};
}

function showFields() {
  const chosen = target();
  let value;
  try {
    value = JSON.parse($("raw").value || "null");
    $("send-error").textContent = "";
  } catch (error) {
    $("send-error").textContent = `Invalid JSON: ${error.message}`;
    return;
  }
  const made = fieldsOf(chosen.schema ?? {}, chosen.schema, value, [], 0);
  $("fields").replaceChildren(element("legend", chosen.subject), ...made);
  if (!made.length) $("fields").append(element("p", "This model has no fields; write JSON below.", { className: "faint" }));
}

// Inputs for the fields of an object; what has no simple form is written as JSON.
function fieldsOf(schema, root, value, path, depth) {
  const { properties } = resolved(schema, root);
  if (!properties || depth > 4) return [];
  return Object.entries(properties).map(([name, property]) => {
    const inner = resolved(property.anyOf?.[0] ?? property.allOf?.[0] ?? property, root);
    const here = [...path, name];
    if (inner.properties && Object.keys(inner.properties).length) {
      const group = fieldsOf(inner, root, value?.[name], here, depth + 1);
      return element("fieldset", [element("legend", name), ...group]);
    }
    return field(name, inner, value?.[name], here);
  });
}

function field(name, schema, value, path) {
  const id = `field-${path.join("-")}`;
  let input;
  if (schema.enum) {
    input = element("select", schema.enum.map((one) => element("option", String(one))), { value: String(value) });
  } else {
    const type = LIST[schema.type] ?? "text";
    const isJson = !LIST[schema.type];
    input = element("input", "", { type, step: "any", checked: value === true });
    if ("default" in schema) input.placeholder = `${JSON.stringify(schema.default)} unless given`;
    if (value === undefined && schema.default === true) input.checked = true;
    if (type !== "checkbox") input.value = value === undefined ? "" : isJson ? JSON.stringify(value) : value;
  }
  input.id = id;
  input.addEventListener("input", () => setField(path, schema, input));
  return element("div", [element("label", name, { htmlFor: id }), input], { className: "field" });
}

function setField(path, schema, input) {
  const whole = JSON.parse($("raw").value || "{}") ?? {};
  let place = whole;
  for (const key of path.slice(0, -1)) place = place[key] ??= {};
  const last = path.at(-1);
  if (input.type === "checkbox") place[last] = input.checked;
  else if (input.value === "" && schema.type !== "string") delete place[last];
  else if (schema.enum) place[last] = schema.enum.find((one) => String(one) === input.value);
  else if (input.type === "number") place[last] = Number(input.value);
  else if (schema.type === "string") place[last] = input.value;
  else {
    try {
      place[last] = JSON.parse(input.value);
      input.setCustomValidity("");
    } catch {
      input.setCustomValidity("Enter JSON.");
    }
  }
  $("raw").value = JSON.stringify(whole, null, 2);
}

// A stream or an inbox would drop a second event with the same id.
function renewId() {
  const whole = JSON.parse($("raw").value || "null");
  if (typeof whole?.id !== "string") return;
  whole.id = crypto.randomUUID();
  $("raw").value = JSON.stringify(whole, null, 2);
  showFields();
}

async function send(event) {
  event.preventDefault();
  const { service, kind, name } = target() ?? {};
  $("send-error").textContent = "";
  const submit = $("send-form").querySelector("[type=submit]");
  submit.disabled = true;
  try {
    const found = await get("/api/send", { service, kind, name, subject: $("send-subject").value, data: $("raw").value });
    view.sent = found.correlation ?? "";
    $("result").shown = "";
    $("result").hidden = false;
    $("result").replaceChildren(element("h2", found.reply ? "Reply" : "Sent"),
      ...(found.error ? [element("p", found.error, { className: "error" })] : []),
      ...(found.reply ? [payload(found.reply)] : []));
    $("result").scrollIntoView({ block: "nearest" });
    renewId();
  } catch (error) {
    $("send-error").textContent = error.message;
  }
  submit.disabled = false;
  draw();
}

// --- tabs

const tabs = [...document.querySelectorAll("[role=tab]")];

function showTab(name) {
  view.tab = name;
  for (const tab of tabs) {
    const chosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (name === "letters") view.letters = "";
  draw();
}

for (const tab of tabs) tab.addEventListener("click", () => showTab(tab.id.slice("tab-".length)));
$("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = tabs[(tabs.findIndex((tab) => tab.tabIndex === 0) + step + tabs.length) % tabs.length];
  showTab(next.id.slice("tab-".length));
  next.focus();
});

$("as-list").addEventListener("click", () => {
  const isPressed = $("map").classList.toggle("listed");
  $("as-list").setAttribute("aria-pressed", String(isPressed));
  draw();
});
new ResizeObserver(() => draw()).observe($("map"));
$("filter").addEventListener("submit", (event) => event.preventDefault());
$("filter-text").addEventListener("input", (event) => {
  clearTimeout(view.typing);
  view.typing = setTimeout(() => setFilter(event.target.value.trim()), 250);
});
$("pause").addEventListener("click", () => {
  view.paused = !view.paused;
  $("pause").setAttribute("aria-pressed", String(view.paused));
  $("pause").textContent = view.paused ? "Resume" : "Pause";
  draw();
});
$("choose-all").addEventListener("change", (event) => {
  for (const box of $("letter-rows").querySelectorAll("input")) {
    if (box.checked !== event.target.checked) box.click();
  }
});
$("replay-chosen").addEventListener("click", () => change("replay", [...chosenLetters]));
$("purge-chosen").addEventListener("click", () => change("purge", [...chosenLetters]));
$("target").addEventListener("change", showTarget);
$("raw").addEventListener("input", showFields);
$("renew").addEventListener("click", () => loadTargets(true));
$("send-form").addEventListener("submit", send);
listen();
