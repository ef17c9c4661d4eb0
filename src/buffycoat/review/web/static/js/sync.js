// Actions go to the server one after the other; what the page shows never waits for them.
import { ask, isAway, isBack, requestId } from "./api.js";

const WAITS = [0.5, 1, 2, 4, 8, 15], AWAY_S = 3;

export class Sync {
  /**
   * @param {object} reading id and sequence of the reading, or null until one is opened
   * @param {object} told what to call: onResult(result, settled), onConflict(fault), onRefused(fault, action), onState(words)
   */
  constructor(reading, told) {
    this.readingId = reading?.id ?? null;
    this.sequence = reading?.sequence ?? 0;
    this.told = told;
    this.queue = [];
    this.pending = new Map(); // cell id → how many actions on it have not been answered
    this.running = false;
    this.tries = 0;
    window.addEventListener("online", () => this.wake());
    window.addEventListener("beforeunload", (event) => { if (this.queue.length) event.preventDefault(); });
  }

  get idle() { return this.queue.length === 0; }

  /** Put an action at the end of the line. */
  send(action) {
    const one = { cells: [], ...action, request_id: requestId() };
    for (const id of one.cells) this.pending.set(id, (this.pending.get(id) ?? 0) + 1);
    this.queue.push(one);
    this.run();
    return one;
  }

  /** Resolves when everything has been answered. */
  settled() {
    if (this.idle && !this.running) return Promise.resolve();
    return new Promise((resolve) => { (this.waiters ??= []).push(resolve); });
  }

  wake() { if (this.sleep) { clearTimeout(this.sleep); this.sleep = null; this.run(); } }

  async run() {
    if (this.running || this.sleep) return;
    this.running = true;
    while (this.queue.length) {
      const one = this.queue[0];
      this.told.onState("saving", this.queue.length);
      try {
        this.readingId ??= await this.told.open();
        const body = { ...one, sequence: this.sequence, with_differential: this.queue.length === 1 };
        const result = await ask("POST", `/api/v1/readings/${this.readingId}/moves`, body, { stay: true });
        this.tries = 0;
        this.done(one);
        this.sequence = result.sequence;
        this.told.onResult(result, one);
      } catch (fault) {
        if (isAway(fault) && !(await isBack())) { // the work waits for its owner
          this.running = false;
          this.told.onState("away", this.queue.length);
          this.sleep = setTimeout(() => this.wake(), AWAY_S * 1000);
          return;
        }
        if (isAway(fault) && this.tries < WAITS.length) { this.tries += 1; continue; } // another window's token: again with it
        if (fault.lost || fault.status >= 500 || fault.status === 429) {
          const wait = fault.retryAfter || WAITS[Math.min(this.tries, WAITS.length - 1)];
          this.tries += 1;
          this.running = false;
          this.told.onState("lost", this.queue.length);
          this.sleep = setTimeout(() => this.wake(), wait * 1000);
          return;
        }
        this.done(one);
        if (fault.body?.sequence !== undefined) this.sequence = fault.body.sequence;
        this.told.onRefused(fault, one);
      }
    }
    this.running = false;
    this.told.onState("saved", 0);
    for (const resolve of this.waiters ?? []) resolve();
    this.waiters = [];
  }

  done(one) {
    this.queue.shift();
    for (const id of one.cells) {
      const left = this.pending.get(id) - 1;
      if (left) this.pending.set(id, left); else this.pending.delete(id);
    }
  }

  /** Cells that no unanswered action touches: only those may be drawn from an answer. */
  free(cells) { return cells.filter((cell) => !this.pending.has(cell.id)); }
}
