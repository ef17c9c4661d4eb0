// Wells of crops. Only the rows near the window are in the page, so that 2,000 cells scroll like 200.
import { DELETED, percent } from "./board.js";

const HEAD = 38, GAP = 6, BETWEEN = 10, PAD = 14, AHEAD = 700, KEEP = 900, FAST = 3.5;

const part = (tag, name, ...inside) => {
  const one = document.createElement(tag);
  if (name) one.className = name;
  one.append(...inside);
  return one;
};

export class Wells {
  constructor(pane, board, { editable }) {
    this.pane = pane;
    this.board = board;
    this.editable = editable;
    this.least = 92; // what the slider says; cells grow until their rows are full
    this.size = 92;
    this.nodes = new Map();
    this.selected = new Set();
    this.focus = null;
    this.anchor = null;
    this.shown = new Set(); // cells that have been on the screen
    this.sections = new Map();
    for (const well of board.wells) this.sections.set(well.name, this.section(well));
    pane.append(...this.sections.values());
    pane.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.layout()).observe(pane);
    this.ahead = document.readyState === "complete" ? AHEAD : 0; // first what is in the window, alone
    addEventListener("load", () => { this.ahead = AHEAD; this.paint(); }, { once: true });
  }

  section(well) {
    const label = this.board.byLabel.get(well.name);
    const section = part("section", "well");
    section.dataset.drop = well.name;
    section.dataset.label = well.name;
    const id = `well-${this.sections.size}`;
    const title = part("h2", "", this.board.titleOf(well.name));
    title.id = id;
    const letter = part("kbd", "letter", label?.letter ?? "");
    if (!label) letter.hidden = true;
    section.head = part("header", "", part("span", "dot"), title, letter, part("span", "count"), part("span", "share muted"), part("span", "unseen"));
    section.button = part("button", "button plain seeall");
    section.button.type = "button";
    section.head.append(part("span", "spring"), section.button);
    section.grid = part("div", "grid");
    section.labelId = id;
    section.setAttribute("aria-labelledby", id);
    section.append(section.head, section.grid);
    return section;
  }

  get captioned() { return this.least >= 64; }
  get cellHeight() { return this.size + (this.captioned ? 17 : 0); }

  setSize(size) {
    const keep = this.anchorOf();
    this.least = size;
    this.layout();
    if (keep) this.reveal(keep, "centre");
  }

  fill(size) {
    if (size === this.size && this.filled) return;
    this.filled = true;
    this.size = size;
    this.pane.style.setProperty("--cell", `${size}px`);
    this.pane.classList.toggle("bare", !this.captioned);
    for (const node of this.nodes.values()) if (node.parentNode) this.picture(node);
  }

  anchorOf() { return this.focus && this.board.find(this.focus) ? this.focus : null; }

  /** Put wells and rows in their places; then draw what is near the window. */
  layout() {
    const width = this.pane.clientWidth - 2 * PAD;
    if (width <= 0) return;
    this.columns = Math.max(1, Math.floor((width + GAP) / (this.least + GAP)));
    this.fill((width + GAP) / this.columns - GAP);
    let top = PAD;
    const { denominator } = this.board.tally();
    for (const well of this.board.wells) {
      const section = this.sections.get(well.name);
      const rows = Math.ceil(well.ids.length / this.columns);
      section.top = top;
      section.gridTop = top + HEAD;
      const height = rows ? rows * (this.cellHeight + GAP) - GAP + 4 : 0;
      section.grid.style.height = `${height}px`;
      section.hidden = well.name === DELETED && !well.total;
      if (!section.hidden) top += HEAD + height + BETWEEN;
      this.head(section, well, denominator);
    }
    this.height = top;
    this.paint();
  }

  head(section, well, denominator) {
    const [, , , count, share, unseen] = section.head.children;
    count.textContent = well.total.toLocaleString("en");
    const label = this.board.byLabel.get(well.name);
    share.textContent = label?.counted && well.total ? percent(well.total / denominator, 1) : label && !label.counted && well.total ? "outside the count" : "";
    unseen.textContent = well.unseen ? `${well.unseen.toLocaleString("en")} not seen` : well.total && well.name !== DELETED ? "all seen" : "";
    unseen.classList.toggle("done", !well.unseen);
    section.classList.toggle("empty", !well.ids.length);
    const ready = this.shownUnseen(well).length;
    section.button.hidden = !this.editable() || well.name === DELETED || !well.unseen;
    section.button.textContent = ready ? `Mark ${ready.toLocaleString("en")} seen` : "None shown yet";
    section.button.title = ready ? "Those that have stood whole in the window" : "";
    section.button.disabled = !ready;
    if (well.ids.length) {
      section.grid.setAttribute("role", "listbox");
      section.grid.setAttribute("aria-multiselectable", "true");
      section.grid.setAttribute("aria-labelledby", section.labelId);
    } else {
      for (const name of ["role", "aria-multiselectable", "aria-labelledby"]) section.grid.removeAttribute(name);
    }
  }

  shownUnseen(well) {
    return well.ids.filter((id) => this.shown.has(id) && !this.board.cells.get(id).seen);
  }

  later() {
    const now = performance.now();
    const top = this.pane.scrollTop;
    this.speed = Math.abs(top - (this.lastTop ?? top)) / Math.max(1, now - (this.lastTime ?? now));
    this.lastTop = top;
    this.lastTime = now;
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.paint(); });
    clearTimeout(this.rest);
    this.rest = setTimeout(() => { this.speed = 0; this.paint(); this.noteShown(); }, 90);
  }

  rowsNear(section, well, top, bottom) {
    const step = this.cellHeight + GAP;
    const rows = Math.ceil(well.ids.length / this.columns);
    const first = Math.max(0, Math.floor((top - section.gridTop) / step));
    const last = Math.min(rows - 1, Math.floor((bottom - section.gridTop) / step));
    return [first, last];
  }

  paint() {
    if (!this.columns) return;
    const top = this.pane.scrollTop - this.ahead, bottom = this.pane.scrollTop + this.pane.clientHeight + this.ahead;
    const wanted = new Set();
    for (const well of this.board.wells) {
      const section = this.sections.get(well.name);
      if (section.hidden) continue;
      const [first, last] = this.rowsNear(section, well, top, bottom);
      const end = Math.min(well.ids.length, (last + 1) * this.columns);
      for (let index = first * this.columns; index < end; index += 1) wanted.add(this.place(well, section, index));
    }
    if (this.focus && !wanted.has(this.focus)) {
      const at = this.board.find(this.focus);
      if (at) wanted.add(this.place(at[0], this.sections.get(at[0].name), at[1]));
    }
    this.tidy(wanted);
    this.rove();
  }

  place(well, section, index) {
    const id = well.ids[index];
    const node = this.nodes.get(id) ?? this.make(id);
    const left = (index % this.columns) * (this.size + GAP);
    const down = Math.floor(index / this.columns) * (this.cellHeight + GAP);
    if (node.left !== left || node.down !== down) {
      node.style.transform = `translate(${left}px, ${down}px)`;
      node.left = left;
      node.down = down;
    }
    if (node.parentNode !== section.grid) section.grid.append(node);
    this.dress(node, this.board.cells.get(id), index, well.ids.length);
    if (!node.asked && !(this.speed > FAST)) this.picture(node);
    return id;
  }

  make(id) {
    const image = part("img");
    image.alt = "";
    image.decoding = "async";
    image.draggable = false;
    image.addEventListener("load", () => { image.classList.add("here"); this.noteShown(); });
    const node = part("div", "cell", image, part("span", "was"), part("span", "mark"), part("span", "caption"));
    node.id = `cell-${id}`;
    node.dataset.cell = id;
    node.tabIndex = -1;
    node.setAttribute("role", "option");
    this.nodes.set(id, node);
    return node;
  }

  picture(node) {
    const px = this.size * Math.min(2, devicePixelRatio) > 170 ? 320 : 160;
    const address = `${this.board.cells.get(node.dataset.cell).crop_url}?px=${px}`;
    if (node.asked === address) return;
    if (node.asked && px === 160) return; // the larger picture is there already
    node.asked = address;
    node.firstChild.src = address;
  }

  dress(node, cell, index, of) {
    const chosen = this.selected.has(cell.id);
    if (node.cell === cell && node.chosen === chosen && node.index === index && node.of === of) return;
    Object.assign(node, { cell, chosen, index, of });
    const [, was, mark, caption] = node.children;
    node.classList.toggle("unseen", !cell.seen && !cell.deleted);
    const changed = cell.label !== cell.program_label && !cell.deleted;
    const letter = this.board.byLabel.get(cell.program_label)?.letter ?? "?";
    // Drawn by the style sheet: what is read out is the label alone.
    was.dataset.words = cell.origin === "person" ? "drawn" : changed ? `was ${letter}` : "";
    mark.dataset.words = chosen ? "✓" : "";
    caption.dataset.words = cell.probability === null ? "" : percent(cell.probability);
    node.setAttribute("aria-selected", String(chosen));
    node.setAttribute("aria-posinset", String(index + 1));
    node.setAttribute("aria-setsize", String(of));
    const said = cell.probability === null ? "" : `, program ${cell.best ?? cell.program_label} ${percent(cell.probability)}`;
    node.setAttribute("aria-label", `Cell ${cell.number}, ${cell.deleted ? "deleted" : cell.label}${said}, ${cell.seen ? "seen" : "not seen"}`);
  }

  tidy(wanted) {
    for (const [id, node] of this.nodes) {
      if (wanted.has(id)) continue;
      if (node.parentNode) node.remove();
      if (node.asked && !node.firstChild.complete) { // do not let the pictures in view wait for those gone by
        node.firstChild.removeAttribute("src");
        node.asked = null;
      }
    }
    if (this.nodes.size > wanted.size + KEEP) {
      for (const [id, node] of this.nodes) {
        if (!node.parentNode) this.nodes.delete(id);
        if (this.nodes.size <= wanted.size + KEEP / 2) break;
      }
    }
  }

  /** One cell can be reached with Tab: the one last used, or the first. */
  rove() {
    const at = this.focus && this.board.find(this.focus) ? this.focus : this.board.line[0] ?? null;
    if (this.tabbed && this.tabbed !== at) { const old = this.nodes.get(this.tabbed); if (old) old.tabIndex = -1; }
    this.tabbed = at;
    if (at && this.nodes.get(at)) this.nodes.get(at).tabIndex = 0;
  }

  /** Remember which cells have stood whole in the window, long enough to be looked at. */
  noteShown() {
    this.noting ??= setTimeout(() => {
      this.noting = null;
      const top = this.pane.scrollTop, bottom = top + this.pane.clientHeight;
      let more = false;
      for (const well of this.board.wells) {
        const section = this.sections.get(well.name);
        if (section.hidden) continue;
        const step = this.cellHeight + GAP;
        well.ids.forEach((id, index) => {
          const y = section.gridTop + Math.floor(index / this.columns) * step;
          if (y >= top - 2 && y + this.size <= bottom + 2 && this.nodes.get(id)?.firstChild.complete && !this.shown.has(id)) {
            this.shown.add(id);
            more = true;
          }
        });
      }
      if (more) {
        const { denominator } = this.board.tally();
        for (const well of this.board.wells) this.head(this.sections.get(well.name), well, denominator);
      }
    }, 350);
  }

  rectOf(id) {
    const at = this.board.find(id);
    if (!at) return null;
    const section = this.sections.get(at[0].name);
    const top = section.gridTop + Math.floor(at[1] / this.columns) * (this.cellHeight + GAP);
    const left = PAD + (at[1] % this.columns) * (this.size + GAP);
    return { left, top, right: left + this.size, bottom: top + this.cellHeight };
  }

  /** Scroll so that a cell is whole in the window, below its well's head. */
  reveal(id, how = "near") {
    const box = this.rectOf(id);
    if (!box) return;
    const high = this.pane.clientHeight, top = this.pane.scrollTop;
    if (how === "centre") this.pane.scrollTop = box.top - high / 2 + this.size / 2;
    else if (box.top - HEAD - GAP < top) this.pane.scrollTop = box.top - HEAD - GAP;
    else if (box.bottom + GAP > top + high) this.pane.scrollTop = box.bottom + GAP - high;
  }

  focusOn(id, { take = true, reveal = true } = {}) {
    this.focus = id;
    if (!id) return;
    if (reveal) this.reveal(id);
    this.paint();
    if (take) this.nodes.get(id)?.focus({ preventScroll: true });
    this.noteShown();
  }

  select(ids, { add = false } = {}) {
    if (!add) this.selected.clear();
    for (const id of ids) this.selected.add(id);
    this.refresh();
  }

  toggle(id) {
    if (!this.selected.delete(id)) this.selected.add(id);
    this.anchor = id;
    this.refresh();
  }

  selectTo(id) {
    const { line } = this.board;
    const from = line.indexOf(this.anchor ?? this.focus ?? id), to = line.indexOf(id);
    if (from < 0 || to < 0) return;
    this.select(line.slice(Math.min(from, to), Math.max(from, to) + 1));
  }

  refresh() {
    for (const id of this.selected) if (!this.board.find(id)) this.selected.delete(id);
    this.paint();
    this.pane.dispatchEvent(new CustomEvent("selection"));
  }

  /** After a change of the board. */
  update() {
    const held = document.activeElement?.dataset?.cell;
    this.layout();
    if (held && this.focus === held) this.nodes.get(held)?.focus({ preventScroll: true });
    this.refresh();
    this.noteShown();
  }

  /** The cell that an arrow key leads to. */
  beside(id, key) {
    const { line } = this.board;
    const at = this.board.find(id);
    if (!at) return line[0] ?? null;
    const [well, index] = at;
    const place = line.indexOf(id);
    if (key === "ArrowLeft") return line[place - 1] ?? id;
    if (key === "ArrowRight") return line[place + 1] ?? id;
    if (key === "Home") return well.ids[0];
    if (key === "End") return well.ids.at(-1);
    const down = key === "ArrowDown" || key === "PageDown";
    const column = index % this.columns;
    const jump = key.startsWith("Page") ? Math.max(1, Math.floor(this.pane.clientHeight / (this.cellHeight + GAP)) - 1) : 1;
    const target = index + (down ? 1 : -1) * jump * this.columns;
    if (target >= 0 && target < well.ids.length) return well.ids[target];
    const lastRow = Math.floor((well.ids.length - 1) / this.columns);
    if (down && Math.floor(index / this.columns) < lastRow) return well.ids.at(-1);
    if (!down && jump > 1 && index >= this.columns) return well.ids[column];
    const full = this.board.wells.filter((one) => one.ids.length);
    const next = full[full.indexOf(well) + (down ? 1 : -1)];
    if (!next) return id;
    const row = down ? 0 : Math.floor((next.ids.length - 1) / this.columns);
    return next.ids[Math.min(next.ids.length - 1, row * this.columns + column)];
  }

  /** Cells whose picture meets a rectangle of the pane's content. */
  within(box) {
    const found = [];
    for (const well of this.board.wells) {
      const section = this.sections.get(well.name);
      if (section.hidden) continue;
      const [first, last] = this.rowsNear(section, well, box.top, box.bottom);
      const end = Math.min(well.ids.length, (last + 1) * this.columns);
      for (let index = first * this.columns; index < end; index += 1) {
        const one = this.rectOf(well.ids[index]);
        if (one.left < box.right && one.right > box.left && one.top < box.bottom && one.bottom > box.top) found.push(well.ids[index]);
      }
    }
    return found;
  }
}
