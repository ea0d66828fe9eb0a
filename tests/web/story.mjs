// The story of one test: what was said, typed, heard and printed, in order. It is told when an expectation fails.

/** How many events a failure shows: as many as fit a screen; the cause is seldom further back. */
const KEPT = 80;

export class Story {
  #recent = [];
  #forgotten = 0;

  /** Remembers that this happened. */
  tell(who, event, what = '') {
    const text = JSON.stringify(String(what));
    const short = text.length > 160 ? `${text.slice(0, 160)}…` : text;
    this.#recent.push(`${who.padStart(10)} ${event}${what === '' ? '' : ` ${short}`}`);
    if (this.#recent.length > KEPT) {
      this.#recent.shift();
      this.#forgotten += 1;
    }
  }

  toString() {
    const earlier = this.#forgotten > 0 ? ` (${this.#forgotten} earlier events left out)` : '';
    return `--- the story so far${earlier}\n${this.#recent.join('\n')}\n---`;
  }
}
