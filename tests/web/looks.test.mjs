// Looks: on the smallest phone nothing is wider than the page; in light and dark everything is legible; and axe-core finds no
// serious problem.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findings } from './axe.mjs';
import { DESK, PHONE, SMALL_PHONE, play } from './harness.mjs';
import { png } from './picture.mjs';

const PLACES = [
  ['a phone in light', { ...PHONE, colorScheme: 'light' }],
  ['a phone in dark', { ...PHONE, colorScheme: 'dark' }],
  ['a desk in light', { ...DESK, colorScheme: 'light' }],
  ['a desk in dark', { ...DESK, colorScheme: 'dark' }],
];

/** Fills the room with a line of every kind. */
async function everyKind(stage, ann, bob) {
  bob.says('a line with an address: http://example.org/ and a name: Ann');
  bob.says('/me waves');
  bob.says('/msg Ann psst');
  await ann.reads(/^mention said Bob: /);
  await ann.reads('action Bob: waves');
  await ann.reads('private Bob: psst');
  stage.server.operator('tea is ready');
  await ann.reads(/^server /);
  await ann.says('my own line');
  await ann.writes('/who');
  await ann.readsAfterOwn(/^note /);
  for (const name of ['Cid', 'Dora', 'Emil', 'Frieda', 'Gil', 'Hanna', 'Ivo', 'Jana']) {
    const member = await stage.nc(name);
    member.says('hello');
    await ann.reads(`news ${name} has joined the chat.`);
    await ann.reads(`said ${name}: hello`);
  }
}

/** Shares a picture and a video and a file, and leaves one that is lost and two that wait. */
async function everyFile(visitor, name) {
  for (const [button, file] of [
    [visitor.photo, { name: 'picture.png', buffer: png(900, 600) }],
    [visitor.photo, { name: 'tall.png', buffer: png(3, 900) }],
    [visitor.file, { name: 'clip.mp4', buffer: Buffer.from('\0\0\0\x18ftypisom\0\0\0\0') }],
    [visitor.file, { name, buffer: Buffer.from('hello') }],
  ]) {
    await visitor.shares(button, file);
    await visitor.readsAfterOwn(/^own file /);
  }
  visitor.expects(/net::ERR_/);
  const fails = [true, false];
  await visitor.page.route('**/files?*', (route) => (fails.shift() ? route.abort() : undefined));
  await visitor.shares(visitor.file, { name, buffer: Buffer.from('lost') });
  await visitor.isTold('Connection lost.');
  await visitor.shares(visitor.file, { name, buffer: Buffer.from('slow') }, { name: 'waits.txt', buffer: Buffer.from('waits') });
}

const hasNone = async (visitor, where) => assert.deepEqual(await findings(visitor.page), [], where);

for (const [place, settings] of PLACES) {
  test(`axe-core finds nothing serious on ${place}, text contrast included`, play(async (stage) => {
    const bob = await stage.nc('Bob');
    const ann = await stage.visitor(settings);
    ann.expects(/status of 409|net::ERR_/);
    await ann.yourName.waitFor();
    await hasNone(ann, 'the form');
    await ann.asksFor('Bob');
    await ann.isTold('Name "Bob" is already taken.');
    await hasNone(ann, 'the form with a refusal');
    await ann.joins('Ann');
    await everyKind(stage, ann, bob);
    await ann.hides();
    bob.says('unseen');
    await ann.reads('said Bob: unseen');
    await ann.shows();
    await hasNone(ann, 'the chat');
    for (const button of [ann.people, ann.invite]) {
      await ann.opensPanel(button);
      await hasNone(ann, `the panel of ${button}`);
      await ann.closesPanel();
    }
    await everyFile(ann, 'a file.pdf');
    await hasNone(ann, 'the chat with files');
    stage.wire.cut();
    await ann.writes('in the dark');
    await ann.hasStatus(/./);
    await hasNone(ann, 'the chat without a connection');
  }));
}

/** What reaches beyond the right edge of the page. */
const tooWide = (visitor) => visitor.page.evaluate(() => {
  const width = document.documentElement.clientWidth;
  const scrolls = [...document.querySelectorAll('body, body *')].filter((element) => {
    const overflow = getComputedStyle(element).overflowX;
    return element.scrollWidth > element.clientWidth + 1 && (overflow === 'auto' || overflow === 'scroll') && element.clientWidth > 0;
  });
  const beyond = [...document.querySelectorAll('body *')].filter((element) => {
    const box = element.getBoundingClientRect();
    const unseen = !element.checkVisibility() || element.closest('.head')?.offsetWidth === 1; // there for screen readers alone
    return !unseen && box.width > 1 && box.height > 1 && (box.right > width + 1 || box.left < -1);
  });
  const all = document.scrollingElement.scrollWidth > width ? ['the page itself'] : [];
  return [...all, ...new Set([...scrolls, ...beyond])].map((element) => element.outerHTML?.slice(0, 120) ?? element);
});

test('At 320 pixels nothing scrolls sideways, however long the words and the names', play(async (stage) => {
  const visitor = await stage.visitor(SMALL_PHONE);
  visitor.expects(/status of 409|net::ERR_/);
  await visitor.yourName.waitFor();
  assert.deepEqual(await tooWide(visitor), [], 'the form');
  await visitor.asksFor('W'.repeat(200));
  await visitor.isTold("can't be used");
  assert.deepEqual(await tooWide(visitor), [], 'the form with a refusal');
  const name = 'Wwwwwwwwwwwwwwwwwwwwwwww';
  const bob = await stage.nc(name);
  await visitor.joins('Annnnnnnnnnnnnnnnnnnnnnn');
  await bob.hears('Annnnnnnnnnnnnnnnnnnnnnn has joined the chat.');
  for (const words of ['W'.repeat(300), `http://example.org/${'w'.repeat(300)}`, '/me '.concat('W'.repeat(100)), '漢'.repeat(100)]) {
    bob.says(words);
    await visitor.reads(/./);
  }
  stage.server.operator('W'.repeat(200));
  await visitor.reads(/^server /);
  await visitor.says('W'.repeat(300));
  await bob.hears('-- * '.concat(name, ' ', 'W'.repeat(100)));
  assert.deepEqual(await tooWide(visitor), [], 'the chat');
  await visitor.message.fill('W'.repeat(300));
  assert.deepEqual(await tooWide(visitor), [], 'the chat with a long line in the field');
  for (const button of [visitor.people, visitor.invite]) {
    await visitor.opensPanel(button);
    assert.deepEqual(await tooWide(visitor), [], `the panel of ${button}`);
    await visitor.closesPanel();
  }
  await everyFile(visitor, 'W'.repeat(90));
  assert.deepEqual(await tooWide(visitor), [], 'the chat with files');
  const { height } = await visitor.log.boundingBox();
  assert.ok(height > 150, `files on their way leave the chat its place: ${height} pixels`);
  stage.wire.cut();
  await visitor.hasStatus(/./);
  assert.deepEqual(await tooWide(visitor), [], 'the chat without a connection');
}));

test('Fields have 16 pixels or more, so that no phone zooms in, and Send is large enough for a thumb', play(async (stage) => {
  const visitor = await stage.visitor(SMALL_PHONE);
  const size = (field) => field.evaluate((element) => parseFloat(getComputedStyle(element).fontSize));
  assert.ok((await size(visitor.yourName)) >= 16);
  await visitor.joins('Ann');
  assert.ok((await size(visitor.message)) >= 16);
  assert.equal(await visitor.message.getAttribute('enterkeyhint'), 'send');
  for (const [button, width] of [[visitor.send, 40], [visitor.photo, 36], [visitor.file, 36]]) {
    const box = await button.boundingBox();
    assert.ok(box.width >= width && box.height >= 40, JSON.stringify(box));
  }
  const field = await visitor.message.boundingBox();
  assert.ok(field.width >= 130, `the field is ${field.width} pixels wide`);
}));

test('Who wants no motion sees none', play(async (stage) => {
  const ann = await stage.phone('Ann', { with: { reducedMotion: 'reduce' } });
  const moving = await ann.page.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
  const smooth = await ann.page.evaluate(() => [...document.querySelectorAll('*')].filter((element) => getComputedStyle(element).scrollBehavior === 'smooth').length);
  assert.equal(smooth, 0);
}));
