// The keyboard on the desk. Letters name classes; everything else is arrows, space, enter and the usual chords.

const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"]);
const typing = (node) => node?.closest?.('input:not([type="range"], [type="checkbox"], [type="radio"]), textarea, select');

export class Keys {
  constructor(desk) {
    this.desk = desk;
    this.letters = new Map(desk.board.labels.filter((one) => one.letter).map((one) => [one.letter.toLowerCase(), one.name]));
    addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (!(event.target instanceof Node)) return; // sent to the window itself: no key of a person
    if (event.defaultPrevented || event.isComposing || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return; // the large view has its own keys
    const done = event.ctrlKey || event.metaKey ? this.chord(event) : event.altKey ? false : this.plain(event);
    if (done) event.preventDefault();
  }

  chord(event) {
    const { actions, wells, board } = this.desk;
    const key = event.key.toLowerCase();
    if (key === "z") return event.shiftKey ? actions.redo() || true : actions.undo() || true;
    if (key === "y") return actions.redo() || true;
    if (key === "a") {
      const at = wells.focus && board.find(wells.focus);
      wells.select(at ? at[0].ids : board.line);
      return true;
    }
    if (key === " ") { if (wells.focus) wells.toggle(wells.focus); return true; }
    return false;
  }

  plain(event) {
    const { wells, board, actions, viewer } = this.desk;
    const inWells = wells.pane.contains(event.target);
    const free = inWells || event.target === document.body;
    if (ARROWS.has(event.key)) {
      if (!free) return false;
      this.arrow(event);
      return true;
    }
    if (event.key === "Escape") { wells.select([]); return true; }
    if (event.key === "+" || event.key === "=") return this.desk.display.step(1);
    if (event.key === "-") return this.desk.display.step(-1);
    const onControl = event.target.closest?.("button, a, summary, input, select");
    if (event.key === "Enter") {
      if (onControl || !wells.focus) return false;
      viewer.open(wells.focus);
      return true;
    }
    if (event.key === " ") {
      if (onControl) return false;
      if (!event.repeat) this.space(event.shiftKey); // a key held down has seen nothing
      return true;
    }
    if (event.key === "Delete" || event.key === "Backspace") { if (onControl) return false; this.onward((ids) => actions.remove(ids)); return true; }
    const label = this.letters.get(event.key.toLowerCase());
    if (label && !event.repeat) {
      const deleted = actions.target().some((id) => board.cells.get(id).deleted);
      this.onward((ids) => (deleted ? actions.drop(ids, label) : actions.move(ids, label)), label);
      return true;
    }
    return Boolean(label);
  }

  arrow(event) {
    const { wells, board } = this.desk;
    if (!wells.focus || !board.find(wells.focus)) return wells.focusOn(board.line[0] ?? null);
    const next = wells.beside(wells.focus, event.key);
    if (event.shiftKey) {
      wells.anchor ??= wells.focus;
      wells.selectTo(next);
    } else {
      wells.anchor = next;
      if (wells.selected.size) wells.select([]);
    }
    return wells.focusOn(next);
  }

  space(back) {
    const { wells, board, actions } = this.desk;
    const ids = actions.target();
    if (!ids.length) return wells.focusOn(board.nextUnseen(board.line[0]) ?? board.line[0] ?? null);
    const last = ids.at(-1);
    if (!actions.see(ids, !back)) return null;
    if (wells.selected.size) wells.select([]);
    if (back) return null;
    const next = board.nextUnseen(last);
    if (next) wells.focusOn(next);
    wells.anchor = next;
    if (!next) this.desk.allSeen();
    return null;
  }

  /** Do something to the chosen cells, then stand on the cell that takes their place. */
  onward(act, label = null) {
    const { wells, board, actions } = this.desk;
    const ids = actions.target();
    if (!ids.length) return;
    const [well, index] = board.find(ids[0]);
    const leaving = well.name !== label;
    if (!act(ids)) return;
    wells.selected.clear();
    let next = leaving ? well.ids[Math.min(index, well.ids.length - 1)] : well.ids[index + ids.length] ?? well.ids.at(-1);
    next ??= board.wells.slice(board.wells.indexOf(well)).flatMap((one) => one.ids)[0] ?? board.line[0] ?? null;
    wells.anchor = next;
    wells.focusOn(next);
    wells.refresh();
    if (board.nextUnseen(board.line[0] ?? null) === null) this.desk.allSeen();
  }
}
