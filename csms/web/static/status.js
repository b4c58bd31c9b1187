// The live status page: reads /api/v1 once, then follows the event stream, whose events carry the
// whole thing that has changed. Text from outside only ever becomes text nodes.
"use strict";

const byId = (id) => document.getElementById(id);
const DRAW_EVERY_MS = 500;
const READ_ANEW_EVERY_MS = 300000;
const CLOCK_EVERY_MS = 10000;
const SVG = "http://www.w3.org/2000/svg";
const LIVE = ["late", "active", "at_risk", "confirmed"];
let key = new URLSearchParams(location.hash.slice(1)).get("key") || sessionStorage.getItem("key");

const house = {
  clock: null, plan: null, lastEvent: null, events: [],
  site: new Map(), station: new Map(), vehicle: new Map(), booking: new Map(), transaction: new Map(), measured: new Map(), move: new Map(),
};

function make(name, text, kind) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
}

function shape(name, attributes, kind) {
  const node = document.createElementNS(SVG, name);
  for (const [each, value] of Object.entries(attributes)) node.setAttribute(each, String(value));
  if (kind) node.setAttribute("class", kind);
  return node;
}

async function ask(path) {
  const answer = await fetch(`/api/v1${path}`, { headers: { Authorization: `Bearer ${key}` } });
  if (answer.status === 401) throw new Error("no-key");
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function all(path) {
  const items = [];
  let cursor = null;
  do {
    const mark = path.includes("?") ? "&" : "?";
    const next = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    const page = await ask(`${path}${mark}limit=500${next}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < 5000);
  return items;
}

// ---- what is known ----

const keyed = (items, name) => new Map(items.map((each) => [each[name], each]));

async function readAll() {
  house.clock = await ask("/clock");
  const [sites, stations, vehicles, transactions, plan, ahead, late] = await Promise.all([
    all("/sites"), all("/stations"), all("/vehicles"), all("/transactions?open=true"), ask("/plans/current/outlook?hours=24"),
    ask(`/bookings?from=${encodeURIComponent(house.clock.now)}&sort=start&limit=200`), all("/bookings?status=late"),
  ]);
  Object.assign(house, {
    plan, site: keyed(sites, "id"), station: keyed(stations, "identity"), vehicle: keyed(vehicles, "id"),
    transaction: keyed(transactions, "id"), booking: keyed([...ahead.items, ...late], "id"),
  });
  house.move = keyed(await all("/moves?status=open"), "id");
  await Promise.all(sites.map(async (site) => {
    const page = await ask(`/sites/${encodeURIComponent(site.id)}/measurements?limit=1&sort=-measured_at`);
    if (page && page.items.length) house.measured.set(site.id, page.items[0]);
  }));
}

function hear(event) {
  house.lastEvent = event.id;
  if (house.clock && event.time > house.clock.now) house.clock.now = event.time;
  const [kind, id] = event.subject.split(/\/(.*)/s);
  if (event.type === "site.measured") {
    house.measured.set(id, event.resource);
    return;
  }
  if (event.type !== "transaction.updated") {
    house.events.unshift(event);
    house.events.length = Math.min(house.events.length, 12);
  }
  if (event.type === "plan.published") { readPlan(); return; }
  if (!(house[kind] instanceof Map) || kind === "measured") return;
  const over = event.type.endsWith(".deleted") || event.type === "transaction.ended";
  if (over) house[kind].delete(id);
  else if (kind !== "site" || event.resource.name) house[kind].set(id, event.resource);
}

let reading = false;
async function readPlan() {
  if (reading) return;
  reading = true;
  try { house.plan = await ask("/plans/current/outlook?hours=24"); } catch { /* the next plan comes soon */ }
  reading = false;
  drawSoon();
}

// ---- how it is shown ----

const kilowatts = (watts) => (watts === null || watts === undefined ? "–" : `${(watts / 1000).toFixed(1)} kW`);
const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(100 * share)} %`);
const charge = (soc) => (soc === null || soc === undefined ? "?" : `${Math.round(soc)} %`);
const shortTime = (text) => new Date(text).toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit" });
const clockTime = (text) => new Date(text).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
const sum = (items, of) => items.reduce((total, each) => total + (of(each) || 0), 0);

function bar(kind, watts, most) {
  const svg = shape("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" }, "bar");
  const width = most > 0 ? Math.max(0, Math.min(100, (100 * (watts || 0)) / most)) : 0;
  svg.append(shape("rect", { width: 100, height: 6, rx: 1 }, "rail"), shape("rect", { width, height: 6, rx: 1 }, kind));
  return svg;
}

function row(label, kind, watts, most) {
  const line = make("div", undefined, "row");
  line.append(make("span", label), bar(kind, watts, most), make("span", kilowatts(watts)));
  return line;
}

function tile(number, label) {
  const card = make("div", undefined, "card");
  card.append(make("div", String(number), "number"), make("div", label, "faint"));
  return card;
}

function planStrip(site) {
  const plan = house.plan;
  const mine = plan && (plan.sites || []).find((each) => each.site_id === site.id);
  if (!mine) return null;
  const now = new Date(house.clock.now);
  const first = Math.max(0, Math.floor((now - new Date(plan.start)) / (plan.step_minutes * 60000)));
  const [cars, sun] = [mine.cars_w, mine.pv_used_w];
  const steps = cars.length - first;
  if (steps < 2) return null;
  const most = Math.max(1000, ...cars.slice(first, first + steps), ...sun.slice(first, first + steps));
  const steplike = (values) => {
    let path = "M 0 40";
    for (let step = 0; step < steps; step += 1) {
      const y = (40 - (38 * values[first + step]) / most).toFixed(1);
      path += ` L ${step} ${y} L ${step + 1} ${y}`;
    }
    return `${path} L ${steps} 40 Z`;
  };
  const figure = make("figure", undefined, "strip");
  const svg = shape("svg", { viewBox: `0 0 ${steps} 40`, preserveAspectRatio: "none", role: "img" });
  const charged = (sum(cars.slice(first, first + steps), (watts) => watts) * plan.step_minutes) / 60000;
  svg.setAttribute("aria-label", `planned charging of the next ${Math.round((steps * plan.step_minutes) / 60)} hours`);
  svg.append(shape("path", { d: steplike(sun) }, "sun"), shape("path", { d: steplike(cars) }, "charge"));
  const end = new Date(now.getTime() + steps * plan.step_minutes * 60000);
  const caption = make("figcaption", undefined, "faint");
  caption.append(make("span", "now"), make("span", `plan: ${charged.toFixed(0)} kWh into cars (line), sun (area), top ${kilowatts(most)}`), make("span", clockTime(end)));
  figure.append(svg, caption);
  return figure;
}

function statusOf(evse) {
  const busy = evse.connectors.find((each) => each.status !== "Available" && each.status !== "Unknown");
  return (busy || evse.connectors[0] || { status: "Unknown" }).status;
}

function statusKind(status) {
  if (status === "Faulted" || status === "Unavailable") return "bad";
  if (status === "Charging") return "charging";
  return status === "Available" || status === "Unknown" ? "faint" : "";
}

function evseTable(stations, transactions) {
  const table = make("table", undefined, "evses");
  const head = make("tr");
  for (const name of ["EVSE", "Status", "Power", "Car", "Charge"]) {
    const cell = make("th", name);
    cell.scope = "col";
    head.append(cell);
  }
  table.append(head);
  for (const station of stations) {
    for (const evse of station.evses.filter((each) => each.evse_id > 0)) {
      const place = `${station.identity}/${evse.evse_id}`;
      const open = transactions.find((each) => each.station === station.identity && each.evse_id === evse.evse_id);
      const car = [...house.vehicle.values()].find((each) => each.plugged_evse === place || (open && open.vehicle_id === each.id));
      const status = station.online ? statusOf(evse) : "offline";
      const line = make("tr", undefined, station.online ? "" : "faint");
      line.title = `${station.vendor || ""} ${station.model || ""} ${station.ocpp_version || ""}`.trim();
      line.append(
        make("td", `${place}${evse.current_type === "DC" ? " DC" : ""}`), make("td", status, open && open.power_w > 50 ? "charging" : statusKind(status)),
        make("td", open ? kilowatts(open.power_w) : ""), make("td", car ? car.registration || car.id : ""), make("td", car ? charge(car.soc_pct) : ""),
      );
      table.append(line);
    }
  }
  const scroll = make("div", undefined, "scroll");
  scroll.append(table);
  return scroll;
}

function siteCard(site) {
  const card = make("article", undefined, "card");
  const stations = [...house.station.values()].filter((each) => each.site_id === site.id).sort((a, b) => a.identity.localeCompare(b.identity));
  const names = new Set(stations.map((each) => each.identity));
  const transactions = [...house.transaction.values()].filter((each) => names.has(each.station));
  const measured = house.measured.get(site.id) || {};
  const cars = sum(transactions, (each) => each.power_w);
  const grid = measured.load_power_w === undefined || measured.pv_power_w === undefined ? measured.grid_power_w : (measured.load_power_w || 0) + cars - (measured.pv_power_w || 0);
  const most = Math.max(cars, measured.pv_power_w || 0, measured.load_power_w || 0, Math.abs(grid || 0), 1);
  const online = stations.filter((each) => each.online).length;
  const head = make("div", undefined, "head");
  head.append(make("h2", site.name), make("span", `${online} of ${stations.length} stations online`, online < stations.length ? "bad" : "faint"));
  card.append(head, row("Sun", "sun", measured.pv_power_w, most), row("Building", "house", measured.load_power_w, most), row("Cars", "charge", cars, most),
    row(grid < 0 ? "To grid" : "From grid", "grid", grid === undefined ? undefined : Math.abs(grid), most),
    make("p", `grid limit ${kilowatts(site.import_limit_w)}`, "faint small"));
  const strip = planStrip(site);
  if (strip) card.append(strip);
  const details = make("details");
  details.open = !closed.has(site.id);
  details.addEventListener("toggle", () => (details.open ? closed.delete(site.id) : closed.add(site.id)));
  details.append(make("summary", "Charging stations"), evseTable(stations, transactions));
  card.append(details);
  const loose = [...house.vehicle.values()].filter((each) => each.at_site_id === site.id && !each.plugged_evse);
  if (loose.length) card.append(make("p", `Standing without a plug: ${loose.map((each) => `${each.registration || each.id} ${charge(each.soc_pct)}`).join(", ")}`, "small"));
  return card;
}
const closed = new Set();

function bookingLine(booking) {
  const line = make("tr");
  const name = (id) => (house.site.get(id) || { name: id }).name;
  const [from, to] = [name(booking.pickup_site_id), name(booking.dropoff_site_id)];
  const ahead = booking.status === "confirmed" || booking.status === "at_risk";
  const car = house.vehicle.get(booking.vehicle_id);
  line.title = booking.explanation.map((each) => each.sentence).join("\n");
  line.append(
    make("td", booking.status.replace("_", " "), { late: "bad", at_risk: "bad", active: "charging" }[booking.status] || ""),
    make("td", shortTime(booking.start)), make("td", shortTime(booking.end)), make("td", from === to ? from : `${from} → ${to}`),
    make("td", (car && car.registration) || booking.vehicle_id || "–"), make("td", `${booking.distance_km} km`), make("td", ahead ? charge(booking.expected_soc_pct) : ""),
    make("td", ahead ? percent(booking.probability_ready) : ""), make("td", ahead ? percent(booking.solar_share) : ""),
  );
  return line;
}

function moveLine(move) {
  const line = make("tr");
  const car = house.vehicle.get(move.vehicle_id);
  line.append(
    make("td", (house.site.get(move.site_id) || { name: move.site_id }).name), make("td", (car && car.registration) || move.vehicle_id),
    make("td", move.from_evse || "no EVSE"), make("td", move.to_evse || "no EVSE"),
    make("td", shortTime(move.from_at)), make("td", shortTime(move.to_at)), make("td", move.reasons.map((each) => each.sentence).join(" ")),
  );
  return line;
}

function draw() {
  const { clock, plan } = house;
  const live = [...house.booking.values()].filter((each) => LIVE.includes(each.status));
  live.sort((a, b) => LIVE.indexOf(a.status) - LIVE.indexOf(b.status) || a.start.localeCompare(b.start));
  const [stations, cars, transactions] = [[...house.station.values()], [...house.vehicle.values()], [...house.transaction.values()]];
  byId("now").textContent = new Date(clock.now).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) + (clock.mode === "simulated" ? " (simulated)" : "");
  const unserved = plan ? plan.unserved : 0;
  byId("tiles").replaceChildren(
    tile(kilowatts(sum([...house.measured.values()], (each) => each.pv_power_w)), "sun"),
    tile(kilowatts(sum(transactions, (each) => each.power_w)), `into ${transactions.filter((each) => each.power_w > 50).length} cars`),
    tile(`${stations.filter((each) => each.online).length} / ${stations.length}`, "stations online"),
    tile(`${cars.filter((each) => each.plugged_evse).length} / ${cars.length}`, `cars plugged in, ${cars.filter((each) => !each.at_site_id).length} on the road`),
    tile(live.length, `open bookings, ${live.filter((each) => each.status === "at_risk" || each.status === "late").length} at risk or late`),
    tile(plan ? clockTime(plan.created_at) : "none", plan ? `last plan: ${plan.status}${unserved ? `, ${unserved} unserved` : ""}` : "plan"),
  );
  byId("sites").replaceChildren(...[...house.site.values()].sort((a, b) => a.name.localeCompare(b.name)).map(siteCard));
  byId("bookings").replaceChildren(...live.slice(0, 60).map(bookingLine));
  const moves = [...house.move.values()].filter((each) => each.status === "open").sort((a, b) => a.from_at.localeCompare(b.from_at));
  byId("staff").hidden = !moves.length;
  byId("moves").replaceChildren(...moves.slice(0, 60).map(moveLine));
  byId("events").replaceChildren(...house.events.map((each) => {
    const line = make("li");
    line.append(make("time", shortTime(each.time), "faint"), make("code", each.type), make("span", each.subject));
    return line;
  }));
  byId("house").hidden = false;
}

let drawing = null;
function drawSoon() {
  if (drawing === null) drawing = setTimeout(() => { drawing = null; if (byId("door").hidden && house.clock) draw(); }, DRAW_EVERY_MS);
}

// ---- staying up to date ----

function say(text, kind) {
  byId("state").textContent = text;
  byId("state").className = kind;
}

async function followStream() {
  const headers = { Authorization: `Bearer ${key}` };
  if (house.lastEvent !== null) headers["Last-Event-ID"] = house.lastEvent;
  const answer = await fetch("/api/v1/events", { headers });
  if (!answer.ok) throw new Error(answer.status === 401 ? "no-key" : `events: ${answer.status}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  if (house.lastEvent === null) await readAll();
  say("live", "faint");
  drawSoon();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const data = frame.split("\n").find((line) => line.startsWith("data: "));
      if (data) hear(JSON.parse(data.slice(6)));
    }
    drawSoon();
  }
}

let following = 0;
async function follow() {
  const mine = (following += 1);
  house.lastEvent = null;
  while (mine === following) {
    try {
      await followStream();
    } catch (error) {
      if (error.message === "no-key") return showDoor("this key is not known");
      say("not reachable, trying again", "bad");
    }
    await new Promise((go) => setTimeout(go, 2000));
  }
}

function showDoor(why) {
  following += 1;
  byId("door").hidden = false;
  byId("house").hidden = true;
  say(why, "bad");
  sessionStorage.removeItem("key");
  byId("key").focus();
}

function enter() {
  sessionStorage.setItem("key", key);
  history.replaceState(null, "", location.pathname);
  byId("door").hidden = true;
  follow();
}

const quietly = (what) => what().then(drawSoon).catch(() => {});
const inside = () => key && byId("door").hidden && house.clock;
setInterval(() => inside() && quietly(async () => { house.clock = (await ask("/clock")) || house.clock; }), CLOCK_EVERY_MS);
setInterval(() => inside() && quietly(readAll), READ_ANEW_EVERY_MS);
byId("door").addEventListener("submit", (event) => {
  event.preventDefault();
  key = byId("key").value.trim();
  enter();
});
if (key) enter(); else showDoor("");
