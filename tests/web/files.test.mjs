// Files: sent from the page by button, by dropping and by pasting; what a page shows of them; and what may go wrong.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { deferred, play } from './harness.mjs';
import { png } from './picture.mjs';

const text = (name, words = 'hello') => ({ name, buffer: Buffer.from(words) });

/** Hears that a file is shared, and returns where it is to be had. */
async function hearsOf(client, who, name, size) {
  const line = await client.next(`${who} shares ${name}`);
  const [before, address] = line.split(/: (?=http:)/);
  assert.equal(before, `${who} shares ${name} (${size})`);
  return address;
}

/** Holds the requests of a page that match: each waits until it is let go. Returns those that wait. */
async function holds(visitor, pattern, method) {
  const held = [];
  await visitor.page.route(pattern, async (route) => {
    if (route.request().method() !== method) return route.continue();
    const freed = deferred();
    held.push({ name: decodeURIComponent(route.request().url()).split(/[/=]/).at(-1), goOn: freed.resolve });
    // What was given up meanwhile cannot go on.
    return freed.promise.then((way = (it) => it.continue()) => way(route)).catch(() => {});
  });
  return held;
}

const waitsFor = (visitor, held, count) => visitor.until(`${count} requests wait`, () => held.length === count);

/** Waits until this is said beside a file that is on its way. */
const isToldOf = (visitor, name, words) => visitor.until(
  `${visitor.name} reads ${words} of ${name}`,
  async () => (await visitor.uploads.filter({ hasText: name }).allInnerTexts()).some((told) => told.includes(words)),
);

const button = (visitor, label) => visitor.page.getByRole('button', { name: label, exact: true });

/** Gives the page what a drag or a paste has: files, and texts by their type. */
function gives(visitor, event, files, texts = {}) {
  return visitor.page.evaluate(([type, names, more]) => {
    const transfer = new DataTransfer();
    for (const name of names) transfer.items.add(new File(['hello'], name));
    for (const [kind, words] of Object.entries(more)) transfer.items.add(words, kind);
    const init = { bubbles: true, cancelable: true };
    const given = type === 'paste'
      ? new ClipboardEvent(type, { ...init, clipboardData: transfer })
      : new DragEvent(type, { ...init, dataTransfer: transfer });
    (document.activeElement ?? document.body).dispatchEvent(given);
    const hint = document.getElementById('drop');
    return { taken: given.defaultPrevented, hint: hint.checkVisibility() && hint.textContent };
  }, [event, files, texts]);
}

test('A photo is a picture at every page, its place is kept before it comes, and nc hears where it is', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  const cid = await stage.phone('Cid');
  await bob.hearsEach(['Ann has joined the chat.', 'Cid has joined the chat.']);
  await ann.reads('news Cid has joined the chat.');
  const held = await holds(cid, '**/files/*/*', 'GET');
  const photo = { name: 'the beach.png', buffer: png(900, 600) };
  const chooser = await ann.shares(ann.photo, photo);
  assert.ok(chooser.isMultiple());
  assert.equal(await chooser.element().getAttribute('accept'), 'image/*');
  await ann.reads('own file [the beach.png]');
  await ann.hasSentAll();
  const address = await hearsOf(bob, 'Ann', 'the beach.png', `${(photo.buffer.length / 1000).toFixed(1)} kB`);
  const answer = await fetch(address);
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), photo.buffer);

  await cid.reads('file Ann: [the beach.png]');
  await waitsFor(cid, held, 1);
  const look = () => cid.log.locator('img').evaluate((image) => {
    const { x, y, width, height } = image.getBoundingClientRect();
    return { loaded: image.naturalWidth, box: { x, y, width, height } };
  });
  const before = await look();
  assert.equal(before.loaded, 0);
  assert.ok(Math.abs(before.box.width / before.box.height - 1.5) < 0.01 && before.box.width > 200, JSON.stringify(before));
  held[0].goOn();
  await cid.until('the picture has come', async () => (await look()).loaded === 900);
  assert.deepEqual((await look()).box, before.box);
  const link = cid.log.locator('a', { has: cid.page.locator('img') });
  assert.equal(await link.getAttribute('rel'), 'noopener noreferrer');
  assert.equal(await link.getAttribute('target'), '_blank');
  assert.equal(await link.evaluate((a) => a.pathname), new URL(address).pathname);

  await cid.reloads();
  await cid.until('the picture is there again', async () => (await cid.lines()).includes('file Ann: [the beach.png]'));
}));

test('Any other file is a link with name and size, and is downloaded, whatever is in it and whatever it is called', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const cid = await stage.desk('Cid');
  const ann = await stage.desk('Ann');
  await bob.hearsEach(['Cid has joined the chat.', 'Ann has joined the chat.']);
  await cid.reads('news Ann has joined the chat.');
  const names = ['notes.pdf', '<img src=x onerror="document.title=1">.svg', 'a+b & 50%?#.txt', '写真 📷.svg'];
  for (const name of names) {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>';
    await ann.shares(ann.file, text(name, svg));
    await hearsOf(bob, 'Ann', name, '89 B');
    await ann.reads(`own file ${name} (89 B)`);
    await cid.reads(`file Ann: ${name} (89 B)`);
    const link = cid.log.getByRole('link', { name, exact: true });
    assert.equal(await link.getAttribute('download'), name);
    const [download] = await Promise.all([cid.page.waitForEvent('download'), link.click()]);
    assert.equal(await readFile(await download.path(), 'utf8'), svg);
  }
  assert.equal(await cid.log.locator('img, svg, script').count(), 0);
  assert.equal(await cid.page.title(), 'dynasti');
}));

test('A video is played where it stands, and its place does not change', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.smallPhone('Ann');
  await bob.hears('Ann has joined the chat.');
  await ann.shares(ann.file, text('clip.mp4', '\0\0\0\x18ftypisom\0\0\0\0'));
  await hearsOf(bob, 'Ann', 'clip.mp4', '16 B');
  await ann.reads('own file clip.mp4 (16 B)');
  const video = ann.log.locator('video');
  const { controls, preload, playsInline } = await video.evaluate(({ controls, preload, playsInline }) => ({ controls, preload, playsInline }));
  assert.deepEqual({ controls, preload, playsInline }, { controls: true, preload: 'metadata', playsInline: true });
  const { width, height } = await video.boundingBox();
  assert.ok(Math.abs(width / height - 16 / 9) < 0.02, `${width} x ${height}`);
}));

test('A picture that is forgotten is a link with a word', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const cid = await stage.desk('Cid');
  const ann = await stage.desk('Ann');
  await bob.hearsEach(['Cid has joined the chat.', 'Ann has joined the chat.']);
  await cid.reads('news Ann has joined the chat.');
  const held = await holds(cid, '**/files/*/*', 'GET');
  await ann.shares(ann.photo, { name: 'gone.png', buffer: png(30, 20) });
  const address = await hearsOf(bob, 'Ann', 'gone.png', `${png(30, 20).length} B`);
  await waitsFor(cid, held, 1);
  const own = ann.page.getByRole('img', { name: 'gone.png' });
  await ann.until('the picture is there', () => own.evaluate((image) => image.complete && image.naturalWidth > 0));
  stage.server.operator(`/forget ${address.split('/').at(-2)}`);
  await stage.server.prints(/forgotten: gone\.png/);
  cid.expects(/status of 404/);
  held[0].goOn();
  await cid.reads(new RegExp('^file Ann: gone\\.png \\(\\d+ B\\) could not be loaded$'));
}));

test('Several go one after the other, in order, while the chat goes on', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  const held = await holds(ann, '**/files?*', 'POST');
  await ann.shares(ann.file, text('one.txt'), text('two.txt'), text('three.txt'));
  assert.equal(await ann.uploads.count(), 3);
  assert.equal(await ann.page.getByRole('progressbar', { name: 'two.txt' }).count(), 1);
  for (const [n, name] of ['one.txt', 'two.txt', 'three.txt'].entries()) {
    await waitsFor(ann, held, n + 1);
    assert.equal(held[n].name, name);
    await ann.says(`before ${name}`);
    await bob.hears(`Ann: before ${name}`);
    held[n].goOn();
    await hearsOf(bob, 'Ann', name, '5 B');
    await ann.reads(`own file ${name} (5 B)`);
  }
  await ann.hasSentAll();
}));

test('Progress is shown, and a file that is cancelled under way is not shared; the next one is', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  const network = await ann.page.context().newCDPSession(ann.page);
  const uploadThroughput = 500_000;
  await network.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput });
  await ann.shares(ann.file, { name: 'large.bin', buffer: Buffer.alloc(5_000_000) }, text('small.txt'));
  const bar = ann.page.getByRole('progressbar', { name: 'large.bin' });
  await ann.until('a part is sent', async () => {
    const value = await bar.evaluate((element) => element.value);
    return value > 0 && value < 1;
  });
  await ann.presses(button(ann, 'Cancel large.bin'));
  await network.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await hearsOf(bob, 'Ann', 'small.txt', '5 B');
  await ann.reads('own file small.txt (5 B)');
  await ann.hasSentAll();
}));

test('Files are dropped anywhere on the page, which says so meanwhile', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  assert.deepEqual(await gives(ann, 'dragover', [], { 'text/plain': 'words' }), { taken: false, hint: false });
  assert.deepEqual(await gives(ann, 'dragover', ['a.txt']), { taken: true, hint: 'Drop files to send them' });
  await ann.page.getByText('Drop files').waitFor({ state: 'hidden' });
  await gives(ann, 'dragover', ['a.txt', 'b.txt']);
  assert.deepEqual(await gives(ann, 'drop', ['a.txt', 'b.txt']), { taken: true, hint: false });
  for (const name of ['a.txt', 'b.txt']) {
    await hearsOf(bob, 'Ann', name, '5 B');
    await ann.reads(`own file ${name} (5 B)`);
  }
}));

test('Files are pasted, and text that comes with a picture of itself stays text', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  await ann.message.focus();
  const office = { 'text/plain': 'words', 'text/html': '<b>words</b>' };
  assert.equal((await gives(ann, 'paste', ['image.png'], office)).taken, false);
  assert.equal((await gives(ann, 'paste', [], { 'text/plain': 'words' })).taken, false);
  assert.equal((await gives(ann, 'paste', ['image.png'], { 'text/html': '<img src="http://x/">' })).taken, true);
  await hearsOf(bob, 'Ann', 'image.png', '5 B');
  assert.equal((await gives(ann, 'paste', ['c.txt'], { 'text/plain': 'c.txt' })).taken, true);
  await hearsOf(bob, 'Ann', 'c.txt', '5 B');
  await ann.readsEach(['own file image.png (5 B)', 'own file c.txt (5 B)']);
}));

test('What is too large is told so with how much there may be, and what comes after it is sent', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  ann.expects(/status of 413/);
  // The server's answer to more than `--files 1`. A browser that still sends when it comes may not read it.
  await ann.page.route('**/files?*', (route) => route.fulfill({ status: 413, body: '1048576 bytes at most.\n' }), { times: 1 });
  await ann.shares(ann.file, text('huge.bin'), text('small.txt'));
  await hearsOf(bob, 'Ann', 'small.txt', '5 B');
  await ann.isTold('Too large: 1 MiB at most.');
  assert.equal(await button(ann, 'Try again huge.bin').count(), 0);
  await ann.presses(button(ann, 'Cancel huge.bin'));
  await ann.hasSentAll();
}));

test('A large file that is refused while it is still sent is not sent for ever: the reader is told', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  ann.expects(/status of 413|net::ERR_/);
  await ann.shares(ann.file, { name: 'huge.bin', buffer: Buffer.alloc(3_000_000) }, text('small.txt'));
  await hearsOf(bob, 'Ann', 'small.txt', '5 B');
  await ann.until('Ann is told', async () => /too large/i.test((await ann.alert.allInnerTexts()).join()));
}, ['--files', '1']));

test('Who is muted is told so, and tries again when it is over', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  stage.server.operator('/mute Ann');
  await ann.reads(/^note .*muted/);
  ann.expects(/status of 403/);
  await ann.shares(ann.file, text('a.txt'));
  await ann.isTold('The operator has muted you: nobody hears what you say.');
  stage.server.operator('/unmute Ann');
  await ann.reads(/^note /);
  await ann.presses(button(ann, 'Try again a.txt'));
  await hearsOf(bob, 'Ann', 'a.txt', '5 B');
  await ann.hasSentAll();
}));

test('A server that keeps no files says so', play(async (stage) => {
  const ann = await stage.phone('Ann');
  ann.expects(/status of 404/);
  await ann.shares(ann.file, text('a.txt'));
  await ann.isTold('No files are shared here: this server keeps none (--files 0).');
}, ['--files', '0']));

test('While there is no room, a file waits and goes by itself', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  ann.expects(/status of 503/);
  await ann.page.route('**/files?*', (route) => route.fulfill({ status: 503, headers: { 'Retry-After': '1' }, body: 'full' }), { times: 1 });
  await ann.shares(ann.file, text('a.txt'));
  await isToldOf(ann, 'a.txt', 'No room yet. Trying again ...');
  await hearsOf(bob, 'Ann', 'a.txt', '5 B');
  await ann.hasSentAll();
}));

test('A file that is lost on its way is tried again by a button; one that the connection is not there for goes when it is', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  ann.expects(/net::ERR_/);
  await ann.page.route('**/files?*', (route) => route.abort(), { times: 1 });
  await ann.shares(ann.file, text('a.txt'));
  await isToldOf(ann, 'a.txt', 'Connection lost.');
  await ann.presses(button(ann, 'Try again a.txt'));
  await hearsOf(bob, 'Ann', 'a.txt', '5 B');
  await ann.hasSentAll();
  stage.wire.cut();
  await ann.hasStatus(/lost/);
  await ann.shares(ann.file, text('b.txt'));
  stage.wire.mend();
  await hearsOf(bob, 'Ann', 'b.txt', '5 B');
  await ann.hasSentAll();
}));

test('A file on its way survives a lost stream', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  ann.expects(/net::ERR_/);
  const held = await holds(ann, '**/files?*', 'POST');
  await ann.shares(ann.photo, text('a.txt'));
  await waitsFor(ann, held, 1);
  stage.wire.cut();
  await ann.hasStatus(/lost/);
  stage.wire.mend();
  held[0].goOn();
  await hearsOf(bob, 'Ann', 'a.txt', '5 B');
  await ann.hasSentAll();
  await ann.reads('own file a.txt (5 B)');
}));

test('A file for a room that is not there any more is offered to the new one, and not sent by itself', play(async (stage) => {
  const ann = await stage.phone('Ann');
  ann.expects(/net::ERR_|status of 404/);
  const held = await holds(ann, '**/files?*', 'POST');
  await ann.shares(ann.file, text('a.txt'));
  await waitsFor(ann, held, 1);
  await stage.server.kill();
  await stage.startsAnew();
  const bob = await stage.nc('Bob');
  await isToldOf(ann, 'a.txt', 'Not sent: you were out of the room.');
  await ann.presses(button(ann, 'Try again a.txt'));
  await waitsFor(ann, held, 2);
  held[1].goOn();
  let line;
  do line = await bob.next('what Ann shares');
  while (!line.startsWith('Ann shares a.txt (5 B): '));
  await ann.hasSentAll();
}));
