// The differential beside the wells: counts at once, limits and flags as the server works them out.
import { percent } from "./board.js";

const svg = (name, attributes, ...inside) => {
  const one = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  one.append(...inside);
  return one;
};

/** A flag as it is said: "high?" is "perhaps high", where the limits reach into the reference range. */
const inWords = (flag) => (flag ? flag.replace(/^(.*)\?$/, "perhaps $1") : "");

export class Tally {
  constructor(root, desk) {
    this.root = root;
    this.desk = desk;
    this.server = desk.view.differential;
    this.signed = desk.view.reading?.state === "signed";
    this.body = root.querySelector("tbody");
    this.body.replaceChildren(); // the server drew the rows so that nothing jumps; these can change
    this.rows = new Map();
    for (const row of this.server.rows) this.addRow(row);
    this.outside = new Map();
    for (const line of root.querySelectorAll("[data-outside]")) this.outside.set(line.dataset.outside, line.querySelector(".count"));
    this.warnings = root.querySelector("[data-warnings]");
    this.update();
  }

  addRow(row) {
    const line = document.createElement("tr");
    line.dataset.drop = row.label;
    line.dataset.label = row.label;
    const letter = this.desk.board.byLabel.get(row.label)?.letter ?? "";
    const name = document.createElement("th");
    name.scope = "row";
    const dot = Object.assign(document.createElement("span"), { className: "dot" });
    const go = Object.assign(document.createElement("a"), { href: `#${row.label}`, textContent: row.title, title: `Go to ${row.title} (${letter})` });
    go.addEventListener("click", (event) => { event.preventDefault(); this.desk.goTo(row.label); });
    const flag = Object.assign(document.createElement("span"), { className: "flag" });
    name.append(dot, go, flag);
    const cells = ["count", "share", "limits", "program"].map((kind) => Object.assign(document.createElement("td"), { className: kind }));
    line.append(name, ...cells);
    const chart = document.createElement("tr");
    chart.className = "chart";
    chart.dataset.label = row.label;
    const holder = Object.assign(document.createElement("td"), { colSpan: 5 });
    const range = svg("rect", { class: "range", y: 2, height: 4, rx: 2 });
    const fill = svg("rect", { class: "fill", y: 2, height: 4, rx: 2, x: 0 });
    const tick = svg("rect", { class: "tick", y: 0, width: 2, height: 8, rx: 1 });
    const drawing = svg("svg", { width: "100%", height: 8, "aria-hidden": "true" }, svg("rect", { class: "track", y: 2, width: "100%", height: 4, rx: 2 }), range, fill, tick);
    holder.append(drawing);
    chart.append(holder);
    chart.setAttribute("aria-hidden", "true");
    this.body.append(line, chart);
    this.rows.set(row.label, { line, cells, flag, range, fill, tick });
  }

  take(differential) {
    if (differential) this.server = differential;
    this.update();
  }

  update() {
    const now = this.desk.board.tally();
    this.now = now;
    const fresh = this.server.seen === now.seen && this.server.rows.every((row) => row.count === (now.counts.get(row.label) ?? 0));
    const set = (node, words) => { if (node.textContent !== words) node.textContent = words; };
    const settled = this.signed || (now.total > 0 && now.seen === now.total && !this.server.waiting);
    for (const row of this.server.rows) {
      const { cells: [count, share, limits, program], flag, range, fill, tick, line } = this.rows.get(row.label);
      const n = now.counts.get(row.label) ?? 0;
      // What the program does not know it cannot have found: 0 is said by a person who has seen every cell.
      const assessed = n > 0 || row.program_knows || settled;
      const part = assessed && now.denominator ? n / now.denominator : null;
      set(count, assessed ? n.toLocaleString("en") : "–");
      set(share, part === null ? "–" : percent(part, 1));
      line.title = assessed ? "" : "Not assessed: the program does not know this type, and not every cell was seen";
      set(limits, row.low === null ? "–" : `${asPercent(row.low)}–${asPercent(row.high)}`);
      limits.classList.toggle("stale", row.count !== n || this.server.denominator !== now.denominator);
      set(program, row.program_percent === null ? "–" : `${row.program_percent.toFixed(1)}`);
      program.classList.toggle("differs", row.program_knows && row.program_count !== n);
      program.title = row.program_knows ? `${row.program_count.toLocaleString("en")} by the program` : "Not assessed: the program does not know this type";
      set(flag, row.flag ? "!" : "");
      flag.title = inWords(row.flag);
      line.classList.toggle("none", n === 0);
      const at = (value) => `${Math.max(0, Math.min(100, value))}%`;
      fill.setAttribute("width", at(100 * (part ?? 0)));
      range.setAttribute("x", at(row.low ?? 0));
      range.setAttribute("width", at((row.high ?? 0) - (row.low ?? 0)));
      tick.setAttribute("x", at(row.program_percent ?? 0));
      tick.setAttribute("visibility", row.program_percent === null ? "hidden" : "visible");
    }
    set(this.root.querySelector("[data-denominator]"), now.denominator.toLocaleString("en"));
    set(this.root.querySelector("[data-program-denominator]"), this.server.program_denominator.toLocaleString("en"));
    for (const [label, node] of this.outside) set(node, (now.counts.get(label) ?? 0).toLocaleString("en"));
    this.seen(now, set);
    this.said(fresh);
  }

  seen(now, set) {
    const left = now.total - now.seen;
    set(this.root.querySelector("[data-seen]"), now.seen.toLocaleString("en"));
    set(this.root.querySelector("[data-total]"), now.total.toLocaleString("en"));
    set(this.root.querySelector("[data-left]"), left ? `${left.toLocaleString("en")} to go` : now.total ? "all seen" : "");
    const bar = this.root.querySelector("progress");
    bar.max = Math.max(1, now.total);
    bar.value = now.seen;
    set(this.root.querySelector(".brief-seen"), left ? `${now.seen.toLocaleString("en")} of ${now.total.toLocaleString("en")} seen` : now.total ? "all seen" : "");
    set(this.root.querySelector("[data-changed]"), this.changedWords());
    for (const line of document.querySelectorAll("[data-brief]")) {
      const words = this.server.rows.filter((row) => now.counts.get(row.label)).map((row) => `${this.desk.board.byLabel.get(row.label)?.letter} ${Math.round((100 * now.counts.get(row.label)) / Math.max(1, now.denominator))}`);
      set(line, words.join("  ") + (words.length ? "\u202f%" : "No cell counted"));
    }
  }

  changedWords() {
    let changed = 0;
    for (const cell of this.desk.board.cells.values()) changed += cell.deleted !== (cell.origin === "person") || (cell.label !== cell.program_label && !cell.deleted) ? 1 : 0;
    return changed ? `${changed.toLocaleString("en")} changed` : "none changed";
  }

  said() {
    const sentences = [...this.server.rows.filter((row) => row.flag).map((row) => `${row.title}: ${inWords(row.flag)}`), ...this.server.warnings];
    const key = sentences.join("\n");
    if (this.lastSaid === key) return;
    this.lastSaid = key;
    this.warnings.replaceChildren(...sentences.map((words) => Object.assign(document.createElement("li"), { textContent: words })));
    this.warnings.parentElement.hidden = !sentences.length;
  }
}

/** The server's limits are in percent. */
const asPercent = (value) => value.toFixed(value < 10 ? 1 : 0);
