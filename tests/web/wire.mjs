// The wire between a page and the server: a TCP proxy that can be cut, go silent, or lose what the server answers.

import { connect, createServer } from 'node:net';

export class Wire {
  #listener;
  #links = new Set();
  #story;
  /** What a new connection meets: 'whole', 'cut' (reset at once), 'silent' (nothing passes) or 'deaf' (no answers). */
  #state = 'whole';

  /** The port of the server behind it; it may change, as when the server is started anew. */
  target;

  /** The port that pages are opened at. */
  port;

  static async lay(target, story) {
    const wire = new Wire();
    wire.#story = story;
    wire.target = target;
    wire.#listener = createServer({ allowHalfOpen: true, noDelay: true }, (near) => wire.#meets(near));
    await new Promise((resolve) => wire.#listener.listen(0, '127.0.0.1', resolve));
    wire.port = wire.#listener.address().port;
    return wire;
  }

  /** Breaks every connection, and each new one as soon as it is made. */
  cut() {
    this.#becomes('cut');
    for (const link of this.#links) link.breaks();
  }

  /** Nothing passes any more, and nothing is closed: neither end is told. New connections fare the same. */
  silence() {
    this.#becomes('silent');
    for (const link of this.#links) link.passes(false, false);
  }

  /** What the page sends arrives, what the server answers does not. New connections fare the same. */
  deafen() {
    this.#becomes('deaf');
    for (const link of this.#links) link.passes(true, false);
  }

  /** New connections are well again. One that went silent stays so for ever. */
  mend() {
    this.#becomes('whole');
  }

  /** The end of the test. */
  end() {
    this.#state = 'cut';
    for (const link of this.#links) link.breaks();
    this.#listener.close();
  }

  #becomes(state) {
    this.#state = state;
    this.#story.tell('wire', `is ${state}`);
  }

  #meets(near) {
    near.on('error', () => {});
    if (this.#state === 'cut') {
      near.resetAndDestroy();
      return;
    }
    const link = new Link(near, connect({ host: '127.0.0.1', port: this.target, allowHalfOpen: true, noDelay: true }));
    link.passes(this.#state !== 'silent', this.#state === 'whole');
    this.#links.add(link);
    link.closed.then(() => this.#links.delete(link));
  }
}

/** One connection through the wire: `near` is the page's end, `far` the server's. */
class Link {
  #near;
  #far;
  #out = true;
  #back = true;
  /** Settled once both ends are closed. */
  closed;

  constructor(near, far) {
    this.#near = near;
    this.#far = far;
    far.on('error', () => {});
    near.on('data', (bytes) => this.#out && far.write(bytes));
    far.on('data', (bytes) => this.#back && near.write(bytes));
    near.on('end', () => this.#out && far.end());
    far.on('end', () => this.#back && near.end());
    // What is broken off at one end is broken off at the other, unless that direction has gone silent.
    near.on('close', () => this.#out && far.destroy());
    far.on('close', () => this.#back && near.destroy());
    this.closed = Promise.all([near, far].map((end) => new Promise((resolve) => end.once('close', resolve))));
  }

  passes(out, back) {
    this.#out = out;
    this.#back = back;
  }

  breaks() {
    this.#near.resetAndDestroy();
    this.#far.resetAndDestroy();
  }
}
