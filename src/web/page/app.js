// The page of a dynasti room: joins by a name, shows what is said, sends what is typed.
//
// The first half is pure, and tested by node. The second has the DOM, the network and the clock, and starts only where
// there is a document.
//
// The page must work on plain HTTP at an IP address, without what browsers keep for HTTPS: the clipboard, notifications,
// Web Locks, crypto.randomUUID. Whatever anybody typed reaches the DOM as text only.

// ===== 1. Pure

const MOST_LINES = 1000;

// --- Events

/** Reads a text/event-stream in pieces. EventSource does not tell a 404 (no session) from no server. */
export class EventReader {
  #rest = '';

  /** Returns the events that a piece completes. */
  read(piece) {
    const events = (this.#rest + piece).split('\n\n');
    this.#rest = events.pop();
    return events.map(eventOf).filter(Boolean);
  }
}

function eventOf(text) {
  const fields = Object.fromEntries(text.split('\n').map((row) => row.split(/: (.*)/s)));
  try {
    return { id: fields.id ?? '', kind: fields.event, data: JSON.parse(fields.data) };
  } catch {
    return null; // no event of our server's
  }
}

// --- Lines

/** What people say: it counts as new, and it can mention us. */
const SPOKEN = ['said', 'action', 'private', 'server', 'file'];

/** Returns the line that an event shows. `me` is our own name. */
export function lineOf(kind, data, me) {
  const text = String(data.text ?? '');
  const line = { kind, name: data.from ?? '', words: data.words ?? text, at: data.at ?? new Date().toISOString() };
  if (kind === 'note') return noteOf({ ...line, name: '', words: text }, me);
  // How to send a line is said to those at `nc`, and a phone may have no Enter.
  if (kind === 'welcome') return { ...line, kind: 'news', words: text.replace(' Type messages and press Enter.', '') };
  if (kind === 'server') line.name = text.slice(0, -line.words.length - 2); // `[SERVER]`, or `[SERVER@pi2]`
  if (kind === 'file') Object.assign(line, fileOf(text.slice(line.name.length + 1), data), line.name === me && { own: true });
  if (kind === 'bye') line.words = withoutDashes(text);
  if (!SPOKEN.includes(kind)) return { ...line, kind: ['news', 'bye'].includes(kind) ? kind : 'note' };
  return line.own ? line : { ...line, counts: true, mention: mentions(line.words, me) };
}

/** Reads an answer to us alone. What we did or whispered comes back as one: it is a line of our own. */
function noteOf(line, me) {
  const words = withoutDashes(line.words);
  const [, to, whispered] = /^To (.*?) \(private\): (.*)/s.exec(words) ?? [];
  if (to) return { ...line, kind: 'private', own: true, name: me, to, words: whispered };
  if (words.startsWith(`* ${me} `)) return { ...line, kind: 'action', own: true, name: me, words: words.slice(me.length + 3) };
  return { ...line, words };
}

/** Returns what a line of a file has of its own. Without a kind, it is another server's, or forgotten. */
function fileOf(words, { name, path, kind, width, height }) {
  if (!kind || !/^\/files\/[0-9a-f]{32}\//.test(path)) return { words };
  const size = words.slice(`shares ${name} `.length).split(':')[0].replace(' ', '\u00a0'); // not at the end of a line
  return { words: name, file: { path, kind, width, height, size } };
}

/** Each line of the server's answers begins with dashes. */
function withoutDashes(text) {
  return text.replace(/^-- /gm, '');
}

/** Returns our new name when an answer tells it, else null. */
export function renamedTo(text) {
  return /^-- You are now known as (.+)\.$/.exec(text)?.[1] ?? null;
}

/** Returns whether a line goes on where the one before stopped: its name is not shown again. */
export function goesOn(before, line) {
  if (before.kind !== line.kind || before.own !== line.own) return false;
  if (line.kind === 'news' || line.kind === 'note') return true;
  return before.name === line.name && before.to === line.to && new Date(line.at) - new Date(before.at) < 5 * 60_000;
}

// --- Names

const IN_WORD = '[\\p{L}\\p{N}_]';

/** Returns whether `text` has `name` as a whole word, in any case. */
export function mentions(text, name) {
  const wanted = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return name !== '' && new RegExp(`(?:^|(?!${IN_WORD}).)${wanted}(?!${IN_WORD})`, 'isu').test(text);
}

/** Returns the hue of a name, one of twelve, in degrees. */
export function hueOf(name) {
  let hash = 0x811c9dc5; // FNV-1a
  for (const char of name.toLowerCase()) hash = Math.imul(hash ^ char.codePointAt(0), 0x01000193);
  return ((hash >>> 10) % 12) * 30; // the lowest bits are mixed the least
}

/** Those who are here, as far as we have heard. Who spoke last is the last. */
export class People {
  #names = new Set();
  #news = null; // what was heard since the server was asked who is here: its answer may know less

  get count() {
    return this.#names.size;
  }

  get latestFirst() {
    return [...this.#names].reverse();
  }

  ask() {
    this.#news ??= [];
  }

  /** The server has answered; those whom we have heard keep their order. */
  replace(names) {
    const silent = new Set(names);
    const heard = [...this.#names].filter((name) => silent.delete(name));
    this.#names = new Set([...silent, ...heard]);
    const news = this.#news ?? [];
    this.#news = null;
    for (const [text, name] of news) this.news(text, name);
  }

  hear(name) {
    this.#names.delete(name);
    this.#names.add(name);
  }

  /** Takes in what a line of news tells about `name`. No name holds the words of these sentences. */
  news(text, name) {
    this.#news?.push([text, name]);
    const renamed = text.split(' is now known as ')[1];
    if (renamed || text.includes(' has left the chat')) this.#names.delete(name);
    if (renamed) this.hear(renamed.slice(0, -1));
    if (text.includes(' has joined the chat')) this.hear(name);
  }
}

// --- Addresses

/** No two parts of this match the same text: the time it takes grows with the text and no faster. */
const ADDRESS = /\b(?:https?:\/\/|www\.)[^\s<>"\u0060]+/giu;

/** Cuts a text into pieces: `{ text }`, or `{ text, href }` for an address. */
export function pieces(text) {
  const found = [];
  let done = 0;
  for (const { 0: match, index } of text.matchAll(ADDRESS)) {
    const address = withoutEnd(match);
    const href = hrefOf(address);
    if (!href) continue;
    if (index > done) found.push({ text: text.slice(done, index) });
    found.push({ text: address, href });
    done = index + address.length;
  }
  if (done < text.length) found.push({ text: text.slice(done) });
  return found;
}

/** Takes away what ends the sentence and not the address: `(see http://pi/a_(b)).` */
function withoutEnd(address) {
  let open = address.split('(').length - address.split(')').length; // below 0: more are closed than opened
  let end = address.length;
  for (; end > 0; end--) {
    const last = address[end - 1];
    if (last === ')' && open < 0) open++;
    else if (!'.,;:!?\'*_~]}…’”»。、'.includes(last)) break;
  }
  return address.slice(0, end);
}

function hrefOf(address) {
  try {
    const url = new URL(/^www\./i.test(address) ? `http://${address}` : address);
    return /^https?:$/.test(url.protocol) ? url.href : '';
  } catch {
    return ''; // it only looked like one, as `http://` alone does
  }
}

/** Returns whether an address means the device that it is opened on, and so is of no use to others. */
export function isLocal(host) {
  return /(^|\.)localhost$|^127\.[\d.]+$|^\[::1\]$/.test(host);
}

// --- Completing

const COMMANDS = ['/who', '/msg', '/reply', '/me', '/nick', '/history', '/ignore', '/send', '/files', '/help', '/quit'];
const LONGEST_NAME = 24;

/**
 * Returns what the text before the cursor can be completed to, or null: where the word starts, the words that can stand
 * there, and which of them does. Names have spaces: the longest end that begins a name counts.
 */
export function completions(before, names) {
  if (/^\/\S*$/.test(before)) return found(0, COMMANDS.filter((command) => command.startsWith(before)));
  const wordAtEnd = new RegExp(`${IN_WORD}$`, 'u');
  for (let start = Math.max(0, before.length - LONGEST_NAME); start < before.length; start++) {
    if (wordAtEnd.test(before.slice(0, start))) continue;
    const typed = before.slice(start).toLowerCase();
    const result = found(start, names.filter((name) => name.toLowerCase().startsWith(typed)));
    if (result) return result;
  }
  return null;
}

function found(start, words) {
  return words.length ? { start, words: words.map((word) => `${word} `), at: 0 } : null;
}

// --- Time

/** Returns the day of a time, here, in a form to compare. */
export function dayOf(at) {
  return new Date(at).toDateString();
}

/**
 * Returns how far the server's clock is ahead of ours, in ms, to date our own lines by: a Raspberry Pi without internet
 * may be years off, and the days in the log would go to and fro. A little is only the way here.
 */
export function skewOf(at, now) {
  const skew = new Date(at) - now;
  return Math.abs(skew) > 60_000 ? skew : 0;
}

/** Returns how many ms to wait before the next try to connect: 1, 2, 4, 8, 15, 15 ... s, or up to a fifth less. */
export function pause(failures, random = Math.random()) {
  return Math.min(2 ** failures, 15) * 1000 * (1 - 0.2 * random);
}

// --- Writing

const LONGEST_LINE = 4096; // bytes, at the server
const LONGEST_BODY = 64 * 1024;

/** Returns why a text cannot be sent, or nothing. */
export function problemOf(body) {
  const bytes = (text) => new TextEncoder().encode(text).length;
  if (bytes(body) > LONGEST_BODY) return 'Too much at once: 64 KiB at most.';
  const longest = Math.max(...body.split('\n').map(bytes));
  return longest > LONGEST_LINE ? `Line too long: ${longest} bytes, and ${LONGEST_LINE} at most can be sent.` : '';
}

/** Returns what the room sees of a text. What a command does, the server's answer shows. */
export function saidOf(body) {
  const lines = body.split('\n').filter((line) => line.trim() && (!line.startsWith('/') || line.startsWith('//')));
  return lines.map((line) => line.replace(/^\/\//, '/')).join('\n');
}

/** Returns why a file is not taken. The server counts in bytes, its options in MiB. */
export function refusalOf(text) {
  return withoutDashes(text.trim()).replace(/^(\d+) bytes/, (_, bytes) => `Too large: ${bytes / 2 ** 20} MiB`);
}

// --- Tabs

/** A browser opens six connections to a host. So four tabs have a stream, and the others look in now and then. */
const MOST_STREAMS = 4;

/** Returns which tabs must close their stream for ours: those hidden the longest. Visible ones never. */
export function tabsToClose(others) {
  const open = others.filter((tab) => tab.open);
  const hidden = open.filter((tab) => tab.hiddenSince).sort((a, b) => a.hiddenSince - b.hiddenSince);
  return hidden.slice(0, Math.max(0, open.length + 1 - MOST_STREAMS)).map((tab) => tab.id);
}

// ===== 2. The page

const STREAM_SILENT = 35_000; // the server pings every 15 s
const STREAM_STALE = 17_000; // a ping is late: reason to doubt when we wake up
const ANSWER_LATE = 20_000; // how long a stream may take to begin; Firefox tells of it only with the first byte
const LOSS_SHOWN = 2_000; // a shorter loss is not shown
const LOOK_IN = 45_000; // a session without a stream lives 120 s, and hidden tabs have slow timers
const LOOKED_IN = 1_500;
const STOPPED = 'Server is shutting down. Bye!';

/** All elements that have an id, by it. */
const ui = globalThis.document ? Object.fromEntries([...document.querySelectorAll('[id]')].map((el) => [el.id, el])) : {};

/** Our place in the room. `here`: we are in it, or come back by ourselves. */
let seat = { here: false, name: '', token: '', password: '', skew: 0 };
const people = new People();
let lastEvent = ''; // the id of the last event that is in the log

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

function on(target, names, listener) {
  for (const name of names.split(' ')) target.addEventListener(name, listener);
}

/** Waits, or until it is aborted. */
function sleep(ms, signal) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    on(signal, 'abort', resolve);
  });
}

function randomKey() {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}

function now() {
  return new Date(Date.now() + seat.skew).toISOString();
}

// --- What is kept. localStorage: the name. sessionStorage, this tab's alone: what a reload needs.

function keep(store, key, value) {
  try {
    globalThis[store].setItem(`dynasti.${key}`, JSON.stringify(value));
  } catch {
    // Forbidden or full: the page works without, until it is loaded again.
  }
}

function kept(store, key) {
  try {
    return JSON.parse(globalThis[store].getItem(`dynasti.${key}`));
  } catch {
    return null;
  }
}

function keepSeat() {
  keep('sessionStorage', 'seat', { ...seat, unsent });
}

function keepAll() {
  keepSeat();
  keepLines();
}

let keepTimer = 0;

/** Keeps the lines together with the last event among them: so nothing is missed or shown twice. */
function keepLines() {
  clearTimeout(keepTimer);
  keepTimer = 0;
  log.flush();
  keep('sessionStorage', 'lines', { lastEvent, lines: newestOf(log.lines, 2_000_000) });
}

function keepLinesSoon() {
  keepTimer ||= setTimeout(keepLines, 2_000);
}

/** Returns the newest lines, of so many characters: a browser gives us some 5 million. */
function newestOf(lines, characters) {
  let first = lines.length;
  while (first > 0 && (characters -= lines[first - 1].words.length + 150) > 0) first--;
  return lines.slice(first);
}

// --- The log

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

function timeElement(at) {
  return Object.assign(make('time', '', clock.format(new Date(at))), { dateTime: at });
}

function nameElement(name, coloured = true) {
  const element = make('bdi', 'name', name); // bdi: a name from right to left does not turn what stands around it
  if (coloured) element.style.setProperty('--hue', hueOf(name));
  return element;
}

function linkElement(href, content) {
  return Object.assign(make('a', '', content), { href, rel: 'noopener noreferrer', target: '_blank' });
}

function wordsElement(line) {
  if (line.file) return make('span', 'words', ...fileElements(line.words, line.file));
  const words = make('span', 'words');
  if (line.kind === 'action') words.append(nameElement(line.name), ' ');
  if (line.kind === 'news' && line.name && line.words.startsWith(line.name)) {
    words.append(nameElement(line.name, false), line.words.slice(line.name.length));
  } else {
    words.append(...pieces(line.words).map(({ text, href }) => (href ? linkElement(href, text) : text)));
  }
  return words;
}

function fileElements(name, { path, kind, width, height, size }) {
  const download = [Object.assign(make('a', '', name), { href: path, download: name }), ` ${size}`];
  if (kind === 'video/mp4') {
    const video = Object.assign(make('video', ''), { controls: true, preload: 'metadata', playsInline: true, src: path });
    return [video, ...download];
  }
  if (!width) return download;
  const scale = Math.min(1, 320 / width, 320 / height);
  const image = Object.assign(new Image(width * scale, height * scale), { loading: 'lazy', draggable: false, alt: name, src: path });
  image.style.aspectRatio = width / height; // whatever comes, its place stays as it is
  const picture = linkElement(path, image);
  on(image, 'error', () => {
    picture.replaceWith(...download, ' could not be loaded');
    log.stay();
  });
  return [picture];
}

function headElement(line) {
  const head = make('div', 'head', nameElement(line.name, line.kind !== 'server'));
  if (line.to) head.append(make('span', 'label', ' to ', make('bdi', '', line.to)));
  if (line.kind === 'private') head.append(make('span', 'label', ' (private)'));
  return head;
}

function lineElement(line, more) {
  const element = make('div', ['line', line.own && 'own', line.mention && 'mention', more && 'more'].filter(Boolean).join(' '));
  element.dataset.kind = line.kind;
  if (line.name && !['action', 'news'].includes(line.kind)) element.append(headElement(line));
  element.append(make('div', 'body', wordsElement(line), ' ', timeElement(line.at)));
  return element;
}

/** What has been said, where the reader is in it, and what is unread. */
class Log {
  lines = []; // what is shown, without what waits
  #waiting = []; // what came since the last frame; a flood is shown in batches
  #atEnd = true;
  #height = 0;
  #unread = 0;
  #marked = false; // the divider stands where reading stopped this time
  #divider = null;
  #missed = false; // what comes was said while we were not loaded
  #divided = false; // the last thing shown is no line
  #quietSince = 0; // since when a screen reader is not told; 0: it is
  #quietTimer = 0;

  start() {
    on(ui.log, 'scroll', () => this.#scrolled());
    // The keyboard, a longer text, a turned phone: who is at the end stays.
    new ResizeObserver(() => this.stay()).observe(ui.log);
    on(ui.new, 'click', () => this.toUnread());
  }

  add(line) {
    this.#waiting.push(line);
    if (this.#waiting.length > 1) return; // the batch is on its way already
    if (document.hidden) setTimeout(() => this.flush(), 250); // hidden pages have no frames
    else requestAnimationFrame(() => this.flush());
  }

  /** Shows what waits. One change and one scroll, however much it is. */
  flush() {
    const batch = document.createDocumentFragment();
    for (const line of this.#waiting.splice(0).slice(-MOST_LINES)) this.#put(line, batch);
    if (!batch.hasChildNodes()) return;
    ui.unsent.before(batch);
    this.#trim();
    this.stay();
    if (this.#quietSince && Date.now() - this.#quietSince < 3_000) this.quiet();
    this.#showUnread();
  }

  /** Shows lines from before a reload. What comes next was missed. */
  restore(lines) {
    for (const line of lines) this.#waiting.push({ ...line, counts: false });
    this.#missed = true;
    this.flush();
  }

  clear() {
    this.flush();
    this.lines = [];
    ui.log.replaceChildren(ui.unsent);
    this.#read();
  }

  divide(words) {
    this.flush();
    ui.unsent.before(make('div', 'divider', make('span', '', words)));
    this.#divided = true;
    this.stay();
  }

  /** After something has grown, goes to the end again if it was there. */
  stay() {
    this.#height = ui.log.clientHeight;
    if (this.#atEnd) this.toEnd();
  }

  toEnd() {
    ui.log.scrollTop = ui.log.scrollHeight;
    this.#atEnd = true;
    this.#read();
  }

  /** Goes to where reading stopped; from there, to the end. */
  toUnread() {
    const gap = (this.#divider?.getBoundingClientRect().top ?? 0) - ui.log.getBoundingClientRect().top;
    if (gap > 16) ui.log.scrollTop += gap - 8;
    else this.toEnd();
    focusField(); // the button goes away, and the focus must not
  }

  /** A screen reader is told nothing while we catch up: until nothing comes for a while, or for 3 s. */
  quiet() {
    this.#quietSince ||= Date.now();
    this.#tellReader(false);
    clearTimeout(this.#quietTimer);
    this.#quietTimer = setTimeout(() => this.#caughtUp(), 400);
  }

  seen() {
    this.flush();
    this.#read();
    this.#showUnread();
  }

  #caughtUp() {
    this.#quietSince = 0;
    this.#missed = false;
    this.#tellReader(true);
    this.#read();
  }

  #tellReader(tells) {
    ui.log.setAttribute('aria-live', tells ? 'polite' : 'off');
    ui.log.setAttribute('aria-busy', String(!tells));
  }

  #put(line, batch) {
    const before = this.lines.at(-1);
    const newDay = dayOf(line.at) !== dayOf(before?.at);
    if (newDay) batch.append(make('div', 'day', calendar.format(new Date(line.at))));
    this.#markUnread(line, batch);
    const apart = !before || newDay || this.#divided;
    batch.append(lineElement(line, !apart && goesOn(before, line)));
    this.#divided = false;
    this.lines.push(line);
  }

  /** Puts the divider before the first line that nobody reads. */
  #markUnread(line, batch) {
    const reads = this.#atEnd && !document.hidden && !this.#missed;
    if (reads || !line.counts) return;
    this.#unread++;
    if (this.#marked) return;
    this.#divider?.remove();
    this.#divider = make('div', 'divider', make('span', '', 'New'));
    batch.append(this.#divider);
    this.#divided = this.#marked = true;
  }

  #read() {
    if (!this.#atEnd || document.hidden || this.#missed) return;
    this.#unread = 0;
    this.#marked = false;
    this.#showUnread();
  }

  #scrolled() {
    if (ui.log.clientHeight !== this.#height) return; // it is the page that has changed: stay() comes next
    this.#atEnd = ui.log.scrollHeight - ui.log.scrollTop - ui.log.clientHeight < 40;
    this.#read();
  }

  #showUnread() {
    ui.new.hidden = this.#atEnd || !this.#unread;
    ui.new.textContent = `${this.#unread} new`;
    document.title = document.hidden && this.#unread ? `(${this.#unread}) dynasti` : 'dynasti';
  }

  /** Takes the oldest lines away. The day above those that stay comes first. */
  #trim() {
    const extra = this.lines.length - MOST_LINES;
    if (extra <= 0) return;
    this.lines.splice(0, extra);
    const height = ui.log.scrollHeight;
    const first = ui.log.querySelectorAll('.line')[extra];
    let day;
    for (let oldest; (oldest = ui.log.firstElementChild) !== first; oldest.remove()) if (oldest.matches('.day')) day = oldest;
    ui.log.prepend(day);
    first.classList.remove('more');
    // Safari does not keep in view what is read when something above it goes away.
    if (!this.#atEnd && !CSS.supports('overflow-anchor', 'auto')) ui.log.scrollTop -= height - ui.log.scrollHeight;
  }
}

const log = new Log();

// --- Writing

/**
 * What was typed and is not accepted yet, in order: { body, key, at, held }. By its key the server knows a text again:
 * however often it is sent, it is said once. What is held waits until the reader says so.
 */
let unsent = [];
const unsentElements = new Map(); // by item
let delivering = false;
let delivery = null; // aborts the request under way
let cycle = null; // what Tab completes to

function ownLine(words, at) {
  return { kind: 'said', own: true, name: seat.name, words, at };
}

/** Shows what is not accepted yet. Of a command, the answer is shown instead, unless that takes long. */
function showUnsent(item) {
  if (saidOf(item.body)) putUnsent(item);
  else setTimeout(() => putUnsent(item), 500);
}

function putUnsent(item) {
  if (!unsent.includes(item)) return;
  const element = lineElement(ownLine(item.body, item.at));
  element.classList.add('unsent');
  unsentElements.set(item, element);
  ui.unsent.append(element);
  log.toEnd();
}

function removeUnsent(item) {
  unsent = unsent.filter((other) => other !== item);
  unsentElements.get(item)?.remove();
  unsentElements.delete(item);
  keepSeat();
}

/** Sends what stands in the field. Without a connection it waits in the log. */
function send() {
  const body = ui.message.value.trimEnd();
  if (!body) return;
  ui.problem.textContent = seat.here ? problemOf(body) : 'You are not in the room. Join again first.';
  if (ui.problem.textContent) return;
  const item = { body, key: randomKey(), at: now() };
  unsent.push(item);
  keepSeat();
  setMessage('');
  showUnsent(item);
  log.toEnd();
  deliver();
}

/** Sends one text after the other: the next only when the room has the one before. */
async function deliver() {
  if (delivering) return;
  delivering = true;
  while (stream && (stream.open || !lossTimer)) {
    const item = unsent.find((one) => !one.held);
    if (!item || !(await deliverOne(item))) break;
  }
  delivering = false;
}

/** Returns whether to go on: with the next, or with this one again. */
async function deliverOne(item) {
  const { token } = seat;
  delivery = new AbortController();
  const request = { method: 'POST', body: item.body, headers: { 'Idempotency-Key': item.key }, signal: delivery.signal };
  const { status, text, wait } = await ask(`/sessions/${token}/lines`, request);
  if (status === 204) return accepted(item);
  if (token !== seat.token) return false; // the answer is about a session that we do not have any more
  if (isBusy(status)) return sleep(wait, delivery.signal).then(() => true);
  if (status === 404) sessionGone(token);
  else if (status) return refused(item, text);
  else if (stream?.open) lost();
  return false;
}

function accepted(item) {
  removeUnsent(item);
  const words = saidOf(item.body);
  if (words) log.add(ownLine(words, now()));
  keepLines();
  return true;
}

/** Puts a text that the server refused back into the field. */
function refused(item, reason) {
  removeUnsent(item);
  ui.problem.textContent = reason.trim() || 'The server did not take this.';
  if (!ui.message.value) setMessage(item.body);
  return true;
}

/** Asks what to do with what was typed for a room that is gone: said late, it may be out of place. */
function showOffer() {
  const count = unsent.filter((item) => item.held).length;
  ui.offer.hidden = !count || !seat.here;
  ui.offered.textContent = count === 1 ? '1 message was not sent.' : `${count} messages were not sent.`;
}

function hold(held) {
  for (const item of unsent) item.held = held;
}

function sendAgain() {
  hold(false);
  afterOffer();
  deliver();
}

function discard() {
  for (const item of unsent) if (item.held) removeUnsent(item);
  afterOffer();
}

function afterOffer() {
  keepSeat();
  showOffer();
  focusField();
}

/** A phone shows its keyboard for the field, half a page high: there the focus goes to the log. */
function focusField() {
  const field = matchMedia('(pointer: coarse)').matches ? ui.log : ui.message;
  field.focus({ preventScroll: true });
}

function setMessage(text) {
  ui.message.value = text;
  growField();
}

/** Makes the field as high as its text; style.css says how far. */
function growField() {
  ui.message.style.height = 'auto';
  ui.message.style.height = `${ui.message.scrollHeight + 2}px`;
}

function edited() {
  cycle = null;
  ui.problem.textContent = '';
  growField();
}

function typed(event) {
  if (event.key === 'Tab') return completeName(event);
  cycle = null;
  // 229: Safari tells only so that this Enter ends a composition.
  const composes = event.isComposing || event.keyCode === 229;
  if (event.key !== 'Enter' || event.shiftKey || composes) return;
  event.preventDefault();
  send();
}

/** Completes a name, and with every further Tab to the next one. After the last, or with none, Tab moves on as usual. */
function completeName(event) {
  if (event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
  const { value, selectionStart, selectionEnd } = ui.message;
  const names = people.latestFirst.filter((name) => name !== seat.name);
  if (cycle) cycle.at++;
  else if (selectionStart === selectionEnd) cycle = completions(value.slice(0, selectionStart), names);
  if (!cycle?.words[cycle.at]) return void (cycle = null);
  event.preventDefault();
  ui.message.setRangeText(cycle.words[cycle.at], cycle.start, selectionEnd, 'end');
}

// --- Files

/** What is not sent yet, in order: { file, row, bar, words, again, stop, held }. */
const uploads = new Set();
let uploading = false;
let dropTimer = 0;

function share(files) {
  for (const file of files) putUpload(file);
  focusField();
  upload();
}

function putUpload(file) {
  const row = ui.upload.content.firstElementChild.cloneNode(true);
  const [name, bar, words, again, cancel] = row.querySelectorAll('bdi, progress, p, button');
  const item = { file, row, bar, words, again, stop: new AbortController() };
  name.textContent = file.name;
  for (const control of [bar, again, cancel]) control.setAttribute('aria-label', `${control.textContent} ${file.name}`);
  on(again, 'click', () => (share([file]), removeUpload(item)));
  on(cancel, 'click', () => (removeUpload(item), focusField()));
  uploads.add(item);
  ui.uploads.append(row);
}

function removeUpload(item) {
  uploads.delete(item);
  item.row.remove();
  item.stop.abort();
}

function holdUpload(item, words, isHopeless = false) {
  item.held = item.bar.hidden = true;
  item.again.hidden = isHopeless;
  item.words.textContent = words;
  item.stop.abort();
}

/** Sends one file after the other. While the stream is lost, none is begun. */
async function upload() {
  if (uploading) return;
  uploading = true;
  for (let item; seat.token && !lossTimer && (item = [...uploads].find((one) => !one.held)); ) await uploadOne(item);
  uploading = false;
}

async function uploadOne(item) {
  const { token } = seat;
  const name = new URLSearchParams({ name: item.file.name });
  const { status, text, wait } = await ask(`/sessions/${token}/files?${name}`, item, sendFile);
  if (status === 201) return removeUpload(item);
  if (item.stop.signal.aborted) return;
  if (isBusy(status)) {
    item.words.textContent = 'No room yet. Trying again ...';
    return sleep(wait, item.stop.signal);
  }
  if (status === 404 && !text.startsWith('--')) return sessionGone(token);
  if (status) return holdUpload(item, refusalOf(text), status === 413);
  const readable = await item.file.slice(0, 1).arrayBuffer().then(() => true, () => false);
  // A refusal that comes while it is sent may go unread.
  const doubt = item.file.size > 2 ** 20 ? ' Is it too large?' : '';
  holdUpload(item, readable ? `Connection lost.${doubt}` : 'It cannot be read. Is it a folder?');
  if (readable && stream?.open) lost();
}

function chosen({ target }) {
  share(target.files);
  target.value = ''; // so that it can be chosen again
}

/** Files can be dropped anywhere; else the browser would leave the page to show them. */
function dragged(event) {
  const { type, dataTransfer } = event;
  if (!dataTransfer.types.includes('Files')) return;
  event.preventDefault();
  clearTimeout(dropTimer);
  ui.drop.hidden = type === 'drop';
  dropTimer = setTimeout(() => (ui.drop.hidden = true), 600); // nothing tells that they are gone
  if (type === 'drop' && !ui.chat.hidden) share(dataTransfer.files);
}

/** Office programs add a picture to text that is copied: the text is meant. */
function pasted(event) {
  const { files, types } = event.clipboardData;
  const isText = types.includes('text/plain') && types.includes('text/html');
  if (isText || !files.length || ui.chat.hidden) return;
  event.preventDefault();
  share(files);
}

// --- Requests

/** Asks the server. Never fails: with no answer, the status is 0. `wait`: how many ms before asking again. */
async function ask(address, options, send = fetch) {
  try {
    const answer = await send(address, { cache: 'no-store', ...options });
    const wait = Math.min(answer.headers.get('Retry-After') || 5, 60) * 1000;
    return { status: answer.status, text: await answer.text(), wait };
  } catch {
    return { status: 0, text: '' };
  }
}

/** Sends a file as fetch would, which does not tell how far it is. */
function sendFile(address, { file, bar, stop }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    on(request.upload, 'progress', ({ loaded, total }) => (bar.value = loaded / total));
    on(request, 'load', () => {
      const headers = { 'Retry-After': request.getResponseHeader('Retry-After') ?? '' };
      resolve(new Response(request.response, { status: request.status, headers }));
    });
    on(request, 'error abort timeout', reject);
    on(stop.signal, 'abort', () => request.abort());
    request.open('POST', address);
    request.timeout = 60_000 + file.size / 16; // ms; the server waits no longer
    request.send(file);
  });
}

/** Returns whether an answer is only about now: the same request may be taken later. */
function isBusy(status) {
  return status === 408 || status === 429 || status >= 500;
}

function authorization(password) {
  if (!password) return {};
  const bytes = new TextEncoder().encode(`:${password}`);
  return { Authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` };
}

const BUSY = -1;
let joining = false;

/** Asks for a session; one at a time: two would want the same name. */
async function askToJoin(name, password) {
  if (joining) return { status: BUSY };
  joining = true;
  const answer = await ask('/sessions', { method: 'POST', body: name, headers: authorization(password) });
  joining = false;
  return answer;
}

/** Returns the server's words as shown here: where `nc` asks with a colon, the page has a field. */
function wordsOf(text) {
  return withoutDashes(text.trim().replace(/ (Choose a different name|Try again):/, '').replace(/:$/, '.'));
}

// --- Who is here

async function askWho() {
  people.ask();
  const { status, text } = await ask('/who', { headers: authorization(seat.password) });
  people.replace(status === 200 ? JSON.parse(text).names : people.latestFirst);
  showPeople();
}

function showPeople() {
  ui.peopleButton.textContent = people.count ? `People (${people.count})` : 'People';
  ui.ownName.textContent = seat.name;
  if (!ui.people.open) return;
  const names = people.latestFirst.sort(new Intl.Collator().compare);
  ui.names.replaceChildren(...names.map((name) => make('li', '', nameElement(name), name === seat.name ? ' (you)' : '')));
}

// --- The connection: one stream of events, opened again whenever it ends.

let stream = null; // { abort, heard, open }
let failures = 0;
let retryTimer = 0;
let lossTimer = 0;
let resting = false; // another tab has our stream; we only look in

function openStream() {
  closeStream();
  const mine = { abort: new AbortController(), heard: Date.now(), open: false };
  stream = mine;
  const ended = () => stream === mine && lost();
  follow(mine, seat.token).then(ended, ended);
}

async function follow(mine, token) {
  // Without it the server would go on after what it has sent, and that may be lost.
  const address = `/sessions/${token}/events?after=${lastEvent || 0}`;
  const answer = await fetch(address, { cache: 'no-store', signal: mine.abort.signal });
  if (stream !== mine) return;
  if (answer.status === 404) return sessionGone(token);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  opened(mine);
  const [body, decoder, events] = [answer.body.getReader(), new TextDecoder(), new EventReader()];
  for (let piece; !(piece = await body.read()).done; ) {
    mine.heard = Date.now();
    for (const event of events.read(decoder.decode(piece.value, { stream: true }))) if (stream === mine) heard(event);
  }
}

function opened(mine) {
  mine.open = true;
  mine.heard = Date.now();
  failures = 0;
  noticeNoLoss();
  log.quiet();
  tellTabs();
  deliver();
  upload();
  if (resting) setTimeout(() => resting && stream === mine && rest(), LOOKED_IN);
  else askWho();
}

/** Without a stream no line is sent: what was on its way is tried again later, by the same key. */
function closeStream() {
  clearTimeout(retryTimer);
  delivery?.abort();
  stream?.abort.abort();
  stream = null;
}

function lost() {
  closeStream();
  noticeLoss();
  retryTimer = setTimeout(connect, pause(failures++));
}

function noticeLoss() {
  lossTimer ||= setTimeout(() => showState('Connection lost. Trying again ...'), LOSS_SHOWN);
}

function noticeNoLoss() {
  clearTimeout(lossTimer);
  lossTimer = 0;
  showState('');
}

function showState(words, canJoinAgain = false) {
  ui.status.textContent = words;
  ui.again.hidden = !canJoinAgain;
  log.stay();
}

function connect() {
  clearTimeout(retryTimer);
  if (!seat.here) return;
  if (seat.token) openStream();
  else rejoin();
}

/** Connections can break unnoticed, mostly on phones. A working server pings. */
function watch() {
  const limit = stream?.open ? STREAM_SILENT : ANSWER_LATE;
  if (!stream || Date.now() - stream.heard < limit) return;
  if (!stream.open) return lost();
  noticeLoss();
  openStream();
}

/** The page is looked at: it must have a working stream. */
function wake() {
  if (!seat.here || !claimed) return;
  resting = false;
  makeRoom();
  if (!stream) connect();
  else if (Date.now() - stream.heard > STREAM_STALE) openStream();
}

/** Makes room for a tab that is looked at. We look in now and then: our session lives on. */
function rest() {
  resting = true;
  closeStream();
  tellTabs();
  retryTimer = setTimeout(connect, LOOK_IN);
}

// --- The session

function heard({ id, kind, data }) {
  if (id) lastEvent = id;
  if (kind === 'ping') return;
  if (kind === 'welcome') welcomed(data);
  if (kind === 'note') called(renamedTo(data.text));
  if (['said', 'file'].includes(kind)) people.hear(data.from);
  if (kind === 'news') tellNews(data);
  log.add(lineOf(kind, data, seat.name));
  keepLinesSoon();
  if (kind === 'bye') saidBye(data.text);
}

function tellNews({ text, from }) {
  people.news(text, from);
  showPeople();
}

function welcomed({ from, at }) {
  if (from) seat.name = from;
  seat.skew = skewOf(at, Date.now());
  keepSeat();
  showPeople();
}

function called(name) {
  if (!name) return;
  people.news(` is now known as ${name}.`, seat.name);
  seat.name = name;
  keep('localStorage', 'name', name);
  keepSeat();
  showPeople();
}

function enter(token, name, password) {
  Object.assign(seat, { here: true, token, name, password });
  hold(true); // it was typed for the old room
  for (const item of uploads) if (!item.held) holdUpload(item, 'Not sent: you were out of the room.');
  lastEvent = '';
  if (log.lines.length) log.divide('You have joined again. What was said in between is not here.');
  keepAll();
  showChat();
  showOffer();
  openStream();
  makeRoom();
}

/** The server does not know our session: it was away too long, or the server is a new one. */
function sessionGone(token) {
  if (token !== seat.token) return; // we know already
  closeStream();
  seat.token = '';
  keepSeat();
  rejoin();
}

async function rejoin() {
  const { status, text } = await askToJoin(seat.name, seat.password);
  if (!seat.here || status === BUSY) return;
  // The name may be held by a connection of our own that is dead: the server finds out within seconds.
  const perhapsOurs = status === 409 && text.includes('If that is you') && failures < 4;
  if (status === 201) enter(text.trim(), seat.name, seat.password);
  else if (status === 0 || isBusy(status) || perhapsOurs) lost(); // it stops, or is full: later, perhaps
  else ended(wordsOf(text));
}

function saidBye(words) {
  if (words !== STOPPED) return ended('You are not in the room any more.');
  seat.token = '';
  keepSeat();
  lost(); // perhaps it starts again
}

/** We are out, and come back only if the reader wants to. */
function ended(words) {
  closeStream();
  noticeNoLoss();
  Object.assign(seat, { here: false, token: '' });
  keepAll();
  showOffer();
  showState(words, true);
  tellTabs();
}

async function joinAgain() {
  const { status, text } = await askToJoin(seat.name, seat.password);
  if (status === BUSY) return;
  if (status === 201) return enter(text.trim(), seat.name, seat.password);
  if (status === 0) return showState('The server does not answer.', true);
  showJoining(seat.name, wordsOf(text), status === 401);
}

/** The form. An empty name is for the server to judge: it may have guests. */
async function join(event) {
  event.preventDefault();
  const [name, password] = [ui.name.value.trim(), ui.password.value];
  // Emptied, so that the same refusal is read out again.
  ui.refusal.textContent = '';
  ui.name.readOnly = true;
  const { status, text } = await askToJoin(name, password);
  if (status === BUSY) return;
  ui.name.readOnly = false;
  if (status !== 201) return showJoining(name, status ? wordsOf(text) : 'The server does not answer. Try again.', status === 401);
  if (name) keep('localStorage', 'name', name);
  enter(text.trim(), name, password);
}

function leave() {
  ask(`/sessions/${seat.token}`, { method: 'DELETE', keepalive: true });
  forget();
  showJoining(seat.name);
}

function forget() {
  closeStream();
  noticeNoLoss();
  Object.assign(seat, { here: false, token: '', password: '' });
  unsent.forEach(removeUnsent);
  uploads.forEach(removeUpload);
  lastEvent = '';
  log.clear();
  keepAll();
  tellTabs();
}

function showJoining(name, refusal = '', asksPassword = false) {
  ui.people.close();
  ui.chat.hidden = true;
  ui.joining.hidden = false;
  ui.name.value = name;
  ui.refusal.textContent = refusal;
  if (asksPassword) ui.asked.hidden = false;
  const field = asksPassword ? ui.password : ui.name;
  field.focus();
  field.select();
}

function showChat() {
  showState('');
  showPeople();
  if (!ui.chat.hidden) return;
  ui.joining.hidden = true;
  ui.chat.hidden = false;
  growField();
  log.toEnd();
  focusField();
}

// --- The other tabs of this browser

const tabs = globalThis.document && globalThis.BroadcastChannel && new BroadcastChannel('dynasti');
const thisTab = randomKey();
const otherTabs = new Map();
let hiddenSince = 0;
let claimed = false; // our session is no other tab's

function tell(message) {
  tabs?.postMessage({ from: thisTab, ...message });
}

function tellTabs() {
  tell({ kind: 'state', tab: { id: thisTab, open: Boolean(stream), hiddenSince } });
}

/** Asks who has a stream, then the longest hidden to close theirs. A frozen tab does not answer: it has none. */
function makeRoom() {
  otherTabs.clear();
  tell({ kind: 'roll call' });
  setTimeout(() => tabsToClose([...otherTabs.values()]).forEach((to) => tell({ kind: 'rest', to })), 150);
}

const TAB_MESSAGES = {
  'roll call': () => tellTabs(),
  state: ({ tab }) => otherTabs.set(tab.id, tab),
  rest: ({ to }) => to === thisTab && stream && document.hidden && rest(),
  'whose session': ({ from, token }) => claimed && token === seat.token && token && tell({ kind: 'ours', to: from }),
  ours: ({ to }) => to === thisTab && duplicated(),
};

/** A duplicated tab has a copy of what the other keeps. The newer one takes a session of its own. */
function duplicated() {
  if (!seat.here) return;
  forget();
  showJoining(`${seat.name} 2`, `${seat.name} is here in another tab. Choose a name for this one:`);
}

// --- Panels

function openPeople() {
  ui.people.showModal();
  showPeople();
  askWho();
}

function openInvite() {
  ui.invite.showModal();
  ui.address.value = `${location.origin}/`;
  ui.copied.textContent = '';
  ui.code.src = location.protocol === 'https:' ? '/invite.svg?https' : '/invite.svg'; // only we know of a TLS proxy
  if (isLocal(location.hostname)) {
    ui.reach.textContent = 'Only this device can open this address. Others need the one that the server shows when it starts.';
    ui.code.hidden = true;
  }
}

/** The old way: browsers keep navigator.clipboard for HTTPS. */
function copyAddress() {
  ui.address.focus();
  ui.address.select();
  const copied = document.execCommand('copy');
  ui.copied.textContent = copied ? 'Copied.' : 'It is selected: copy it now.';
}

// --- The start

/** Tells style.css how much of the page is visible: on iOS the keyboard covers it and only this knows. */
function fit() {
  const { height, offsetTop, scale } = visualViewport;
  if (scale > 1.01) return; // by two fingers: then the page is to stay as it is
  const { style } = document.documentElement;
  style.setProperty('--height', `${height}px`);
  style.setProperty('--top', `${offsetTop}px`);
}

function visibilityChanged() {
  hiddenSince = document.hidden ? Date.now() : 0;
  log.seen();
  if (document.hidden) keepAll();
  else wake();
  tellTabs();
}

/** The page may never run again: a stream that it kept would only take a connection. */
function goToSleep() {
  keepAll();
  closeStream();
  claimed = false;
  tellTabs();
}

function resume() {
  const was = kept('sessionStorage', 'seat');
  if (!was?.here) {
    claimed = true;
    return showJoining(kept('localStorage', 'name') ?? '');
  }
  ({ unsent = [], ...seat } = was);
  const { lines = [], lastEvent: last = '' } = kept('sessionStorage', 'lines') ?? {};
  lastEvent = last;
  log.restore(lines);
  unsent.forEach(putUnsent);
  showChat();
  showOffer();
  claim();
}

/** Goes on with our session, unless another tab has it. */
function claim() {
  resting = false;
  tell({ kind: 'whose session', token: seat.token });
  setTimeout(() => {
    claimed = true;
    if (!seat.here) return;
    connect();
    makeRoom();
  }, 100);
}

function listen() {
  on(ui.join, 'submit', join);
  on(ui.write, 'submit', (event) => (event.preventDefault(), send()));
  on(ui.send, 'mousedown', (event) => event.preventDefault()); // the field keeps the focus, and a phone its keyboard
  on(ui.message, 'keydown', typed);
  on(ui.message, 'blur pointerdown', () => (cycle = null));
  on(ui.message, 'input', edited);
  on(ui.photo, 'click', () => ui.photos.click());
  on(ui.file, 'click', () => ui.files.click());
  for (const chooser of [ui.photos, ui.files]) on(chooser, 'change', chosen);
  on(document, 'dragenter dragover drop', dragged);
  on(document, 'paste', pasted);
  on(ui.unsent, 'animationend', () => log.stay()); // what is not sent yet has grown by saying so
  const buttons = { sendAgain, discard, again: joinAgain, leave, peopleButton: openPeople, inviteButton: openInvite, copy: copyAddress };
  for (const [id, press] of Object.entries(buttons)) on(ui[id], 'click', press);
  for (const panel of [ui.people, ui.invite]) {
    on(panel, 'click', ({ target }) => (target === panel || target.matches('.close')) && panel.close());
  }
  on(document, 'visibilitychange', visibilityChanged);
  on(globalThis, 'pagehide', goToSleep);
  on(document, 'freeze', goToSleep);
  on(document, 'resume', claim);
  on(globalThis, 'pageshow', ({ persisted }) => persisted && claim());
  on(globalThis, 'online', () => seat.here && claimed && connect());
  on(globalThis, 'offline', () => stream && openStream()); // a server on this device works without a network
  on(visualViewport, 'resize scroll', fit);
  if (tabs) on(tabs, 'message', ({ data }) => TAB_MESSAGES[data.kind]?.(data));
}

if (globalThis.document) {
  hiddenSince = document.hidden ? Date.now() : 0;
  listen();
  log.start();
  fit();
  setInterval(watch, 5_000);
  resume();
}
