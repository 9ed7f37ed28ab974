// The reviewer's decisions: kept by the browser, undone one by one, saved to a file and read back.
"use strict";

class Decisions {
  constructor() {
    this.made = new Map(); // a finding's key -> "accept" or "reject"
    this.reviewer = "";
    this.history = []; // of each step, what was there before: [key, decision or undefined]
    this.place = `segtrain-review:${AUDIT.data}:${AUDIT.created}`;
    this.kept = this.restore();
    this.unsaved = false; // only asked where nothing is kept
  }

  restore() {
    try {
      const content = JSON.parse(localStorage.getItem(this.place) ?? "{}");
      this.made = new Map(validDecisions(content.decisions));
      this.reviewer = String(content.reviewer ?? "");
      return this.keep();
    } catch {
      return false;
    }
  }

  keep() {
    this.unsaved = true;
    try {
      const content = { reviewer: this.reviewer, decisions: Object.fromEntries(this.made) };
      localStorage.setItem(this.place, JSON.stringify(content));
      return true;
    } catch {
      return false;
    }
  }

  change(changes) {
    if (changes.length) this.history.push(changes.map(([key]) => [key, this.made.get(key)]));
    this.put(changes);
  }

  // Gives the key of the finding that was changed last; undefined when nothing is left to undo.
  undo() {
    const step = this.history.pop();
    if (!step) return undefined;
    this.put(step);
    return step[0]?.[0];
  }

  put(changes) {
    for (const [key, decision] of changes) {
      if (decision) this.made.set(key, decision);
      else this.made.delete(key);
    }
    this.kept = this.keep();
  }

  name(reviewer) {
    this.reviewer = reviewer;
    this.kept = this.keep();
  }

  of(finding) {
    return this.made.get(finding.key);
  }

  count(decision) {
    return FINDINGS.filter((finding) => this.of(finding) === decision).length;
  }

  file() {
    const { data, created, classes } = AUDIT;
    const decisions = Object.fromEntries(this.made);
    const saved = new Date().toISOString();
    return { format: 1, data, created, classes, reviewer: this.reviewer, saved, decisions };
  }

  download() {
    const link = document.createElement("a");
    const content = new Blob([JSON.stringify(this.file(), null, 1)], { type: "application/json" });
    link.href = URL.createObjectURL(content);
    link.download = "decisions.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    this.unsaved = false;
  }

  // Takes over the decisions of a file's text, and says so, or why not.
  load(text) {
    const content = parsed(text);
    if (content?.format !== 1 || !content.decisions || typeof content.decisions !== "object")
      return "This file holds no decisions: choose a decisions.json that this page has saved.";
    if (content.data !== AUDIT.data || content.created !== AUDIT.created)
      return "These decisions belong to another audit: nothing was loaded.";
    const changes = validDecisions(content.decisions);
    this.change(changes);
    if (!this.reviewer && content.reviewer) this.name(String(content.reviewer));
    return `Loaded ${counted(changes.length, "decision")}${content.reviewer ? ` by ${content.reviewer}` : ""}.`;
  }
}

function validDecisions(decisions) {
  return Object.entries(decisions ?? {}).filter(([, decision]) => decision === "accept" || decision === "reject");
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
