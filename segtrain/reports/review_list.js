// The ranked list of findings: filtered, and only the rows in sight are in the document.
"use strict";

const ROW = 58; // pixels, as in review.css
const BEYOND = 6; // rows kept above and below those in sight
const MARKS = { accept: "✓", reject: "✕" };

class FindingList {
  constructor(scroller, decisions, choose) {
    Object.assign(this, { scroller, decisions, choose, ranks: [], current: -1 });
    this.rows = scroller.firstElementChild;
    scroller.addEventListener("scroll", () => this.later());
    new ResizeObserver(() => this.later()).observe(scroller);
    scroller.addEventListener("click", (event) => {
      const row = event.target.closest("[data-rank]");
      if (row) choose(Number(row.dataset.rank));
    });
  }

  // Takes the ranks to list, in order, and the one that is looked at.
  update(ranks, current) {
    this.ranks = ranks;
    this.current = current;
    this.rows.style.height = `${ranks.length * ROW}px`;
    this.later();
  }

  reveal() {
    const place = this.ranks.indexOf(this.current);
    if (place < 0) return;
    const { scrollTop, clientHeight } = this.scroller;
    const lowest = place * ROW - ROW;
    const highest = (place + 2) * ROW - clientHeight;
    if (scrollTop > lowest) this.scroller.scrollTop = lowest;
    else if (scrollTop < highest) this.scroller.scrollTop = highest;
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.draw();
    });
  }

  // Replaces the rows that are not as they should be; one that is being clicked stays.
  draw() {
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - BEYOND);
    const last = Math.min(this.ranks.length, Math.ceil((scrollTop + clientHeight) / ROW) + BEYOND);
    const wanted = new Map();
    for (let place = first; place < last; place++) wanted.set(this.stateOf(place), place);
    for (const row of [...this.rows.children]) if (!wanted.delete(row.dataset.state)) row.remove();
    for (const place of wanted.values()) {
      const below = [...this.rows.children].find((row) => Number(row.dataset.place) > place);
      this.rows.insertBefore(this.row(place), below ?? null);
    }
    const shown = this.ranks.includes(this.current);
    if (shown) this.scroller.setAttribute("aria-activedescendant", `finding-${this.current}`);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  stateOf(place) {
    const rank = this.ranks[place];
    return [place, this.ranks.length, rank, rank === this.current, this.decisions.of(FINDINGS[rank])].join();
  }

  row(place) {
    const finding = FINDINGS[this.ranks[place]];
    const decision = this.decisions.of(finding);
    const row = element("div", "row");
    row.id = `finding-${finding.rank}`;
    row.style.top = `${place * ROW}px`;
    Object.assign(row.dataset, { rank: finding.rank, place, state: this.stateOf(place) });
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", finding.rank === this.current);
    row.setAttribute("aria-setsize", this.ranks.length);
    row.setAttribute("aria-posinset", place + 1);
    const mark = element("span", `mark ${decision ?? ""}`, MARKS[decision] ?? "");
    mark.setAttribute("aria-label", decision ? `${decision}ed` : "undecided");
    mark.setAttribute("role", "img");
    row.append(mark, about(finding), scoreOf(finding));
    return row;
  }
}

function about(finding) {
  const box = element("div", "about");
  const what = element("div", "what", kindOf(finding));
  const name = element("span", "class", AUDIT.classes[finding.number]);
  const swatch = element("span", "swatch");
  swatch.style.background = AUDIT.colours[finding.number];
  name.prepend(swatch);
  what.append(name);
  const image = element("div", "image", finding.name);
  image.title = finding.name;
  box.append(what, image);
  return box;
}

function scoreOf(finding) {
  const box = element("div", "score");
  const text = element("b", "", finding.score.toFixed(2));
  box.append(text, bar(finding.score));
  if (finding.precision !== null) {
    const share = element("small", "", `${Math.round(100 * finding.precision)} % right`);
    share.title = "Estimated share of findings with this score or a higher one that are right";
    box.append(share);
  }
  return box;
}

function bar(share) {
  const outer = element("span", "bar");
  const inner = element("span");
  inner.style.width = `${100 * Math.min(1, Math.max(0, share ?? 0))}%`;
  outer.append(inner);
  return outer;
}

function element(tag, classes = "", text = "") {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  if (text) made.textContent = text;
  return made;
}

function kindOf(finding) {
  return AUDIT.kinds[finding.kind][0];
}

function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
