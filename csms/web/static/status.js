// The live status page: reads /api/v1, and reads again when the event stream says that something
// has happened. Text from outside only ever becomes text nodes.
"use strict";

const byId = (id) => document.getElementById(id);
const REFRESH_AT_MOST_EVERY_MS = 1000;
const REFRESH_AT_LEAST_EVERY_MS = 30000;
const SVG = "http://www.w3.org/2000/svg";
let key = new URLSearchParams(location.hash.slice(1)).get("key") || sessionStorage.getItem("key");

function make(name, text, kind) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
}

async function ask(path) {
  const answer = await fetch(`/api/v1${path}`, { headers: { Authorization: `Bearer ${key}` } });
  if (answer.status === 401) throw new Error("no-key");
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

const kilowatts = (watts) => (watts === null || watts === undefined ? "–" : `${(watts / 1000).toFixed(1)} kW`);
const shortTime = (text) => new Date(text).toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit" });

function bar(kind, watts, most) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "bar");
  svg.setAttribute("viewBox", "0 0 100 6");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  for (const [shape, width] of [["rail", 100], [kind, most > 0 ? Math.min(100, (100 * (watts || 0)) / most) : 0]]) {
    const box = document.createElementNS(SVG, "rect");
    box.setAttribute("class", shape);
    box.setAttribute("width", String(width));
    box.setAttribute("height", "6");
    box.setAttribute("rx", "3");
    svg.append(box);
  }
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

function siteCard(site, measured, stations, transactions, cars) {
  const card = make("article", undefined, "card");
  const here = stations.filter((each) => each.site_id === site.id);
  const names = new Set(here.map((each) => each.identity));
  const charging = transactions.filter((each) => names.has(each.station));
  const chargingW = charging.reduce((sum, each) => sum + (each.power_w || 0), 0);
  const sun = measured ? measured.pv_power_w : null;
  const load = measured ? measured.load_power_w : null;
  const most = Math.max(chargingW, sun || 0, load || 0, 1);
  card.append(make("h2", site.name));
  card.append(row("Sun", "sun", sun, most), row("Charging", "charge", chargingW, most), row("Building", "house", load, most));
  const online = here.filter((each) => each.online).length;
  card.append(make("p", `${online} of ${here.length} stations online, ${charging.length} transactions`, "faint"));
  const list = make("ul", undefined, "cars");
  for (const car of cars.filter((each) => each.at_site_id === site.id)) {
    const soc = car.soc_pct === null ? "?" : `${Math.round(car.soc_pct)} %`;
    const item = make("li", `${car.registration || car.id} ${soc}`, car.plugged_evse ? "plugged" : "");
    item.title = car.plugged_evse ? `at ${car.plugged_evse}` : "not plugged in";
    list.append(item);
  }
  card.append(list);
  return card;
}

async function refresh() {
  const [clock, sites, stations, cars, transactions] = await Promise.all([
    ask("/clock"), all("/sites"), all("/stations"), all("/vehicles"), all("/transactions?open=true"),
  ]);
  const bookings = (await ask("/bookings?sort=-start&limit=50")).items;
  const measured = await Promise.all(
    sites.map(async (site) => (await ask(`/sites/${encodeURIComponent(site.id)}/measurements?limit=1&sort=-measured_at`)).items[0]),
  );
  byId("now").textContent = new Date(clock.now).toLocaleString() + (clock.mode === "simulated" ? " (simulated)" : "");
  const open = bookings.filter((each) => ["confirmed", "at_risk", "active", "late"].includes(each.status));
  byId("tiles").replaceChildren(
    tile(`${stations.filter((each) => each.online).length} / ${stations.length}`, "stations online"),
    tile(`${cars.filter((each) => each.plugged_evse).length} / ${cars.length}`, "cars plugged in"),
    tile(open.length, "open bookings"),
    tile(kilowatts(measured.reduce((sum, each) => sum + ((each && each.pv_power_w) || 0), 0)), "sun"),
    tile(kilowatts(transactions.reduce((sum, each) => sum + (each.power_w || 0), 0)), "charging"),
  );
  byId("sites").replaceChildren(...sites.map((site, place) => siteCard(site, measured[place], stations, transactions, cars)));
  const siteNames = new Map(sites.map((site) => [site.id, site.name]));
  byId("bookings").replaceChildren(...bookings.map((each) => {
    const line = make("tr");
    const cells = [shortTime(each.start), shortTime(each.end), siteNames.get(each.pickup_site_id) || each.pickup_site_id,
      each.vehicle_id || "–", `${each.distance_km} km`, each.status];
    line.append(...cells.map((text) => make("td", text)));
    return line;
  }));
  byId("house").hidden = false;
}

let due = false;
let busy = false;
async function refreshSoon() {
  due = true;
  if (busy) return;
  busy = true;
  while (due) {
    due = false;
    try {
      await refresh();
      byId("state").textContent = "live";
      byId("state").className = "faint";
    } catch (error) {
      if (error.message === "no-key") { busy = false; return showDoor("this key is not known"); }
      byId("state").textContent = "not reachable, trying again";
      byId("state").className = "bad";
    }
    await new Promise((go) => setTimeout(go, REFRESH_AT_MOST_EVERY_MS));
  }
  busy = false;
}

async function follow() {
  for (;;) {
    try {
      const answer = await fetch("/api/v1/events", { headers: { Authorization: `Bearer ${key}` } });
      if (!answer.ok) return;
      const reader = answer.body.getReader();
      for (;;) {
        const { done } = await reader.read();
        if (done) break;
        refreshSoon();
      }
    } catch { /* the connection broke: ask again below */ }
    await new Promise((go) => setTimeout(go, 3000));
  }
}

function showDoor(why) {
  byId("door").hidden = false;
  byId("house").hidden = true;
  byId("state").textContent = why;
  sessionStorage.removeItem("key");
}

function enter() {
  sessionStorage.setItem("key", key);
  history.replaceState(null, "", location.pathname);
  byId("door").hidden = true;
  refreshSoon();
  follow();
}

setInterval(() => { if (key && byId("door").hidden) refreshSoon(); }, REFRESH_AT_LEAST_EVERY_MS);
byId("door").addEventListener("submit", (event) => {
  event.preventDefault();
  key = byId("key").value.trim();
  enter();
});
if (key) enter(); else showDoor("");
