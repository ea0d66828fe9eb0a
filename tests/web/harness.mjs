// The harness of every test: the real server, people at `nc` and at real browsers, a wire between them that can be cut, and
// one story of all that happened, which is printed when an expectation fails.
//
// Nothing here sleeps. A test waits for what should happen. To show that something does *not* happen, it checks what comes
// instead: `hears` and `reads` take the very next line and accept no other. It knows nothing of the page's or the server's
// sources, only of what they promise. At the end of every test, whatever it was about: no error in a browser's console, no
// request to elsewhere, no session's token in what the server printed; and every process and every page is ended.

import { DESK, PHONE, SMALL_PHONE, browser } from './chromium.mjs';
import { Nc } from './nc.mjs';
import { Server } from './server.mjs';
import { Story } from './story.mjs';
import { Visitor, originOf } from './visitor.mjs';
import { Wire } from './wire.mjs';
import { within } from './patience.mjs';

export { DESK, PHONE, SMALL_PHONE } from './chromium.mjs';
export { PATIENCE, deferred, until } from './patience.mjs';

// When all is reported, the process ends at once. Node 20 takes down its environment first, and once in many runs it waited
// there without end, in a loop, for a socket that was not closed (`Environment::CleanupHandles`).
process.once('beforeExit', () => process.on('exit', (code) => process.reallyExit(process.exitCode ?? code)));

/** No test takes longer, whatever it waits for. */
const LIMIT = 120_000;

class Stage {
  story = new Story();
  visitors = [];
  #ncs = [];
  #contexts = [];

  async begins(options) {
    this.options = options;
    this.server = await Server.start(options, this.story);
    this.wire = await Wire.lay(this.server.webPort, this.story);
    this.origin = originOf(this.wire.port);
  }

  /** Starts another server in the place of one that has ended. Pages find it at the same address. */
  async startsAnew() {
    this.server = await Server.start(this.options, this.story);
    this.wire.target = this.server.webPort;
  }

  /** Somebody joins by nc. */
  async nc(name) {
    const client = await Nc.join(this.server.port, name, this.story);
    this.#ncs.push(client);
    return client;
  }

  /** A browser of its own, as if on a machine of its own: what it remembers is shared with no other. */
  async device(settings) {
    const context = await (await browser()).newContext(settings);
    context.setDefaultTimeout(30_000);
    this.#contexts.push(context);
    return context;
  }

  /** Opens the page, on a device of its own unless one is given; `before` may do something to it first. */
  async visitor(settings, { device, before } = {}) {
    const context = device ?? (await this.device(settings));
    const page = await context.newPage();
    const visitor = new Visitor(page, { origin: this.origin, story: this.story, finger: settings.hasTouch === true });
    this.visitors.push(visitor);
    await before?.(page);
    await visitor.opens();
    return visitor;
  }

  /** Somebody joins by a phone. */
  phone(name, more) {
    return this.#joins(name, PHONE, more);
  }

  /** Somebody joins by a phone of 320 pixels. */
  smallPhone(name, more) {
    return this.#joins(name, SMALL_PHONE, more);
  }

  /** Somebody joins at a desk. */
  desk(name, more) {
    return this.#joins(name, DESK, more);
  }

  async #joins(name, settings, { with: changes = {}, ...more } = {}) {
    const visitor = await this.visitor({ ...settings, ...changes }, more);
    await visitor.joins(name);
    return visitor;
  }

  /** Looks at what no test may leave behind. */
  faults() {
    const faults = this.visitors.flatMap((visitor) => visitor.faults.map((fault) => `${visitor.name}: ${fault}`));
    const tokens = this.visitors.flatMap((visitor) => [...visitor.tokens]);
    if (tokens.some((token) => this.server.printed.includes(token))) faults.push('the server printed a token');
    return faults;
  }

  async ends() {
    for (const client of this.#ncs) client.end();
    this.wire?.end();
    await Promise.all([...this.#contexts.map((context) => context.close()), this.server?.kill()]);
  }
}

/**
 * A test's play: the stage is set, with a server that has these options, `scene` is played on it, and it is cleared again.
 */
export function play(scene, options = []) {
  return async (test) => {
    const stage = new Stage();
    try {
      await stage.begins(options);
      await within('the end of the test', scene(stage, test), LIMIT);
      const faults = stage.faults();
      if (faults.length > 0) throw new Error(`what no test may leave behind:\n${faults.join('\n')}`);
    } catch (error) {
      const scenes = await Promise.all(stage.visitors.map((visitor) => visitor.scene()));
      error.message = [error.message, stage.story, ...scenes].join('\n');
      error.stack = `${error.message}\n${error.stack}`;
      throw error;
    } finally {
      await stage.ends();
    }
  };
}
