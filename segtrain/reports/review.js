// The page: what is chosen, what is shown of it, and what keys and buttons do.
"use strict";

const byId = (id) => document.getElementById(id);
const decisions = new Decisions();
const viewer = new Viewer(byId("stage"), [...document.querySelectorAll("#panels canvas")]);
const list = new FindingList(byId("list"), decisions, choose);
const state = { current: -1, ranks: [] }; // the finding looked at; the findings listed, both by rank
const FILTERS = ["kind", "class", "decision", "search", "least"];
const UNDECIDED = "undecided";

const ACTIONS = {
  next: () => step(1),
  previous: () => step(-1),
  accept: () => decide("accept"),
  reject: () => decide("reject"),
  undo: undo,
  zoom: () => showWhole(!viewer.whole),
  larger: () => viewer.image && viewer.enlarge(1.4),
  smaller: () => viewer.image && viewer.enlarge(1 / 1.4),
  bare: hideLayers,
  help: toggleHelp,
  download: () => decisions.download(),
  load: () => byId("file").click(),
};
const KEYS = {
  j: "next", ArrowDown: "next", k: "previous", ArrowUp: "previous", a: "accept", r: "reject", u: "undo", z: "zoom",
  0: "bare", "+": "larger", "=": "larger", "-": "smaller", "?": "help",
};
const LAYER_KEYS = { 1: "given", 2: "suggested", 3: "prediction", 4: "region" };

function filtered() {
  const [kind, number, decision, search, least] = FILTERS.map((name) => byId(name).value);
  const sought = search.trim().toLowerCase();
  const fits = (finding) =>
    (kind === "" || finding.kind === Number(kind)) &&
    (number === "" || finding.number === Number(number)) &&
    finding.score >= Number(least) - 1e-9 &&
    (decision === "" || (decisions.of(finding) ?? UNDECIDED) === decision) &&
    (!sought || finding.name.toLowerCase().includes(sought));
  return FINDINGS.filter(fits).map((finding) => finding.rank);
}

function filter() {
  byId("least-shown").textContent = Number(byId("least").value).toFixed(2);
  refresh();
  if (!state.ranks.includes(state.current) && state.ranks.length) choose(state.ranks[0]);
  else list.reveal();
}

// Brings the list and the counts up to date with the decisions.
function refresh() {
  state.ranks = filtered();
  list.update(state.ranks, state.current);
  const all = FINDINGS.length;
  const [accepted, rejected] = [decisions.count("accept"), decisions.count("reject")];
  byId("decided").textContent = `${(accepted + rejected).toLocaleString("en")} of ${all.toLocaleString("en")} decided`;
  byId("shares").textContent = `${accepted.toLocaleString("en")} accepted, ${rejected.toLocaleString("en")} rejected`;
  byId("accepted").style.width = `${(100 * accepted) / Math.max(1, all)}%`;
  byId("rejected").style.width = `${(100 * rejected) / Math.max(1, all)}%`;
  byId("listed").textContent = state.ranks.length < all ? `${counted(state.ranks.length, "finding")} listed` : "";
  byId("empty").hidden = state.ranks.length > 0;
  byId("memory").hidden = decisions.kept;
  byId("undo").disabled = !decisions.history.length;
  for (const choice of ["accept", "reject"])
    byId(choice).setAttribute("aria-pressed", decisions.made.get(FINDINGS[state.current]?.key) === choice);
}

function choose(rank) {
  const before = FINDINGS[state.current];
  state.current = rank;
  if (FINDINGS[rank].image !== before?.image) viewer.clear();
  describe(FINDINGS[rank]);
  refresh();
  list.reveal();
  cancelAnimationFrame(choose.frame);
  choose.frame = requestAnimationFrame(() => showPicture(rank)); // one that is passed by is not read
}

async function showPicture(rank) {
  const image = await imageOf(FINDINGS[rank].image);
  if (rank !== state.current) return;
  viewer.show(FINDINGS[rank], image);
  describePlace(FINDINGS[rank], image);
  const next = state.ranks.find((other) => other > rank);
  if (next !== undefined) imageOf(FINDINGS[next].image);
}

function describe(finding) {
  const { number, given, suggested, area, score, precision } = finding;
  const [, sentence] = AUDIT.kinds[finding.kind];
  const bearing = (other) => (other < 0 ? `not ${AUDIT.classes[number]}` : AUDIT.classes[other]);
  const change = given === suggested ? "" : ` (given ${bearing(given)}, suggested ${bearing(suggested)})`;
  const name = element("b", "", AUDIT.classes[number]);
  const swatch = element("span", "swatch");
  swatch.style.background = AUDIT.colours[number];
  byId("caption").replaceChildren(
    swatch, name, `: ${sentence}${change}, ${counted(area, "pixel")}, score ${score.toFixed(2)}`);
  const right = precision === null ? "" : `about ${Math.round(100 * precision)} % of such findings are right`;
  byId("where").replaceChildren(element("span", "", `${finding.rank + 1}.`), element("span", "id", finding.name),
    element("span", "", right));
  byId("evidence").replaceChildren(...finding.evidence.flatMap(evidenceOf));
  byId("evidence").parentElement.hidden = finding.evidence.every((value) => value === null);
}

function describePlace(finding, image) {
  const size = image ? element("span", "", `${image.width} × ${image.height} pixels`) : "";
  byId("where").append(size);
}

function evidenceOf(value, place) {
  if (value === null) return [];
  const row = element("div");
  const number = element("span", "", value.toFixed(2));
  row.append(element("span", "", AUDIT.evidence[place].replaceAll("_", " ")), bar(value), number);
  return [row];
}

function step(direction) {
  const ranks = state.ranks;
  const place = ranks.findIndex((rank) => rank >= state.current);
  const at = place < 0 ? ranks.length : place;
  const next = direction < 0 ? at - 1 : ranks[at] === state.current ? at + 1 : at;
  if (ranks[next] !== undefined) choose(ranks[next]);
}

function decide(decision) {
  const finding = FINDINGS[state.current];
  if (!finding) return;
  if (decisions.of(finding) !== decision) decisions.change([[finding.key, decision]]);
  say("");
  refresh();
  const open = state.ranks.filter((rank) => rank !== finding.rank && !decisions.of(FINDINGS[rank]));
  const next = open.find((rank) => rank > finding.rank) ?? open[0];
  if (next !== undefined) choose(next);
  else say(open.length || decisions.made.size < FINDINGS.length ? "Every finding listed here is decided."
    : "Every finding is decided: download your decisions.");
}

function undo() {
  const key = decisions.undo();
  if (key === undefined) return;
  say("");
  const finding = FINDINGS.find((other) => other.key === key);
  if (finding) choose(finding.rank);
  else refresh();
}

function showWhole(whole) {
  viewer.zoomOut(whole);
  byId("zoom").setAttribute("aria-pressed", whole);
}

function toggleLayer(name) {
  viewer.toggle(name);
  showLayers();
}

function hideLayers() {
  viewer.hidden = !viewer.hidden;
  viewer.later();
  showLayers();
}

function showLayers() {
  for (const button of document.querySelectorAll("[data-toggle]"))
    button.setAttribute("aria-pressed", viewer.layers[button.dataset.toggle] && !viewer.hidden);
  byId("bare").setAttribute("aria-pressed", viewer.hidden);
}

function toggleHelp() {
  const help = byId("keys");
  if (help.open) help.close();
  else help.showModal();
}

function say(text) {
  byId("said").textContent = text;
}

async function load(event) {
  const file = event.target.files[0];
  if (!file) return;
  say(decisions.load(await file.text()));
  event.target.value = ""; // the same file may be chosen again
  byId("reviewer").value = decisions.reviewer;
  refresh();
}

function fillChoices() {
  fillChoice("kind", AUDIT.kinds.map(([kind]) => kind), (finding) => finding.kind);
  fillChoice("class", AUDIT.classes, (finding) => finding.number);
}

// Lists what there is, with how often.
function fillChoice(id, names, of) {
  const counts = new Map();
  for (const finding of FINDINGS) counts.set(of(finding), (counts.get(of(finding)) ?? 0) + 1);
  for (const number of [...counts.keys()].sort((one, other) => one - other)) {
    const option = element("option", "", `${names[number]} (${counts.get(number).toLocaleString("en")})`);
    option.value = number;
    byId(id).append(option);
  }
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (byId("keys").open && event.key !== "?") return; // Escape closes it by itself
  const typing = event.target.matches("input:not([type=range]), textarea, select");
  const sliding = event.target.matches("input[type=range]") && event.key.startsWith("Arrow");
  if (typing && event.key === "Escape") event.target.blur();
  if (typing || sliding) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.repeat && "aru".includes(key)) return; // a key held down decides once
  if (LAYER_KEYS[key]) toggleLayer(LAYER_KEYS[key]);
  else if (KEYS[key]) ACTIONS[KEYS[key]]();
  else return;
  event.preventDefault();
}

function connect() {
  for (const name of FILTERS) byId(name).addEventListener("input", filter);
  for (const button of document.querySelectorAll("[data-action]"))
    button.addEventListener("click", () => ACTIONS[button.dataset.action]());
  for (const button of document.querySelectorAll("[data-toggle]"))
    button.addEventListener("click", () => toggleLayer(button.dataset.toggle));
  viewer.canvas.addEventListener("dblclick", () => showWhole(!viewer.whole));
  byId("file").addEventListener("change", load);
  byId("reviewer").value = decisions.reviewer;
  byId("reviewer").addEventListener("input", (event) => decisions.name(event.target.value));
  document.addEventListener("keydown", pressed);
  window.addEventListener("beforeunload", (event) => {
    if (!decisions.kept && decisions.unsaved && decisions.made.size) event.preventDefault();
  });
}

function start() {
  fillChoices();
  connect();
  showLayers();
  refresh();
  const first = FINDINGS.find((finding) => !decisions.of(finding)) ?? FINDINGS[0];
  if (first) choose(first.rank);
}

start();
