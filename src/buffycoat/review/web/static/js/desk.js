// The desk: wells, differential, large view and keyboard put together.
import { Actions } from "./actions.js";
import { ask } from "./api.js";
import { Board, unpacked } from "./board.js";
import { Display } from "./display.js";
import { Keys } from "./keys.js";
import { Pointer } from "./pointer.js";
import { Signing } from "./signing.js";
import { Sync } from "./sync.js";
import { Tally } from "./tally.js";
import { toast, whisper } from "./toasts.js";
import { Viewer } from "./viewer.js";
import { Wells } from "./wells.js";

class Desk {
  constructor(view, root) {
    this.view = view;
    this.root = root;
    this.board = new Board(view);
    this.wells = new Wells(document.getElementById("wells"), this.board, { editable: () => this.canEdit() });
    this.sync = new Sync(view.reading, {
      open: () => this.openReading(),
      onResult: (result, action) => this.answered(result, action),
      onRefused: (fault, action) => this.refused(fault, action),
      onState: (state, waiting) => this.saveState(state, waiting),
    });
    this.actions = new Actions(this);
    this.tally = new Tally(document.getElementById("differential"), this);
    this.viewer = new Viewer(this, document.getElementById("viewer"));
    this.keys = new Keys(this);
    this.pointer = new Pointer(this);
    this.display = new Display(this, document.getElementById("tools"));
    this.signing = new Signing(this);
    this.controls();
    this.buttons();
    this.watch();
    const resume = sessionStorage.getItem(`buffycoat.at.${view.slide.id}`);
    this.wells.focusOn(this.board.find(resume) ? resume : this.board.line[0] ?? null, { take: !document.activeElement || document.activeElement === document.body });
    document.documentElement.dataset.ready = "";
    performance.mark("desk-ready");
  }

  canEdit() {
    const { reading, slide } = this.view;
    return reading ? reading.can_edit : slide.may_open;
  }

  /** A reading begins with its first correction; looking alone begins none. */
  async openReading() {
    const reading = await ask("POST", `/api/v1/slides/${this.view.slide.id}/readings`, { number: null, reader_name: null }, { stay: true });
    this.view = { ...this.view, reading };
    this.sync.readingId = reading.id;
    this.sync.sequence = reading.sequence;
    return reading.id;
  }

  /** Something on the board changed: show it everywhere. */
  changed() {
    this.wells.update();
    this.tally.update();
    this.viewer.update();
    this.buttons();
  }

  answered(result, action) {
    const free = this.sync.free(result.cells);
    const fresh = free.filter((cell) => !this.board.cells.has(cell.id));
    const different = free.filter((cell) => { const mine = this.board.cells.get(cell.id); return !mine || mine.label !== cell.label || mine.seen !== cell.seen || mine.deleted !== cell.deleted; });
    for (const cell of free) this.board.cells.set(cell.id, cell);
    this.actions.undoWords = result.undo;
    this.actions.redoWords = result.redo;
    if (different.length) this.board.put(different);
    if (different.length) this.changed(); else this.buttons();
    this.tally.take(result.differential);
    if (action.action === "undo" || action.action === "redo") this.stepped(action.action, different);
    if (action.action === "draw" && fresh.length) this.drawn(fresh[0], result.overlaps);
  }

  stepped(action, cells) {
    const words = action === "undo" ? "Taken back" : "Done again";
    whisper(`${words}: ${cells.length === 1 ? `cell ${cells[0].number}` : `${cells.length} cells`}`);
    const id = cells[0]?.id;
    if (!id || !this.board.find(id)) return;
    if (this.viewer.dialog.open && this.viewer.id) this.viewer.show(id);
    else if (!this.viewer.dialog.open) this.wells.focusOn(id);
  }

  drawn(cell, overlaps = []) {
    const over = overlaps.map((one) => `cell ${one.number} (${one.label})`).join(", ");
    const undo = { action: "Undo", onAction: () => this.actions.undo() };
    if (over) toast(`The box lies over ${over}, which is counted already: one leukocyte now counts twice.`, { ...undo, bad: true, seconds: 15 });
    else toast(`Cell ${cell.number} added${cell.seen ? "" : ", not seen yet: the program says"} ${cell.seen ? `as ${cell.label}` : cell.label}`, undo);
    this.viewer.line = [...this.board.line];
    if (this.viewer.dialog.open) this.viewer.show(cell.id);
  }

  async refused(fault, action) {
    if (fault.body?.cells) {
      this.board.put(this.sync.free(fault.body.cells));
      this.actions.undoWords = fault.body.undo;
      this.actions.redoWords = fault.body.redo;
    } else await this.reload();
    this.changed();
    if (fault.body?.differential) this.tally.take(fault.body.differential);
    toast(`${fault.title}: ${fault.detail}`, { bad: true, seconds: 8 });
    void action;
  }

  async reload() {
    const id = this.sync.readingId;
    const view = await ask("GET", id ? `/api/v1/readings/${id}` : `/api/v1/slides/${this.view.slide.id}/desk`).catch(() => null);
    if (!view) return;
    this.view = view;
    if (view.reading) this.sync.sequence = view.reading.sequence;
    for (const field of view.fields) this.board.fields.set(field.id, field);
    this.board.put(this.sync.free(view.cells));
    this.actions.undoWords = view.undo;
    this.actions.redoWords = view.redo;
    this.tally.server = view.differential;
    this.changed();
  }

  saveState(state, waiting) {
    const badge = document.getElementById("saved");
    badge.dataset.state = state;
    badge.textContent = state === "saved" ? "Saved" : state === "saving" ? "Saving" : `Not saved: ${waiting} waiting for ${state === "away" ? "you to sign in" : "the server"}`;
    if (state === "away" && !this.awayToast?.isConnected) {
      this.awayToast = toast("You are signed out. Your work is kept here: sign in again in another window, and it is sent. Leave this page open.", {
        bad: true, seconds: 0, action: "Sign in…", onAction: () => { this.awayToast = null; window.open("/login?next=/account", "_blank", "noopener"); },
      });
    }
    if (state !== "away") this.awayToast?.remove();
    if (state === "lost" && !this.lostToast?.isConnected) this.lostToast = toast("The server does not answer. Your work is kept here and sent when it does; leave this page open.", { bad: true, seconds: 0 });
    if (state === "saved") this.lostToast?.remove();
  }

  controls() {
    const tools = document.getElementById("tools");
    const filter = () => { this.board.setFilter(tools.querySelector("[name=order]").value, tools.querySelector("[name=show]").value); this.wells.pane.scrollTop = 0; this.wells.update(); };
    tools.querySelector("[name=order]").addEventListener("change", filter);
    tools.querySelector("[name=show]").addEventListener("change", filter);
    const on = (selector, act) => document.querySelector(selector)?.addEventListener("click", act);
    on("[data-undo]", () => this.actions.undo());
    on("[data-redo]", () => this.actions.redo());
    on("[data-fields]", () => this.viewer.openField());
    on("[data-choosing]", (event) => {
      this.pointer.choosing = !this.pointer.choosing;
      event.currentTarget.setAttribute("aria-pressed", String(this.pointer.choosing));
      if (!this.pointer.choosing) this.wells.select([]);
    });
    on("[data-more-tools]", (event) => {
      const open = tools.classList.toggle("open");
      event.currentTarget.setAttribute("aria-expanded", String(open));
    });
    on("[data-sheet]", (event) => {
      const open = document.body.classList.toggle("sheet-open");
      event.currentTarget.setAttribute("aria-expanded", String(open));
    });
    for (const section of this.wells.sections.values()) {
      section.button.addEventListener("click", () => {
        const well = this.board.wells.find((one) => one.name === section.dataset.drop);
        this.actions.see(this.wells.shownUnseen(well));
        if (this.board.nextUnseen(null) === null) this.allSeen();
      });
    }
    this.selectionBar();
    addEventListener("pagehide", () => { if (this.wells.focus) sessionStorage.setItem(`buffycoat.at.${this.view.slide.id}`, this.wells.focus); });
  }

  selectionBar() {
    const bar = document.getElementById("selection");
    const words = bar.querySelector("[data-words]");
    const take = () => this.board.line.filter((id) => this.wells.selected.has(id));
    for (const label of this.board.labels) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "to", title: `Move to ${label.title} (${label.letter})` });
      button.dataset.label = label.name;
      button.setAttribute("aria-label", button.title);
      button.append(Object.assign(document.createElement("span"), { className: "dot" }), label.letter || label.title);
      button.addEventListener("click", () => { const ids = take(); for (const id of ids) if (this.board.cells.get(id).deleted) { this.actions.restore(ids); break; } if (this.actions.move(ids, label.name)) this.wells.select([]); });
      bar.querySelector(".targets").append(button);
    }
    const on = (name, act) => bar.querySelector(`[data-s=${name}]`).addEventListener("click", act);
    on("seen", () => { if (this.actions.see(take())) this.wells.select([]); });
    on("delete", () => { if (this.actions.remove(take())) this.wells.select([]); });
    on("none", () => this.wells.select([]));
    this.wells.pane.addEventListener("selection", () => {
      const n = this.wells.selected.size;
      bar.classList.toggle("up", n > 0 && this.canEdit());
      bar.toggleAttribute("inert", !(n > 0 && this.canEdit()));
      words.textContent = n ? `${n.toLocaleString("en")} selected` : "";
    });
  }

  buttons() {
    const set = (selector, words, name) => {
      const button = document.querySelector(selector);
      if (!button) return;
      button.disabled = !words || !this.canEdit();
      button.title = words ? `${name}: ${words}` : name;
    };
    set("[data-undo]", this.actions.undoWords, "Undo");
    set("[data-redo]", this.actions.redoWords, "Redo");
    this.signing.update();
  }

  goTo(label) {
    const well = this.board.wells.find((one) => one.name === label);
    document.body.classList.remove("sheet-open");
    if (well.ids.length) this.wells.focusOn(well.ids[0]);
    else this.wells.sections.get(label).scrollIntoView({ block: "nearest" });
  }

  goUnseen() {
    const id = this.board.nextUnseen(this.board.line.at(-1) ?? null) ?? [...this.board.cells.values()].find((cell) => !cell.seen && !cell.deleted)?.id;
    if (id && !this.board.find(id)) { document.querySelector("[name=show]").value = "all"; this.board.setFilter(this.board.order, "all"); this.wells.update(); }
    document.body.classList.remove("sheet-open");
    if (id) this.wells.focusOn(id);
  }

  allSeen() {
    if (this.tally.now.seen < this.tally.now.total || this.said === this.tally.now.total) return;
    this.said = this.tally.now.total;
    toast("Every cell has been seen.", { action: "Sign…", onAction: () => this.signing.open(), seconds: 8 });
  }

  /** While photographs are analysed, their cells come in. */
  watch() {
    const waiting = [...this.board.fields.values()].some((field) => field.state === "queued");
    const strip = document.getElementById("analysing");
    strip.hidden = !waiting;
    if (!waiting) return;
    const tick = async () => {
      const progress = await ask("GET", `/api/v1/slides/${this.view.slide.id}/progress`).catch(() => null);
      if (progress) {
        strip.querySelector("progress").max = progress.fields;
        strip.querySelector("progress").value = progress.done;
        strip.querySelector("span").textContent = `Analysing: ${progress.done} of ${progress.fields} photographs`;
        if (progress.done !== this.known) { this.known = progress.done; await this.reload(); }
        if (progress.state !== "analysing") { strip.hidden = true; this.signing.update(); return; }
      }
      setTimeout(tick, 1500);
    };
    tick();
  }
}

const data = document.getElementById("desk-data");
if (data) {
  const view = JSON.parse(data.textContent);
  window.desk = new Desk({ ...view, cells: unpacked(view.cells) }, document.getElementById("desk"));
}
