// One cell large, with its field round it; boxes are drawn and deleted here.
import { percent } from "./board.js";
import { toast } from "./toasts.js";

const NS = "http://www.w3.org/2000/svg";
const SETTLES_MS = 500; // a press sooner after the view opened is the second half of a double one

export class Viewer {
  constructor(desk, dialog) {
    Object.assign(this, { desk, dialog });
    this.stage = dialog.querySelector(".stage");
    this.sheet = dialog.querySelector(".sheet");
    this.image = this.sheet.querySelector("img");
    this.boxes = this.sheet.querySelector("svg");
    this.choices = dialog.querySelector(".choices");
    this.find = (name) => dialog.querySelector(`[data-v=${name}]`);
    this.drawing = null;
    this.build();
    dialog.addEventListener("click", (event) => { if (this.early(event)) { event.preventDefault(); event.stopPropagation(); } }, { capture: true });
    dialog.addEventListener("keydown", (event) => this.key(event));
    dialog.addEventListener("close", () => this.closed());
    this.stage.addEventListener("wheel", (event) => { event.preventDefault(); this.zoom(Math.exp(-event.deltaY / 400), event); }, { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.press(event));
    new ResizeObserver(() => { if (this.dialog.open) this.fit(); }).observe(this.stage);
    this.image.addEventListener("load", () => this.image.classList.add("here"));
  }

  build() {
    for (const label of this.desk.board.labels) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "choice" });
      button.dataset.label = label.name;
      const bar = document.createElement("span");
      bar.className = "bar";
      bar.append(document.createElement("i"));
      button.append(
        Object.assign(document.createElement("kbd"), { textContent: label.letter }),
        Object.assign(document.createElement("span"), { className: "name", textContent: label.title }),
        bar,
        Object.assign(document.createElement("span"), { className: "p" }),
      );
      button.addEventListener("click", () => this.assign(label.name));
      this.choices.append(button);
    }
    const on = (name, act) => this.find(name).addEventListener("click", act);
    on("next", () => this.go(1));
    on("previous", () => this.go(-1));
    on("seen", () => this.see());
    on("delete", () => this.remove());
    on("draw", () => (this.drawing ? this.stopDrawing() : this.startDrawing()));
    on("in", () => this.zoom(1.4));
    on("out", () => this.zoom(1 / 1.4));
    on("whole", () => { this.whole = !this.whole; this.fit(); });
    on("field-next", () => this.goField(1));
    on("field-previous", () => this.goField(-1));
    on("add", () => this.finishDrawing());
    on("cancel", () => this.stopDrawing());
  }

  get cell() { return this.id ? this.desk.board.cells.get(this.id) ?? null : null; }

  /** Show a cell; arrows then go through the cells in the order they lie now. */
  open(id) {
    this.line = [...this.desk.board.line];
    this.whole = false;
    this.show(id);
    this.showNow();
    this.fit();
    this.choices.querySelector('[aria-pressed="true"]')?.focus({ preventScroll: true });
  }

  /** Show a field without a cell, to look for those the program missed. */
  openField(fieldId) {
    this.line = [...this.desk.board.line];
    this.whole = true;
    this.id = null;
    this.fieldId = fieldId ?? [...this.desk.board.fields.values()].find((one) => one.state === "analysed")?.id;
    if (!this.fieldId) { toast("There is no field to show yet."); return; }
    this.draw();
    this.showNow();
    this.fit();
  }

  showNow() {
    if (this.dialog.open) return;
    this.dialog.showModal();
    this.opened = performance.now();
  }

  /** Whether a person pressed before they can have seen what lies there now. */
  early(event) { return event.isTrusted && event.timeStamp - this.opened < SETTLES_MS; }

  closed() {
    this.stopDrawing();
    const { wells } = this.desk;
    const id = this.id;
    this.id = null;
    wells.layout();
    if (id) wells.focusOn(id);
  }

  show(id) {
    this.id = id;
    this.fieldId = this.cell.field_id;
    this.desk.wells.focus = id;
    this.draw();
    if (this.dialog.open) this.fit();
    const next = this.desk.board.cells.get(this.line[this.line.indexOf(id) + 1]);
    const field = next && this.desk.board.fields.get(next.field_id);
    if (field) new Image().src = field.image_url;
  }

  go(step) {
    const at = this.line.indexOf(this.id);
    const id = this.line[at + step];
    if (id && this.desk.board.cells.has(id)) this.show(id);
    else if (step > 0) toast("That was the last cell.");
  }

  goField(step) {
    const all = [...this.desk.board.fields.values()].filter((one) => one.state === "analysed");
    const at = all.findIndex((one) => one.id === this.fieldId);
    this.id = null;
    this.whole = true;
    this.fieldId = all[(at + step + all.length) % all.length].id;
    this.draw();
    this.fit();
  }

  /** After a change of the board. */
  update() { if (this.dialog.open) this.draw(); }

  draw() {
    const { board } = this.desk;
    const field = board.fields.get(this.fieldId), { cell } = this;
    if (this.image.dataset.field !== field.id) {
      this.image.classList.remove("here");
      this.image.src = field.image_url;
      this.image.dataset.field = field.id;
    }
    this.image.alt = `Field ${field.number}: ${field.name}`;
    this.image.width = field.width;
    this.image.height = field.height;
    this.boxes.setAttribute("viewBox", `0 0 ${field.width} ${field.height}`);
    this.drawBoxes(field);
    this.find("title").textContent = cell ? `Cell ${cell.number}` : `Field ${field.number}`;
    this.find("where").textContent = `${field.name} · field ${field.number} of ${board.fields.size}`;
    this.dialog.classList.toggle("no-cell", !cell);
    const editable = this.desk.canEdit();
    this.find("draw").hidden = !editable;
    if (cell) this.drawCell(cell, editable);
  }

  drawCell(cell, editable) {
    const { board } = this.desk;
    const now = cell.deleted ? "Deleted" : board.titleOf(cell.label);
    this.find("label").textContent = now;
    this.find("label").dataset.label = cell.label;
    this.find("seen").setAttribute("aria-pressed", String(cell.seen));
    this.find("seen").disabled = !editable || cell.deleted;
    this.find("seen").querySelector("span").textContent = cell.seen ? "Seen" : "Mark seen";
    this.find("delete").hidden = !editable;
    this.find("delete").querySelector("span").textContent = cell.deleted ? "Restore box" : "Delete box";
    this.find("place").textContent = `${(this.line.indexOf(cell.id) + 1).toLocaleString("en")} of ${this.line.length.toLocaleString("en")}`;
    for (const button of this.choices.children) {
      const p = cell.probabilities[button.dataset.label];
      button.setAttribute("aria-pressed", String(button.dataset.label === cell.label && !cell.deleted));
      button.disabled = !editable;
      button.classList.toggle("without", p === undefined);
      button.querySelector("i").style.width = `${100 * (p ?? 0)}%`;
      button.querySelector(".p").textContent = p === undefined ? "" : percent(p, p > 0.995 || p < 0.005 ? 1 : 0);
    }
    this.find("words").textContent = this.words(cell);
    this.pictures(cell);
  }

  words(cell) {
    const { board } = this.desk;
    if (cell.origin === "person" && cell.probability === null) return "Drawn by a person; the program has not named it.";
    const said = [cell.origin === "person" ? "Drawn by a person." : ""];
    if (cell.reason === "uncertain") said.push(`Unidentified by the program: at ${percent(cell.probability, 0)} it is not sure enough of its best guess, ${cell.best}.`);
    else if (cell.reason === "unlike") said.push(`Unidentified by the program: the cell is unlike those it learned from. Its best guess is ${cell.best}.`);
    else said.push(`The program says ${cell.program_label}, ${percent(cell.probability, 0)}.`);
    if (cell.conformal.length > 1) said.push(`Its 90\u202f% set: ${cell.conformal.map((one) => board.titleOf(one).toLowerCase()).join(", ")}.`);
    if (cell.touches_border) said.push("The field's border cuts the cell.");
    return said.filter(Boolean).join(" ");
  }

  pictures(cell) {
    const crop = this.find("crop"), map = this.find("map");
    if (crop.dataset.cell === cell.id) return;
    crop.dataset.cell = cell.id;
    crop.src = `${cell.crop_url}?px=320`;
    map.parentElement.classList.remove("missing");
    map.classList.remove("here");
    map.onload = () => map.classList.add("here");
    map.onerror = () => map.parentElement.classList.add("missing");
    map.src = `/api/v1/cells/${cell.id}/explanation`;
  }

  drawBoxes(field) {
    const found = [];
    for (const cell of this.desk.board.cells.values()) {
      if (cell.field_id !== field.id || (cell.deleted && cell.id !== this.id)) continue;
      const [x0, y0, x1, y1] = cell.box;
      const group = document.createElementNS(NS, "g");
      group.dataset.cell = cell.id;
      group.dataset.label = cell.label;
      group.setAttribute("class", [cell.id === this.id ? "mine" : "other", cell.deleted ? "gone" : ""].join(" "));
      const box = document.createElementNS(NS, "rect");
      for (const [key, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 3 })) box.setAttribute(key, value);
      const back = box.cloneNode();
      back.setAttribute("class", "back");
      group.append(back, box);
      found.push(group);
    }
    found.sort((a, b) => a.classList.contains("mine") - b.classList.contains("mine"));
    this.boxes.replaceChildren(...found);
    if (this.drawing) this.boxes.append(this.drawing.node);
  }

  // Where the field lies on the stage: scale, and the field's point at the stage's middle.
  fit() {
    const field = this.desk.board.fields.get(this.fieldId);
    const { clientWidth: wide, clientHeight: high } = this.stage;
    if (!wide || !field) return;
    this.least = Math.min(wide / field.width, high / field.height);
    const { cell } = this;
    if (cell && !this.whole) {
      const [x0, y0, x1, y1] = cell.box;
      this.scale = Math.min(8, Math.max(this.least, (0.38 * Math.min(wide, high)) / Math.max(x1 - x0, y1 - y0)));
      this.middle = [(x0 + x1) / 2, (y0 + y1) / 2];
    } else {
      this.scale = this.least;
      this.middle = [field.width / 2, field.height / 2];
    }
    this.find("whole").setAttribute("aria-pressed", String(this.whole));
    this.put();
  }

  put() {
    const field = this.desk.board.fields.get(this.fieldId);
    const { clientWidth: wide, clientHeight: high } = this.stage;
    // A little of what lies beyond the field may show, so that a cell at its edge comes nearer the middle.
    const hold = (at, size, room) => {
      if (size * this.scale <= room) return size / 2;
      const least = (room * 0.34) / this.scale;
      return Math.min(size - least, Math.max(least, at));
    };
    this.middle = [hold(this.middle[0], field.width, wide), hold(this.middle[1], field.height, high)];
    const [x, y] = this.middle;
    this.sheet.style.width = `${field.width}px`;
    this.sheet.style.height = `${field.height}px`;
    this.sheet.style.setProperty("--thin", 1 / this.scale); // strokes as wide on every field: the sheet scales them
    this.sheet.style.transform = `translate(${wide / 2 - x * this.scale}px, ${high / 2 - y * this.scale}px) scale(${this.scale})`;
    this.image.classList.toggle("crisp", this.scale > 3);
  }

  zoom(by, at = null) {
    const before = at && this.toField(at);
    this.scale = Math.min(16, Math.max(this.least, this.scale * by));
    if (before) {
      const after = this.toField(at);
      this.middle = [this.middle[0] + before[0] - after[0], this.middle[1] + before[1] - after[1]];
    }
    this.put();
  }

  toField(event) {
    const box = this.stage.getBoundingClientRect();
    return [
      this.middle[0] + (event.clientX - box.left - box.width / 2) / this.scale,
      this.middle[1] + (event.clientY - box.top - box.height / 2) / this.scale,
    ];
  }

  press(event) {
    if (event.button !== 0 || this.early(event)) return;
    const start = this.toField(event), from = [...this.middle], x = event.clientX, y = event.clientY;
    const other = document.elementsFromPoint(x, y).map((node) => node.closest?.("g[data-cell]")).find(Boolean);
    let moved = false;
    const watch = new AbortController();
    this.stage.setPointerCapture?.(event.pointerId);
    this.stage.addEventListener("pointermove", (at) => {
      moved ||= Math.hypot(at.clientX - x, at.clientY - y) > 4;
      if (!moved) return;
      if (this.drawing) {
        const end = this.toField(at);
        this.drawing.setBox([Math.min(start[0], end[0]), Math.min(start[1], end[1]), Math.max(start[0], end[0]), Math.max(start[1], end[1])]);
      } else {
        this.middle = [from[0] - (at.clientX - x) / this.scale, from[1] - (at.clientY - y) / this.scale];
        this.put();
      }
    }, { signal: watch.signal });
    const end = () => {
      watch.abort();
      if (!moved && other && !this.drawing && other.dataset.cell !== this.id) { this.whole = false; this.show(other.dataset.cell); }
      else if (moved && this.drawing) this.finishDrawing();
    };
    this.stage.addEventListener("pointerup", end, { signal: watch.signal });
    this.stage.addEventListener("pointercancel", () => watch.abort(), { signal: watch.signal });
  }

  startDrawing() {
    const [x, y] = this.middle;
    const all = [...this.desk.board.cells.values()].map((cell) => cell.box[2] - cell.box[0]).sort((a, b) => a - b);
    const half = (all[Math.floor(all.length / 2)] ?? 120) / 2;
    const node = document.createElementNS(NS, "rect");
    node.setAttribute("class", "new");
    const field = this.desk.board.fields.get(this.fieldId);
    this.drawing = {
      node,
      setBox: ([x0, y0, x1, y1]) => {
        const box = [Math.max(0, x0), Math.max(0, y0), Math.min(field.width, x1), Math.min(field.height, y1)].map(Math.round);
        this.drawing.box = box;
        node.setAttribute("x", box[0]);
        node.setAttribute("y", box[1]);
        node.setAttribute("width", Math.max(0, box[2] - box[0]));
        node.setAttribute("height", Math.max(0, box[3] - box[1]));
      },
    };
    this.drawing.setBox([x - half, y - half, x + half, y + half]);
    this.boxes.append(node);
    this.dialog.classList.add("drawing");
    this.find("draw").setAttribute("aria-pressed", "true");
    this.stage.focus({ preventScroll: true });
  }

  stopDrawing() {
    if (!this.drawing) return;
    this.drawing.node.remove();
    this.drawing = null;
    this.dialog.classList.remove("drawing");
    this.find("draw").setAttribute("aria-pressed", "false");
  }

  finishDrawing() {
    const { box } = this.drawing;
    if (Math.min(box[2] - box[0], box[3] - box[1]) < 6) { toast("The box is too small."); return; }
    if (this.desk.actions.draw(this.fieldId, box)) this.desk.awaitDrawn = true;
    this.stopDrawing();
  }

  assign(label) {
    const { cell } = this;
    if (!cell || !this.desk.canEdit()) return;
    this.desk.actions.drop([cell.id], label);
    this.after();
  }

  see() {
    const { cell } = this;
    if (!cell) return;
    this.desk.actions.see([cell.id], !cell.seen);
  }

  remove() {
    const { cell } = this;
    if (!cell) return;
    if (cell.deleted) this.desk.actions.restore([cell.id]);
    else { this.desk.actions.remove([cell.id]); this.after(); }
  }

  /** On to the next cell once this one is dealt with. */
  after() {
    const at = this.line.indexOf(this.id);
    if (at >= 0 && at < this.line.length - 1) this.show(this.line[at + 1]);
  }

  key(event) {
    if (event.defaultPrevented) return;
    if (event.key === "Enter" && event.repeat) { event.preventDefault(); return; } // held since it opened the view: it says nothing of a cell
    if (event.ctrlKey || event.metaKey) {
      const key = event.key.toLowerCase();
      if (key === "z" || key === "y") { event.preventDefault(); event.shiftKey || key === "y" ? this.desk.actions.redo() : this.desk.actions.undo(); }
      return;
    }
    if (event.altKey) return;
    if (this.drawing ? this.drawKey(event) : this.plainKey(event)) { event.preventDefault(); event.stopPropagation(); }
  }

  plainKey(event) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (steps[event.key]) { if (this.id) this.go(steps[event.key]); else this.goField(steps[event.key]); return true; }
    if (event.key === "+" || event.key === "=") { this.zoom(1.4); return true; }
    if (event.key === "-") { this.zoom(1 / 1.4); return true; }
    if (event.key === "0") { this.find("whole").click(); return true; }
    if (event.key === "Insert" || event.key === "*") { if (this.desk.canEdit()) this.startDrawing(); return true; }
    const label = this.desk.keys.letters.get(event.key.toLowerCase());
    if (label && !event.repeat) { this.assign(label); return true; }
    if (!this.cell) return false;
    if (event.key === " " && !event.target.closest("button:not(.choice)")) {
      if (!event.repeat && this.desk.actions.see([this.id], !event.shiftKey) && !event.shiftKey) this.after();
      return true;
    }
    if (event.key === "Delete" || event.key === "Backspace") { this.remove(); return true; }
    return false;
  }

  /** A box moved with arrows, sized with shift and arrows, added with enter. */
  drawKey(event) {
    if (event.key === "Escape") { this.stopDrawing(); return true; }
    if (event.key === "Enter") { if (event.target.closest("button")) return false; this.finishDrawing(); return true; }
    const by = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by) return false;
    const step = Math.max(2, Math.round(8 / this.scale));
    const [x0, y0, x1, y1] = this.drawing.box;
    if (event.shiftKey) this.drawing.setBox([x0, y0, Math.max(x0 + 8, x1 + by[0] * step), Math.max(y0 + 8, y1 + by[1] * step)]);
    else this.drawing.setBox([x0 + by[0] * step, y0 + by[1] * step, x1 + by[0] * step, y1 + by[1] * step]);
    return true;
  }
}
