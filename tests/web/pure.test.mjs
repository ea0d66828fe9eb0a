// The pure half of the page's script, by itself: no browser, no server. What it promises is written in app.js.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

// Imported by its text: node before 22 takes a `.js` without a package.json beside it for something older than a module.
const script = readFileSync(new URL('../../src/web/page/app.js', import.meta.url));
const app = await import(`data:text/javascript;base64,${script.toString('base64')}`);

const TIME = '2026-11-28T10:41:00Z';
const event = (id, kind, data) => `id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;

test('Events are read whole wherever the stream is cut into pieces', () => {
  const stream = event('1-0', 'said', { text: 'Bob: ü 漢 🙂', from: 'Bob', words: 'ü 漢 🙂', at: TIME })
    + 'event: ping\ndata: {}\n\n' + ': a comment\n\n' + event('2-1', 'news', { text: 'Bob has left the chat.', from: 'Bob', at: TIME });
  const whole = new app.EventReader().read(stream);
  assert.deepEqual(whole.map(({ id, kind }) => [id, kind]), [['1-0', 'said'], ['', 'ping'], ['2-1', 'news']]);
  assert.equal(whole[0].data.words, 'ü 漢 🙂');
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const reader = new app.EventReader();
    assert.deepEqual([...reader.read(stream.slice(0, cut)), ...reader.read(stream.slice(cut))], whole, `cut at ${cut}`);
  }
  const reader = new app.EventReader();
  assert.deepEqual([...stream].flatMap((char) => reader.read(char)), whole, 'one by one');
});

test('An event that is no JSON is passed over, and the one after it is read', () => {
  const reader = new app.EventReader();
  const read = reader.read(`id: 1\nevent: said\ndata: {broken\n\n${event('2', 'note', { text: '-- ok' })}`);
  assert.deepEqual(read.map(({ id }) => id), ['2']);
});

test('An event cut off by the end of the stream is not taken for a whole one', () => {
  const text = event('1', 'said', { text: 'Bob: hi' });
  for (let length = 0; length < text.length; length += 1) {
    assert.deepEqual(new app.EventReader().read(text.slice(0, length)), [], `${length} characters`);
  }
});

const line = (kind, data, me = 'Ann') => app.lineOf(kind, { at: TIME, ...data }, me);

test('A line holds who said it and the words, and only what people say counts as new', () => {
  const said = line('said', { text: 'Bob: hi', from: 'Bob', words: 'hi' });
  assert.deepEqual([said.kind, said.name, said.words, said.at, said.counts, Boolean(said.own)], ['said', 'Bob', 'hi', TIME, true, false]);
  assert.equal(line('news', { text: 'Bob has joined the chat.', from: 'Bob' }).words, 'Bob has joined the chat.');
  assert.ok(!line('news', { text: 'Bob has joined the chat.', from: 'Bob' }).counts);
  assert.ok(!line('note', { text: '-- 1 here: Ann' }).counts);
  assert.equal(line('server', { text: '[SERVER]: tea', words: 'tea' }).counts, true);
  assert.equal(line('bye', { text: 'Server is shutting down. Bye!' }).kind, 'bye');
});

test('The operator\'s name is the server\'s, and a linked server\'s is its own', () => {
  assert.equal(line('server', { text: '[SERVER]: tea', words: 'tea' }).name, '[SERVER]');
  assert.equal(line('server', { text: '[SERVER@pi2]: tea: now', words: 'tea: now' }).name, '[SERVER@pi2]');
});

test('What we did ourselves, or whispered, is a line of our own', () => {
  const waved = line('note', { text: '-- * Ann waves' });
  assert.deepEqual([waved.kind, waved.own, waved.name, waved.words], ['action', true, 'Ann', 'waves']);
  const whispered = line('note', { text: '-- To Bob Lee (private): psst (private): really' });
  assert.deepEqual([whispered.kind, whispered.own, whispered.to, whispered.words], ['private', true, 'Bob Lee', 'psst (private): really']);
  const answer = line('note', { text: '-- 2 here: Ann, Bob' });
  assert.deepEqual([answer.kind, Boolean(answer.own), answer.words], ['note', false, '2 here: Ann, Bob']);
});

const shared = (name, more, me) => line('file', {
  text: `Bob shares ${name} (2.3 MB): http://pi:4080${more.path}`, from: 'Bob', name, kind: 'image/png', size: 2345678, ...more,
}, me);
const PATH = `/files/${'0af'.repeat(11).slice(1)}/x`;

test('A file is shown by its name and its size, in the server\'s words', () => {
  const file = shared('x (1).png', { path: PATH, width: 3, height: 2 });
  assert.deepEqual([file.name, file.words, file.counts, Boolean(file.own)], ['Bob', 'x (1).png', true, false]);
  assert.deepEqual(file.file, { path: PATH, kind: 'image/png', width: 3, height: 2, size: '(2.3\u00a0MB)' });
  assert.equal(shared('for Ann.png', { path: PATH }).mention, true);
  const own = shared('Bob.png', { path: PATH }, 'Bob');
  assert.deepEqual([own.own, Boolean(own.counts), Boolean(own.mention)], [true, false, false]);
});

test('A file that is not at this server, or not any more, is its line; and no other path is taken for a file', () => {
  for (const more of [
    { path: PATH, kind: undefined },
    { path: undefined },
    { path: `//evil.example${PATH}` },
    { path: `http://evil.example${PATH}` },
    { path: `javascript:${PATH}` },
    { path: '/files/0af/x' },
    { path: '/sessions/x' },
  ]) {
    const { file, words } = shared('x.png', more);
    assert.equal(file, undefined, more.path);
    assert.equal(words, `shares x.png (2.3 MB): http://pi:4080${more.path}`);
  }
});

test('A file that is too large is told how much there may be as the server\'s options count', () => {
  assert.equal(app.refusalOf('33554432 bytes at most.\n'), 'Too large: 32 MiB at most.');
  assert.equal(app.refusalOf('-- The operator has muted you.\n'), 'The operator has muted you.');
});

test('A kind that is not known yet is shown as a note, and no event breaks the page', () => {
  assert.equal(line('surprise', { text: 'something new' }).kind, 'note');
  for (const kind of ['said', 'action', 'private', 'server', 'news', 'note', 'bye', 'file', 'welcome', 'surprise']) {
    assert.equal(typeof app.lineOf(kind, {}, 'Ann').words, 'string', kind);
  }
});

test('The welcome is told as news, without how to send a line at nc', () => {
  const welcome = line('welcome', { text: 'Welcome, Ann! You can now chat. Type messages and press Enter.', from: 'Ann' });
  assert.deepEqual([welcome.kind, welcome.words, Boolean(welcome.counts)], ['news', 'Welcome, Ann! You can now chat.', false]);
});

test('A new name is read from the answer that gives it', () => {
  assert.equal(app.renamedTo('-- You are now known as Bea B. Lee.'), 'Bea B. Lee');
  assert.equal(app.renamedTo('Ann: -- You are now known as Bea.'), null);
  assert.equal(app.renamedTo('-- 1 here: Ann'), null);
});

test('Lines go on when the same person speaks within five minutes, and not otherwise', () => {
  const at = (minute, name = 'Bob', kind = 'said', more = {}) => ({ kind, name, at: `2026-11-28T10:${minute}:00Z`, ...more });
  assert.equal(app.goesOn(at('00'), at('04')), true);
  assert.equal(app.goesOn(at('00'), at('05')), false);
  assert.equal(app.goesOn(at('00'), at('01', 'Cid')), false);
  assert.equal(app.goesOn(at('00'), at('01', 'Bob', 'private')), false);
  assert.equal(app.goesOn(at('00'), at('01', 'Bob', 'said', { own: true })), false);
  assert.equal(app.goesOn(at('00', 'Ann', 'private', { to: 'Bob' }), at('01', 'Ann', 'private', { to: 'Cid' })), false);
});

test('A name is mentioned as a whole word, whatever its case', () => {
  for (const text of ['Ann', 'tea, ann?', 'ANN!', '(Ann)', 'Hanna and Ann', '@Ann:', '漢 Ann 漢']) {
    assert.equal(app.mentions(text, 'Ann'), true, text);
  }
  for (const text of ['', 'Anna', 'Hann', 'Ann3', 'Ann_', 'Ännchen Annchen', '𝒳Ann']) {
    assert.equal(app.mentions(text, 'Ann'), false, text);
  }
  assert.equal(app.mentions('ask bob lee', 'Bob Lee'), true);
  assert.equal(app.mentions('anything', ''), false);
});

test('A name has one colour, whatever its case, and names spread over all of them', () => {
  const names = Array.from({ length: 500 }, (_, n) => `Guest${n}`);
  const hues = new Set(names.map(app.hueOf));
  assert.deepEqual([...hues].sort((a, b) => a - b), Array.from({ length: 12 }, (_, n) => n * 30));
  for (const name of names) assert.equal(app.hueOf(name), app.hueOf(name.toUpperCase()));
});

test('People come and go by the news, and who spoke last is first', () => {
  const people = new app.People();
  people.replace(['Ann', 'Bob']);
  people.news('Cid has joined the chat.', 'Cid');
  people.hear('Bob');
  assert.deepEqual(people.latestFirst, ['Bob', 'Cid', 'Ann']);
  people.news('Bob is now known as Rob.', 'Bob');
  people.news('Cid has left the chat (too slow).', 'Cid');
  assert.deepEqual(people.latestFirst, ['Rob', 'Ann']);
  assert.equal(people.count, 2);
  people.replace(['Ann', 'Dora']);
  assert.deepEqual([...people.latestFirst].sort(), ['Ann', 'Dora']);
});

const links = (text) => app.pieces(text).filter((piece) => piece.href).map((piece) => piece.text);

test('Pieces are together the text, to the letter', () => {
  for (const text of ['', 'no address', 'http://a', 'a http://a b https://b.', 'http://', '<img src="http://a">', ' http://a  http://b ']) {
    assert.equal(app.pieces(text).map((piece) => piece.text).join(''), text);
  }
});

test('Addresses begin with http, https or www, and end before what ends the sentence', () => {
  assert.deepEqual(links('see http://pi:4080/x?a=1&b=2#c.'), ['http://pi:4080/x?a=1&b=2#c']);
  assert.deepEqual(links('(https://en.example/a_(b)), "https://x.example/"'), ['https://en.example/a_(b)', 'https://x.example/']);
  assert.deepEqual(links('HTTPS://EXAMPLE.ORG/A!'), ['HTTPS://EXAMPLE.ORG/A']);
  assert.deepEqual(links('javascript:alert(1) data:text/html,x file:///x ftp://x vbscript:x xhttp://no'), []);
  assert.deepEqual(links('http:// https://'), []);
  for (const piece of app.pieces('javascript:http://x http://a" onclick="x www.example.org')) {
    if (piece.href) assert.match(piece.href, /^https?:\/\//);
  }
});

test('Finding addresses takes time that grows with the text, and no faster', () => {
  const started = Date.now();
  for (const part of ['http://', 'http://a.', '(', ')', 'http://a)', 'www.', '.', 'https://a(', 'x)']) app.pieces(part.repeat(4096 / part.length));
  assert.ok(Date.now() - started < 2_000);
});

test('Addresses that mean the device itself are known', () => {
  for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '[::1]', 'x.localhost']) assert.equal(app.isLocal(host), true, host);
  for (const host of ['dynasti.local', '192.168.1.10', 'pi', '10.127.0.0', '[fe80::1]']) assert.equal(app.isLocal(host), false, host);
});

test('What stands before the cursor is completed to names, the longest beginning first, and to commands at the start', () => {
  const names = ['Bob', 'Ann Lee', 'Ann', 'Lee'];
  const complete = (before) => {
    const found = app.completions(before, names);
    return found && found.words.map((word) => (before.slice(0, found.start) + word).trimEnd());
  };
  assert.deepEqual(complete('b'), ['Bob']);
  assert.deepEqual(complete('tea for B'), ['tea for Bob']);
  assert.deepEqual(complete('ann l'), ['Ann Lee']);
  assert.deepEqual(complete('an'), ['Ann Lee', 'Ann']);
  assert.deepEqual(complete('and le'), ['and Lee']);
  assert.deepEqual(complete('/msg bo'), ['/msg Bob']);
  assert.deepEqual(complete('/m'), ['/msg', '/me']);
  assert.equal(complete(''), null);
  assert.equal(complete('bob '), null);
  assert.equal(complete('bobx'), null);
  assert.equal(complete('xbo'), null);
});

test('Days are told apart', () => {
  assert.equal(app.dayOf('2026-11-28T10:00:00'), app.dayOf('2026-11-28T23:59:59'));
  assert.notEqual(app.dayOf('2026-11-28T23:59:59'), app.dayOf('2026-11-29T00:00:00'));
  assert.notEqual(app.dayOf(TIME), app.dayOf(undefined));
});

test('A server\'s clock that is far off is followed, and the way of a line is not taken for it', () => {
  const now = Date.parse(TIME);
  assert.equal(app.skewOf('2026-11-28T10:40:57Z', now), 0);
  assert.equal(app.skewOf('2020-01-01T00:00:00Z', now), Date.parse('2020-01-01T00:00:00Z') - now);
});

test('Tries to connect come after 1, 2, 4, 8 and then 15 seconds, or up to a fifth less', () => {
  for (const [failures, seconds] of [[0, 1], [1, 2], [2, 4], [3, 8], [4, 15], [5, 15], [1000, 15]]) {
    for (const random of [undefined, 0, 0.5, 0.999]) {
      const pause = app.pause(failures, random);
      assert.ok(pause >= seconds * 800 && pause <= seconds * 1000, `${failures} failures: ${pause} ms`);
    }
  }
});

test('What is too long to be sent is told so before it is sent', () => {
  assert.ok(!app.problemOf('x'.repeat(4096)));
  assert.match(app.problemOf('x'.repeat(4097)), /4096/);
  assert.match(app.problemOf('漢'.repeat(1366)), /4098/);
  assert.ok(!app.problemOf(Array(15).fill('x'.repeat(4096)).join('\n')));
  assert.match(app.problemOf(Array(17).fill('x'.repeat(4096)).join('\n')), /64 KiB/);
});

test('The room sees what is said, not the commands; two slashes say one', () => {
  assert.equal(app.saidOf('one\n/who\n\n//two\n  \n three'), 'one\n/two\n three');
  assert.equal(app.saidOf('/me waves'), '');
});

test('Of many tabs those hidden the longest make room, and those that are seen never', () => {
  const tab = (id, hiddenSince, open = true) => ({ id, hiddenSince, open });
  assert.deepEqual(app.tabsToClose([]), []);
  assert.deepEqual(app.tabsToClose([tab('a', 1), tab('b', 2), tab('c', 3)]), []);
  assert.deepEqual(app.tabsToClose([tab('a', 3), tab('b', 1), tab('c', 2), tab('d', 4)]), ['b']);
  assert.deepEqual(app.tabsToClose([tab('a', 0), tab('b', 0), tab('c', 0), tab('d', 0)]), []);
  assert.deepEqual(app.tabsToClose([tab('a', 1, false), tab('b', 2), tab('c', 3), tab('d', 4)]), []);
});
