// Somebody who joins by a browser: what they do at the page, by its roles and names, and what they read there.
//
// The chat is read like a transcript: `reads` takes the very next line, so that one which should not have come is seen.

import { HOST } from './chromium.mjs';
import { until } from './patience.mjs';

/** Whom the page may ask for what: nothing else is requested in any test. */
const ASKED_FOR = [
  /^\/$/,
  /^\/(app\.js|style\.css|invite\.svg|who|sessions)$/,
  /^\/sessions\/[0-9a-f]{32}(\/(events|lines|files))?$/,
  /^\/files\/[0-9a-f]{32}\/[^/]+$/,
];

/** What Chromium itself says of a request that failed; a test that makes one fail says so, by `expects`. */
const FAILED_REQUEST = /^Failed to load resource: /;

export class Visitor {
  #story;
  #read = 0;
  #expected = [];
  name = '(visitor)';
  /** What must not be: errors in the console, requests to elsewhere. */
  faults = [];
  /** The tokens of the sessions that this visitor had. */
  tokens = new Set();

  constructor(page, { origin, story, finger }) {
    this.page = page;
    this.origin = origin;
    this.finger = finger;
    this.#story = story;
    page.on('console', (message) => this.#hasConsole(message));
    page.on('pageerror', (error) => this.#fault(`an error in the page: ${error.stack ?? error}`));
    page.on('request', (request) => this.#hasRequest(request));
    page.on('popup', () => this.#fault('a window was opened'));
    page.on('dialog', (dialog) => this.#fault(`a dialog was opened: ${dialog.message()}`));
    this.log = page.getByRole('log', { name: 'Chat' });
    this.message = page.getByRole('textbox', { name: 'Message' });
    this.send = page.getByRole('button', { name: 'Send', exact: true });
    this.yourName = page.getByRole('textbox', { name: 'Your name' });
    this.password = page.getByRole('textbox', { name: 'Password' });
    this.join = page.getByRole('button', { name: 'Join', exact: true });
    this.alert = page.getByRole('alert');
    this.people = page.getByRole('button', { name: /^People/ });
    this.invite = page.getByRole('button', { name: 'Invite' });
    this.sendAgain = page.getByRole('button', { name: 'Send again' });
    this.discard = page.getByRole('button', { name: 'Discard' });
    this.joinAgain = page.getByRole('button', { name: 'Join again' });
    this.photo = page.getByRole('button', { name: 'Photo', exact: true });
    this.file = page.getByRole('button', { name: 'File', exact: true });
    this.uploads = page.getByRole('list', { name: 'Files on their way' }).getByRole('listitem');
    this.fresh = page.getByRole('button', { name: /^\d+\+? new$/ });
  }

  /** Lets requests fail in this way, as the test makes them do. */
  expects(pattern) {
    this.#expected.push(pattern);
  }

  // ---- joining

  async opens() {
    this.#story.tell(this.name, 'opens', this.origin);
    await this.page.goto(this.origin);
  }

  /** Fills in the name and joins, whatever comes of it. */
  async asksFor(name) {
    this.#story.tell(this.name, 'asks for the name', name);
    await this.yourName.fill(name);
    // So that what was wrong before is not taken for what is wrong now.
    await this.alert.evaluateAll((alerts) => alerts.forEach((alert) => alert.replaceChildren()));
    await this.presses(this.join);
  }

  /** Joins, and may write. */
  async joins(name) {
    await this.asksFor(name);
    this.name = name;
    await this.mayWrite();
  }

  /** Waits until there is a field to write in. */
  async mayWrite() {
    await this.until(`${this.name} may write`, async () => (await this.message.isVisible()) && this.message.isEditable());
  }

  /** Is told this, word for word, by an alert. */
  async isTold(words) {
    await this.until(`${this.name} is told ${JSON.stringify(words)}`, async () => {
      const told = await this.alert.allInnerTexts();
      return told.some((text) => plain(text).includes(plain(words)));
    });
  }

  // ---- writing

  /** Presses a button: by finger on a phone, by mouse at a desk. */
  async presses(button) {
    await (this.finger ? button.tap() : button.click());
  }

  /** Writes this and sends it, and does not look at what becomes of it. */
  async writes(words) {
    this.#story.tell(this.name, 'writes', words);
    await this.message.fill(words);
    if (this.finger) await this.presses(this.send);
    else await this.message.press('Enter');
  }

  /** Says a line, and sees it accepted by the room. */
  async says(words) {
    await this.writes(words);
    await this.reads(`own said ${words}`);
  }

  /** Presses Photo or File, and chooses these: each `{ name, buffer }`. */
  async shares(button, ...files) {
    for (const { name } of files) this.#story.tell(this.name, 'shares', name);
    const [chooser] = await Promise.all([this.page.waitForEvent('filechooser'), this.presses(button)]);
    await chooser.setFiles(files.map((file) => ({ mimeType: 'application/octet-stream', ...file })));
    return chooser;
  }

  /** Waits until nothing is on its way any more. */
  async hasSentAll() {
    await this.until(`all files of ${this.name} are sent`, async () => (await this.uploads.count()) === 0);
  }

  // ---- reading

  /**
   * The lines of the chat from this one on, each as one string: whether it is `own`, `unsent`, a `mention`, its kind, and
   * then `Name: words`, or the words alone where the line is our own, and for what nobody said the whole text. A picture
   * reads as its name in brackets. Whether the welcome is shown is left to the page: it is no line here.
   */
  lines(from = 0) {
    return this.page.evaluate((first) => {
      const said = ['said', 'action', 'private', 'file'];
      return [...document.querySelectorAll('[role=log] .line')].map((line) => {
        const part = (selector) => {
          const found = line.querySelector(selector)?.cloneNode(true);
          for (const image of found?.querySelectorAll('img') ?? []) image.replaceWith(`[${image.alt}]`);
          return found?.textContent.replaceAll('\u00a0', ' ').trim();
        };
        const { kind } = line.dataset;
        const marks = ['own', 'unsent', 'mention'].filter((mark) => line.classList.contains(mark));
        const whole = line.cloneNode(true);
        for (const time of whole.querySelectorAll('time, button, .visually-hidden')) time.remove();
        let text = whole.textContent.replace(/[^\S\n]+/g, ' ').trim();
        if (said.includes(kind)) {
          const name = part('.name');
          let words = part('.words');
          if (kind === 'action' && words.startsWith(`${name} `)) words = words.slice(name.length + 1);
          text = marks.includes('own') ? words : `${name}: ${words}`;
        }
        return [...marks, kind, text].join(' ');
      }).filter((line) => !/^\w+ Welcome, .*! You can now chat\./.test(line)).slice(first);
    }, from);
  }

  /** Reads exactly this as the very next line: by what `lines` makes of it, or by a pattern. */
  async reads(wanted) {
    const fits = (line) => (wanted instanceof RegExp ? wanted.test(line) : line === wanted);
    let seen;
    await this.until(
      `${this.name} reads ${wanted instanceof RegExp ? wanted : JSON.stringify(wanted)}`,
      async () => {
        [seen] = await this.lines(this.#read);
        return seen !== undefined && fits(seen);
      },
      () => `; the next line is ${JSON.stringify(seen)}`,
    );
    this.#story.tell(this.name, 'reads', seen);
    this.#read += 1;
    return seen;
  }

  /** Reads this next, but for what is our own: whether a command is shown to its author is left to the page. */
  async readsAfterOwn(pattern) {
    let line;
    do line = await this.reads(/./);
    while (line.startsWith('own ') && !pattern.test(line));
    if (!pattern.test(line)) throw new Error(`${this.name} read ${JSON.stringify(line)}, not ${pattern}`);
  }

  async readsEach(wanted) {
    for (const line of wanted) await this.reads(line);
  }

  /** Skips what is there: the next line to be read is the first that is not there yet. */
  async skips() {
    this.#read = (await this.lines()).length;
  }

  /** The connection's state, in the page's words; empty when all is well. */
  async status() {
    return plain((await this.page.getByRole('status').allInnerTexts()).join(' '));
  }

  /** Waits until the connection's state reads so. */
  async hasStatus(pattern) {
    let status;
    await this.until(
      `${this.name}'s page says ${pattern} of the connection`,
      async () => pattern.test((status = await this.status())),
      () => `; it says ${JSON.stringify(status)}`,
    );
  }

  /** Everything that can be read on the page. */
  async text() {
    return plain(await this.page.locator('body').innerText());
  }

  /** Everything that can be read on the page, and what stands in the field. */
  async seenOrHeld() {
    return `${await this.text()} ${await this.message.inputValue()}`;
  }

  // ---- panels

  /** The panel that is open. */
  get panel() {
    return this.page.getByRole('dialog').filter({ visible: true });
  }

  async opensPanel(button) {
    await this.presses(button);
    await this.panel.waitFor();
  }

  async closesPanel() {
    await this.presses(this.panel.getByRole('button', { name: 'Close' }));
    await this.panel.waitFor({ state: 'hidden' });
  }

  /** Presses "Leave", which may be in a panel. */
  async leaves() {
    this.#story.tell(this.name, 'leaves');
    const leave = this.page.getByRole('button', { name: 'Leave', exact: true });
    for (const button of [this.people, this.invite]) {
      if (await leave.isVisible()) break;
      if (await this.panel.isVisible()) await this.closesPanel();
      await this.opensPanel(button);
    }
    await this.presses(leave);
  }

  // ---- what a browser does to its pages

  /**
   * Hides the page or shows it again, as another tab in front of it does. Headless Chromium shows all its pages at once, so
   * the page is told what a browser with one screen would tell it.
   */
  async hides(hidden = true) {
    this.#story.tell(this.name, hidden ? 'looks elsewhere' : 'looks again');
    // What is not in front is drawn once a second, which is slow to press buttons in.
    if (!hidden) await this.page.bringToFront();
    await this.page.evaluate((is) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => is });
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (is ? 'hidden' : 'visible') });
      document.hasFocus = () => !is;
      document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
      window.dispatchEvent(new Event(is ? 'blur' : 'focus'));
    }, hidden);
  }

  shows() {
    return this.hides(false);
  }

  async reloads() {
    this.#story.tell(this.name, 'reloads');
    await this.page.reload();
    await this.mayWrite();
  }

  until(wanted, probe, instead) {
    return until(wanted, probe, instead);
  }

  /** What the page looks like, for a failure's story. */
  async scene() {
    try {
      const lines = (await this.lines()).slice(-25);
      const state = { status: await this.status(), alert: await this.alert.allInnerTexts(), title: await this.page.title() };
      const controls = await this.page.locator('body').ariaSnapshot({ timeout: 2000 });
      return `--- the page of ${this.name}: ${JSON.stringify(state)}\n${lines.join('\n')}\n${controls.slice(0, 2500)}`;
    } catch (error) {
      return `--- the page of ${this.name} cannot be read: ${error.message}`;
    }
  }

  #fault(fault) {
    this.#story.tell(this.name, 'is at fault:', fault);
    this.faults.push(fault);
  }

  #hasConsole(message) {
    const text = message.text();
    this.#story.tell(this.name, `has in the console (${message.type()})`, text);
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    if (FAILED_REQUEST.test(text) && this.#expected.some((pattern) => pattern.test(text))) return;
    this.#fault(`in the console: ${text} (${message.location().url})`);
  }

  #hasRequest(request) {
    const url = new URL(request.url());
    if (url.protocol === 'data:' || url.protocol === 'blob:') return;
    const [, token] = /^\/sessions\/([0-9a-f]{32})/.exec(url.pathname) ?? [];
    if (token) this.tokens.add(token);
    const known = url.origin === new URL(this.origin).origin && ASKED_FOR.some((path) => path.test(url.pathname));
    if (!known) this.#fault(`a request: ${request.method()} ${request.url()}`);
  }
}

/** Text as it is read: runs of white space are one space. */
function plain(text) {
  return text.replace(/\s+/g, ' ').trim();
}

/** The address of a page behind this port. */
export function originOf(port) {
  return `http://${HOST}:${port}/`;
}
