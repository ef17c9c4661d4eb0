// Mouse, pen and finger on the wells: click, shift-click, rubber band, and dragging cells to a well.

const FAR = 6, EDGE = 56;

export class Pointer {
  constructor(desk) {
    Object.assign(this, { desk, wells: desk.wells, pane: desk.wells.pane });
    this.choosing = false; // every click selects: for fingers, and for those who like it so
    this.pane.addEventListener("pointerdown", (event) => this.down(event));
    this.pane.addEventListener("click", (event) => this.click(event));
    this.pane.addEventListener("dblclick", (event) => event.preventDefault());
  }

  down(event) {
    if (event.button !== 0 || event.target.closest("button, a")) return;
    this.moved = false;
    const cell = event.target.closest(".cell");
    if (event.pointerType === "touch") return; // a finger scrolls
    if (cell && this.desk.canEdit() && !event.shiftKey && !event.ctrlKey && !event.metaKey) this.begin(event, (at) => this.drag(at, cell.dataset.cell));
    else if (!cell) this.begin(event, (at) => this.band(at, event.shiftKey || event.ctrlKey || event.metaKey));
  }

  /** Wait until the pointer has gone far enough to mean something, then hand over. */
  begin(event, start) {
    const from = { x: event.clientX, y: event.clientY };
    const watch = new AbortController();
    const options = { signal: watch.signal };
    addEventListener("pointermove", (at) => {
      if (Math.hypot(at.clientX - from.x, at.clientY - from.y) < FAR) return;
      watch.abort();
      this.moved = true;
      start({ from, now: at });
    }, options);
    addEventListener("pointerup", () => watch.abort(), options);
    addEventListener("pointercancel", () => watch.abort(), options);
  }

  click(event) {
    const node = event.target.closest(".cell");
    if (this.moved) { this.moved = false; return; }
    if (!node) {
      if (!event.target.closest("button, a, header") && !event.shiftKey) this.wells.select([]);
      return;
    }
    const id = node.dataset.cell;
    if (event.shiftKey) this.wells.selectTo(id);
    else if (event.ctrlKey || event.metaKey || this.choosing) this.wells.toggle(id);
    else { this.wells.anchor = id; this.desk.viewer.open(id); return; }
    this.wells.focusOn(id, { reveal: false });
  }

  /** Follow the pointer until it is let go; scroll when it nears the edge of the pane. */
  follow(onMove, onEnd) {
    const watch = new AbortController();
    const options = { signal: watch.signal };
    let last = null, frame = null;
    const tick = () => {
      frame = requestAnimationFrame(tick);
      if (!last) return;
      const box = this.pane.getBoundingClientRect();
      const inside = last.clientX > box.left && last.clientX < box.right;
      const up = box.top + EDGE - last.clientY, down = last.clientY - box.bottom + EDGE;
      if (inside && up > 0 && last.clientY > box.top - EDGE) this.pane.scrollTop -= Math.min(24, up / 3);
      if (inside && down > 0 && last.clientY < box.bottom + EDGE) this.pane.scrollTop += Math.min(24, down / 3);
      onMove(last);
    };
    const end = (done) => {
      watch.abort();
      cancelAnimationFrame(frame);
      document.body.classList.remove("busy-pointer");
      onEnd(done, last);
    };
    document.body.classList.add("busy-pointer");
    addEventListener("pointermove", (event) => { last = event; }, options);
    addEventListener("pointerup", (event) => { last = event; onMove(event); end(true); }, options);
    addEventListener("pointercancel", () => end(false), options);
    addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); event.preventDefault(); end(false); } }, { ...options, capture: true });
    frame = requestAnimationFrame(tick);
  }

  drag({ now }, id) {
    if (!this.wells.selected.has(id)) this.wells.select([id]);
    const ids = this.desk.board.line.filter((one) => this.wells.selected.has(one));
    const ghost = this.ghost(ids, id);
    let over = null;
    const mark = (target) => {
      if (target === over) return;
      over?.classList.remove("over");
      over = target;
      over?.classList.add("over");
    };
    document.body.classList.add("dragging");
    const move = (at) => {
      ghost.style.transform = `translate(${at.clientX + 10}px, ${at.clientY + 10}px)`;
      mark(document.elementFromPoint(at.clientX, at.clientY)?.closest("[data-drop]") ?? null);
    };
    move(now);
    this.follow(move, (done) => {
      const target = over?.dataset.drop;
      mark(null);
      ghost.remove();
      document.body.classList.remove("dragging");
      if (!done || !target) return;
      const single = ids.length === 1;
      if (this.desk.actions.drop(ids, target) && single) this.wells.focus = ids[0];
      this.wells.select([]);
    });
  }

  ghost(ids, first) {
    const ghost = Object.assign(document.createElement("div"), { className: "ghost" });
    const order = [first, ...ids.filter((id) => id !== first)].slice(0, 3);
    for (const id of order.reverse()) {
      const image = document.createElement("img");
      image.alt = "";
      image.src = this.wells.nodes.get(id)?.asked ?? `${this.desk.board.cells.get(id).crop_url}?px=160`;
      ghost.append(image);
    }
    if (ids.length > 1) ghost.append(Object.assign(document.createElement("b"), { textContent: ids.length }));
    document.body.append(ghost);
    return ghost;
  }

  band({ from }, add) {
    const box = this.pane.getBoundingClientRect();
    const start = { x: from.x - box.left, y: from.y - box.top + this.pane.scrollTop };
    const before = add ? [...this.wells.selected] : [];
    const rubber = Object.assign(document.createElement("div"), { className: "band" });
    this.pane.append(rubber);
    const move = (at) => {
      const x = Math.max(0, Math.min(at.clientX - box.left, this.pane.clientWidth));
      const y = Math.max(0, Math.min(at.clientY - box.top, box.height)) + this.pane.scrollTop;
      const area = { left: Math.min(start.x, x), right: Math.max(start.x, x), top: Math.min(start.y, y), bottom: Math.max(start.y, y) };
      rubber.style.transform = `translate(${area.left}px, ${area.top}px)`;
      rubber.style.width = `${area.right - area.left}px`;
      rubber.style.height = `${area.bottom - area.top}px`;
      this.wells.select([...before, ...this.wells.within(area)]);
    };
    this.follow(move, (done) => {
      rubber.remove();
      if (!done) this.wells.select(before);
      const first = this.desk.board.line.find((id) => this.wells.selected.has(id));
      if (first) { this.wells.anchor = first; this.wells.focusOn(first, { reveal: false }); }
    });
  }
}
