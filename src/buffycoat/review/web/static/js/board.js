// The cells of one slide and the wells they lie in. Knows nothing of the page.

export const DELETED = "deleted";

/** Cells as the page holds them, in rows, made into cells as the API answers them. */
export function unpacked({ names, classes, rows }) {
  return rows.map((row) => {
    const cell = {};
    for (let k = 0; k < names.length; k += 1) cell[names[k]] = row[k];
    const given = cell.probabilities;
    cell.probabilities = {};
    for (let k = 0; k < classes.length; k += 1) if (given[k] !== null) cell.probabilities[classes[k]] = given[k];
    cell.crop_url = `/api/v1/cells/${cell.id}/crop`;
    return cell;
  });
}

export class Board {
  constructor(view) {
    this.labels = view.labels;
    this.byLabel = new Map(view.labels.map((label) => [label.name, label]));
    this.fields = new Map(view.fields.map((field) => [field.id, field]));
    this.cells = new Map(view.cells.map((cell) => [cell.id, cell]));
    this.order = "doubt";
    this.show = "all";
    this.kept = new Set(); // shown although the filter would hide them: they were changed under the eye
    this.wells = [...view.labels.map((label) => label.name), DELETED].map((name) => ({ name, ids: [] }));
    this.arrange();
  }

  wellOf(cell) { return cell.deleted ? DELETED : cell.label; }

  passes(cell) {
    if (this.show === "all" || this.kept.has(cell.id)) return true;
    return this.show === "unseen" ? !cell.seen : cell.label !== cell.program_label || cell.deleted || cell.origin === "person";
  }

  /** Sort every cell into its well: most doubtful first, or as they lie on the slide. */
  arrange() {
    const byName = new Map(this.wells.map((well) => [well.name, well]));
    for (const well of this.wells) { well.ids = []; well.total = 0; well.unseen = 0; }
    for (const cell of this.cells.values()) {
      const well = byName.get(this.wellOf(cell));
      if (!well) continue;
      well.total += 1;
      well.unseen += cell.seen || cell.deleted ? 0 : 1;
      if (this.passes(cell)) well.ids.push(cell.id);
    }
    const { cells } = this;
    const compare = this.order === "doubt"
      ? (a, b) => cells.get(b).doubt - cells.get(a).doubt || cells.get(a).number - cells.get(b).number
      : (a, b) => cells.get(a).number - cells.get(b).number;
    for (const well of this.wells) well.ids.sort(compare);
    this.line = this.wells.flatMap((well) => well.ids);
    this.placeOf = null;
  }

  /** Where a cell stands: [well, index in it], or null when it is not shown. */
  find(id) {
    if (!this.placeOf) {
      this.placeOf = new Map();
      for (const well of this.wells) well.ids.forEach((one, index) => this.placeOf.set(one, [well, index]));
    }
    return this.placeOf.get(id) ?? null;
  }

  setFilter(order, show) {
    this.order = order;
    this.show = show;
    this.kept.clear();
    this.arrange();
  }

  /** Change cells at once, before the server has said anything. */
  change(ids, values) {
    for (const id of ids) {
      const cell = this.cells.get(id);
      if (!cell) continue;
      if (this.show !== "all") this.kept.add(id);
      this.cells.set(id, { ...cell, ...values });
    }
    this.arrange();
  }

  /** Take cells as the server has them. */
  put(cells) {
    for (const cell of cells) {
      if (this.show !== "all") this.kept.add(cell.id);
      this.cells.set(cell.id, cell);
    }
    this.arrange();
  }

  alive() { return [...this.cells.values()].filter((cell) => !cell.deleted); }

  /** Count what can be counted here: the server's limits and flags follow. */
  tally() {
    const counts = new Map(this.labels.map((label) => [label.name, 0]));
    let seen = 0, total = 0, denominator = 0;
    for (const cell of this.cells.values()) {
      if (cell.deleted) continue;
      total += 1;
      seen += cell.seen ? 1 : 0;
      counts.set(cell.label, (counts.get(cell.label) ?? 0) + 1);
      denominator += this.byLabel.get(cell.label)?.counted ? 1 : 0;
    }
    return { counts, seen, total, denominator };
  }

  /** The next cell not seen after `id`, going round; null when all are seen. */
  nextUnseen(id) {
    const { line } = this;
    const start = Math.max(0, line.indexOf(id));
    for (let step = 1; step <= line.length; step += 1) {
      const cell = this.cells.get(line[(start + step) % line.length]);
      if (!cell.seen && !cell.deleted) return cell.id;
    }
    return null;
  }

  titleOf(name) { return name === DELETED ? "Deleted boxes" : this.byLabel.get(name)?.title ?? name; }
}

/** The name of one cell of a class: "Neutrophils" → "neutrophil". */
export const singular = (name) => name;

export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}\u202f%`;
