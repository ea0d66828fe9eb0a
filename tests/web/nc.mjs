// Somebody who joined by `nc`: a bare TCP connection, lines out, lines in.

import { connect } from 'node:net';
import { deferred, within } from './patience.mjs';

const GREETING = "Hi! Welcome to Dynasti. What's your name?";

export class Nc {
  #socket;
  #story;
  #unread = '';
  #heard = [];
  #waiting;
  #ended = false;
  name = '(guest)';

  /** Connects to a server's port, and no more. */
  static async dial(port, story) {
    const client = new Nc();
    client.#story = story;
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    client.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text) => client.#takes(text));
    const end = () => {
      client.#ended = true;
      client.#waiting?.resolve();
    };
    socket.on('close', end).on('error', end);
    await within('a connection to the server', new Promise((resolve) => socket.once('connect', resolve)));
    return client;
  }

  /** Connects and joins under this name. */
  static async join(port, name, story) {
    const client = await Nc.dial(port, story);
    await client.hears(GREETING);
    client.says(name);
    client.name = name;
    await client.hears(`Welcome, ${name}! You can now chat. Type messages and press Enter.`);
    return client;
  }

  /** Sends a line; what has line breaks in it goes as several lines in one write. */
  says(line) {
    this.#story.tell(this.name, 'says', line);
    this.#socket.write(`${line}\n`);
  }

  /** Hears exactly this as the very next line. */
  async hears(line) {
    const heard = await this.next(line);
    if (heard !== line) throw new Error(`${this.name} heard ${JSON.stringify(heard)}, not ${JSON.stringify(line)}`);
  }

  /** Hears exactly these lines, in this order, and nothing between them. */
  async hearsEach(lines) {
    for (const line of lines) await this.hears(line);
  }

  /** The next line, whatever it is. */
  async next(wanted = 'another line') {
    while (this.#heard.length === 0) {
      if (this.#ended) throw new Error(`${this.name}'s connection ended, and no ${JSON.stringify(wanted)}`);
      this.#waiting = deferred();
      await within(`${this.name} hears ${JSON.stringify(wanted)}`, this.#waiting.promise);
    }
    return this.#heard.shift();
  }

  /** Ends the connection. */
  leaves() {
    this.#socket.end();
  }

  /** Ends the connection at once; for the end of a test. */
  end() {
    this.#socket.destroy();
  }

  #takes(text) {
    const lines = (this.#unread + text).split('\n');
    this.#unread = lines.pop();
    for (const line of lines) this.#story.tell(this.name, 'is told', line);
    this.#heard.push(...lines);
    this.#waiting?.resolve();
  }
}
