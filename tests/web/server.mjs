// The real server as a process: its options, its operator, what it prints, its end.

import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { until } from './patience.mjs';

/** Every server that still runs, so that none outlives the tests, however they end. */
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1));

/** The program under test: `DYNASTI_BIN`, or what cargo has built last. */
function program() {
  if (process.env.DYNASTI_BIN) return process.env.DYNASTI_BIN;
  const target = fileURLToPath(new URL('../../target/', import.meta.url));
  const found = [];
  const look = (...parts) => {
    const path = join(target, ...parts, 'dynasti');
    const status = statSync(path, { throwIfNoEntry: false });
    if (status?.isFile()) found.push({ path, built: status.mtimeMs });
  };
  for (const profile of ['release', 'debug']) {
    look(profile);
    for (const entry of readdirSync(target, { withFileTypes: true })) {
      if (entry.isDirectory()) look(entry.name, profile);
    }
  }
  if (found.length === 0) throw new Error('there is no dynasti under target/: run `cargo build --release` first');
  return found.sort((a, b) => b.built - a.built)[0].path;
}

/** A server of the test's own, on ports of its own. */
export class Server {
  #child;
  #story;
  #ended;
  /** Everything it printed, to both its outputs. */
  printed = '';

  /** Starts it with these options, and waits until it says where it listens. */
  static async start(options, story) {
    const server = new Server();
    server.#story = story;
    const args = ['serve', '--listen', '127.0.0.1:0', '--web', '127.0.0.1:0', ...options];
    const child = spawn(program(), args, { stdio: 'pipe' });
    server.#child = child;
    running.add(child);
    server.#ended = new Promise((resolve) => {
      child.once('close', () => {
        running.delete(child);
        resolve();
      });
    });
    child.once('error', (error) => story.tell('server', 'cannot be started:', error.message));
    child.stdin.on('error', () => {});
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        server.printed += text;
        story.tell('server', 'prints', text.trimEnd());
      });
    }
    const listens = await server.prints(/^Server listening on 127\.0\.0\.1:(\d+)$/m);
    const opens = await server.prints(/^Or open: http:\/\/127\.0\.0\.1:(\d+)\/$/m);
    server.port = Number(listens[1]);
    server.webPort = Number(opens[1]);
    return server;
  }

  /** Waits until what it printed matches. */
  prints(pattern) {
    return until(`the server prints ${pattern}`, () => pattern.exec(this.printed), () => `; it printed:\n${this.printed}`);
  }

  /** The operator types a line. */
  operator(line) {
    this.#story.tell('operator', 'types', line);
    this.#child.stdin.write(`${line}\n`);
  }

  /** Who is here, in the order they came: what `GET /who` says. */
  async who() {
    const answer = await fetch(`http://127.0.0.1:${this.webPort}/who`);
    return (await answer.json()).names;
  }

  /** Ends it in good order: everybody hears the goodbye. */
  async stop() {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }

  /** Ends it at once, without a word, as a power cut does. */
  async kill() {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
