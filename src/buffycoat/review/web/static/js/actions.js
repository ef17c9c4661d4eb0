// What a person can do with cells. Each action shows at once and is then sent.
import { DELETED } from "./board.js";
import { toast, whisper } from "./toasts.js";

const many = (n, one) => (n === 1 ? one : `${n} cells`);

export class Actions {
  constructor(desk) {
    this.desk = desk;
    this.undoWords = desk.view.undo;
    this.redoWords = desk.view.redo;
  }

  get allowed() { return this.desk.canEdit(); }

  /** Cells the next key or button is for: the selected ones, else the one in focus. */
  target() {
    const { wells } = this.desk;
    if (wells.selected.size) return this.desk.board.line.filter((id) => wells.selected.has(id));
    return wells.focus && this.desk.board.find(wells.focus) ? [wells.focus] : [];
  }

  refuse() {
    const { reading } = this.desk.view;
    toast(reading?.state === "signed" ? "This reading is signed. It can be changed only by an amendment." : "You are looking only: these cells are somebody else's to move.");
    return false;
  }

  move(ids, label) {
    if (!this.allowed) return this.refuse();
    const { board } = this.desk;
    const cells = ids.map((id) => board.cells.get(id)).filter((cell) => cell && !cell.deleted);
    const chosen = cells.filter((cell) => cell.label !== label || !cell.seen).map((cell) => cell.id);
    if (!chosen.length) return true;
    this.optimistic(chosen, { label, seen: true }, { action: "move", label });
    whisper(`${many(chosen.length, `Cell ${board.cells.get(chosen[0]).number}`)} moved to ${board.titleOf(label)}`);
    return true;
  }

  see(ids, seen = true) {
    if (!this.allowed) return this.refuse();
    const { board } = this.desk;
    const chosen = ids.filter((id) => { const cell = board.cells.get(id); return cell && !cell.deleted && cell.seen !== seen; });
    if (chosen.length) this.optimistic(chosen, { seen }, { action: seen ? "see" : "unsee" });
    return true;
  }

  remove(ids) {
    if (!this.allowed) return this.refuse();
    const { board } = this.desk;
    const chosen = ids.filter((id) => board.cells.get(id) && !board.cells.get(id).deleted);
    if (!chosen.length) return true;
    this.optimistic(chosen, { deleted: true }, { action: "delete" });
    toast(`${many(chosen.length, "Box")} deleted`, { action: "Undo", onAction: () => this.undo() });
    return true;
  }

  restore(ids) {
    if (!this.allowed) return this.refuse();
    const chosen = ids.filter((id) => this.desk.board.cells.get(id)?.deleted);
    if (chosen.length) this.optimistic(chosen, { deleted: false }, { action: "restore" });
    return true;
  }

  /** To a well: a class, or the deleted ones. */
  drop(ids, well) {
    if (well === DELETED) return this.remove(ids);
    const deleted = ids.filter((id) => this.desk.board.cells.get(id)?.deleted);
    if (deleted.length) this.restore(deleted);
    return this.move(ids, well);
  }

  draw(fieldId, box, label = null) {
    if (!this.allowed) return this.refuse();
    this.desk.sync.send({ action: "draw", field_id: fieldId, box, label });
    return true;
  }

  undo() { return this.step("undo", this.undoWords); }
  redo() { return this.step("redo", this.redoWords); }

  step(action, words) {
    if (!this.allowed) return this.refuse();
    if (!words && this.desk.sync.idle) { toast(action === "undo" ? "Nothing to undo." : "Nothing to redo."); return true; }
    this.desk.sync.send({ action });
    return true;
  }

  optimistic(ids, values, action) {
    const { desk } = this;
    desk.board.change(ids, values);
    desk.sync.send({ ...action, cells: ids });
    this.undoWords ||= "last step";
    this.redoWords = null;
    desk.changed();
  }
}
