// Coming back after a reload, a cut, a silence or a new server. Nothing is lost or doubled, and a member who was kicked does
// not come back without being asked to.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { play, until } from './harness.mjs';

const LOST = /lost|connect|trying/i;

/** Gives a page a clock that the test can put forward. */
const clock = { before: (page) => page.clock.install() };

/** Bob at nc, and Ann at a page, who have heard of each other. */
async function room(stage, more) {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann', more);
  await bob.hears('Ann has joined the chat.');
  return { bob, ann };
}

/** Waits until everything that was written is accepted and the connection is well. */
async function isWell(visitor) {
  await visitor.hasStatus(/^$/);
  await visitor.until('nothing is unsent', async () => !(await visitor.lines()).some((line) => line.includes('unsent ')));
}

const own = (lines) => lines.filter((line) => line.startsWith('own '));
const others = (lines) => lines.filter((line) => !line.startsWith('own '));

test('A reload goes on where it was: no line is lost or doubled, one\'s own included', play(async (stage) => {
  const { bob, ann } = await room(stage);
  bob.says('one');
  await ann.reads('said Bob: one');
  await ann.says('two');
  await bob.hears('Ann: two');
  bob.says('three');
  await ann.reads('said Bob: three');
  const before = await ann.lines();
  await ann.reloads();
  bob.says('four');
  await ann.reads('said Bob: four');
  assert.deepEqual(await ann.lines(), [...before, 'said Bob: four']);
  await ann.reloads();
  await ann.reloads();
  await ann.says('five');
  await bob.hears('Ann: five');
  assert.deepEqual(await ann.lines(), [...before, 'said Bob: four', 'own said five']);
  assert.deepEqual(await stage.server.who(), ['Bob', 'Ann']);
}));

test('What is said while a page reloads is there when it is back', play(async (stage) => {
  const { bob, ann } = await room(stage);
  await ann.page.goto('about:blank');
  for (const line of ['one', 'two', 'three']) bob.says(line);
  await ann.opens();
  await ann.mayWrite();
  await ann.readsEach(['said Bob: one', 'said Bob: two', 'said Bob: three']);
  await ann.says('I am back');
  await bob.hears('Ann: I am back');
}));

test('A cut while both talk: each line arrives once and in order on both sides, and what is unsent says so', play(async (stage) => {
  const { bob, ann } = await room(stage);
  ann.expects(/net::ERR_/);
  bob.says('before');
  await ann.reads('said Bob: before');
  stage.wire.cut();
  for (const line of ['b1', 'b2', 'b3']) bob.says(line);
  await ann.writes('a1');
  await ann.until('a1 is marked as unsent', async () => (await ann.lines()).includes('own unsent said a1'));
  await ann.writes('a2');
  await ann.until('a2 is marked as unsent', async () => (await ann.lines()).includes('own unsent said a2'));
  await ann.hasStatus(LOST);
  bob.says('b4');
  assert.ok(await ann.message.isEditable(), 'typing goes on');
  stage.wire.mend();
  await bob.hearsEach(['Ann: a1', 'Ann: a2']);
  await ann.until('Ann reads b4', async () => (await ann.lines()).includes('said Bob: b4'));
  await isWell(ann);
  await ann.skips();
  await ann.says('a3');
  await bob.hears('Ann: a3');
  bob.says('after');
  await ann.reads('said Bob: after');
  const lines = await ann.lines();
  assert.deepEqual(own(lines), ['own said a1', 'own said a2', 'own said a3']);
  assert.deepEqual(others(lines), ['before', 'b1', 'b2', 'b3', 'b4', 'after'].map((words) => `said Bob: ${words}`));
}));

test('A line that arrived, but whose answer was lost, is not said again', play(async (stage) => {
  const { bob, ann } = await room(stage);
  ann.expects(/net::ERR_/);
  stage.wire.deafen();
  await ann.writes('only once');
  await bob.hears('Ann: only once');
  bob.says('I heard you');
  stage.wire.cut();
  await ann.until('it is marked as unsent', async () => (await ann.lines()).includes('own unsent said only once'));
  stage.wire.mend();
  await ann.until('Ann reads the answer', async () => (await ann.lines()).includes('said Bob: I heard you'));
  await isWell(ann);
  await ann.skips();
  await ann.says('good');
  await bob.hears('Ann: good');
  assert.deepEqual(own(await ann.lines()), ['own said only once', 'own said good']);
}));

test('What is unsent survives a reload, and is sent once', play(async (stage) => {
  const { bob, ann } = await room(stage);
  ann.expects(/net::ERR_/);
  stage.wire.deafen();
  await ann.writes('half arrived');
  await bob.hears('Ann: half arrived');
  stage.wire.cut();
  await ann.writes('not arrived');
  await ann.until('it is marked as unsent', async () => (await ann.lines()).includes('own unsent said not arrived'));
  stage.wire.mend();
  await ann.reloads();
  await bob.hears('Ann: not arrived');
  await isWell(ann);
  assert.deepEqual(own(await ann.lines()), ['own said half arrived', 'own said not arrived']);
}));

/**
 * Puts a page's clock forward past its patience with a silent stream, and then past its patience with a new one, as often
 * as it takes: the browser may hold other connections that have gone silent, and try them first.
 */
async function losesPatience(ann, line, first = 36_000) {
  await ann.page.clock.fastForward(first);
  let next = Date.now() + 2_000;
  await ann.until(`Ann reads ${line}`, async () => {
    if (Date.now() > next) {
      await ann.page.clock.fastForward(11_000);
      next = Date.now() + 2_000;
    }
    return (await ann.lines()).includes(line);
  });
}

/** A wire that went silent without a word, and what lets the page lose its patience. */
async function silence(stage, ann, bob, passes) {
  bob.says('before');
  await ann.reads('said Bob: before');
  stage.wire.silence();
  bob.says('into the void');
  await ann.writes('hello?');
  await ann.until('it is marked as unsent', async () => (await ann.lines()).includes('own unsent said hello?'));
  // From here on a new connection would be well; the old ones stay silent.
  stage.wire.mend();
  await passes();
  await bob.hears('Ann: hello?');
  await ann.until('Ann reads it', async () => (await ann.lines()).includes('said Bob: into the void'));
  await isWell(ann);
  await ann.skips();
  await ann.says('there you are');
  await bob.hears('Ann: there you are');
  bob.says('and you');
  await ann.reads('said Bob: and you');
  assert.deepEqual(others(await ann.lines()), ['before', 'into the void', 'and you'].map((words) => `said Bob: ${words}`));
  assert.deepEqual(own(await ann.lines()), ['own said hello?', 'own said there you are']);
}

test('A wire that is silent for 35 s is given up for a new one', play(async (stage) => {
  const { bob, ann } = await room(stage, clock);
  ann.expects(/net::ERR_/);
  await silence(stage, ann, bob, () => losesPatience(ann, 'said Bob: into the void'));
}));

const slow = { skip: process.env.DYNASTI_WEB_SLOW ? false : 'DYNASTI_WEB_SLOW=1 runs it: it takes a minute' };
test('A wire that is silent is given up for a new one, by the real clock', slow, play(async (stage) => {
  const { bob, ann } = await room(stage);
  ann.expects(/net::ERR_/);
  await silence(stage, ann, bob, async () => {
    const isThere = async () => (await ann.lines()).includes('said Bob: into the void');
    await until('the page gives the wire up', isThere, undefined, 100_000);
  });
}));

test('A page that comes to the front on a wire that has gone silent finds a new one', play(async (stage) => {
  const { bob, ann } = await room(stage, clock);
  ann.expects(/net::ERR_/);
  await ann.hides();
  stage.wire.silence();
  bob.says('while you were away');
  stage.wire.mend();
  // So long that the server's ping is late, and not yet so long that the stream is given up by itself.
  await ann.page.clock.fastForward(20_000);
  await ann.shows();
  await losesPatience(ann, 'said Bob: while you were away', 0);
  await ann.skips();
  await ann.says('back');
  await bob.hears('Ann: back');
}));

test('A page that is put away closes its stream, and when it is shown again it has missed nothing', play(async (stage) => {
  const { bob, ann } = await room(stage);
  // As browsers do that keep the page to go back to. Headless ones do not, so the page is told what they would tell it.
  const tells = (kind) => ann.page.evaluate((type) => dispatchEvent(new PageTransitionEvent(type, { persisted: true })), kind);
  const closed = ann.page.waitForEvent('requestfailed', (request) => request.url().includes('/events'));
  await tells('pagehide');
  await closed;
  for (const line of ['one', 'two']) bob.says(line);
  await tells('pageshow');
  await ann.readsEach(['said Bob: one', 'said Bob: two']);
  await ann.says('here again');
  await bob.hears('Ann: here again');
  assert.deepEqual(await stage.server.who(), ['Bob', 'Ann']);
}));

test('A page that is hidden and frozen, and shown again, has missed nothing', play(async (stage) => {
  const { bob, ann } = await room(stage);
  ann.expects(/net::ERR_/);
  const devtools = await ann.page.context().newCDPSession(ann.page);
  await ann.hides();
  await devtools.send('Page.setWebLifecycleState', { state: 'frozen' });
  bob.says('one');
  bob.says('two');
  await devtools.send('Page.setWebLifecycleState', { state: 'active' });
  await ann.shows();
  await ann.readsEach(['said Bob: one', 'said Bob: two']);
  await ann.says('awake');
  await bob.hears('Ann: awake');
  assert.deepEqual(await stage.server.who(), ['Bob', 'Ann']);
}));

for (const [how, ends] of [['stopped', 'stop'], ['broken off', 'kill']]) {
  test(`When the server is ${how} and started anew, the page joins again under its name; what was unsent is offered, not sent`, play(async (stage) => {
    const { bob, ann } = await room(stage);
    ann.expects(/net::ERR_|status of (404|503)/);
    await ann.says('before');
    await bob.hears('Ann: before');
    await stage.server[ends]();
    await ann.hasStatus(LOST);
    await ann.writes('written in the dark');
    await ann.until('it is not lost', async () => (await ann.seenOrHeld()).includes('written in the dark'));
    // Cid is there first, to hear whatever Ann's page does.
    stage.wire.cut();
    await stage.startsAnew();
    const cid = await stage.nc('Cid');
    stage.wire.mend();
    await cid.hears('Ann has joined the chat.');
    await ann.hasStatus(/^$/);
    assert.ok((await ann.seenOrHeld()).includes('written in the dark'), 'what was unsent is still there');
    assert.ok((await ann.page.locator('[role=log] .divider').count()) > 0, 'a divider tells the two rooms apart');
    assert.ok((await ann.lines()).includes('own said before'), 'what was read stays');
    cid.says('hello');
    await ann.until('Ann reads Cid', async () => (await ann.lines()).includes('said Cid: hello'));
    await ann.writes('hello again');
    await cid.hears('Ann: hello again');
    await ann.presses(ann.sendAgain);
    await cid.hears('Ann: written in the dark');
    await ann.sendAgain.waitFor({ state: 'hidden' });
  }));
}

test('What is offered after a new start, and discarded, is not said', play(async (stage) => {
  const { ann } = await room(stage);
  ann.expects(/net::ERR_|status of (404|503)/);
  stage.wire.cut();
  await ann.writes('out of date');
  await ann.hasStatus(LOST);
  await stage.server.stop();
  await stage.startsAnew();
  const cid = await stage.nc('Cid');
  stage.wire.mend();
  await cid.hears('Ann has joined the chat.');
  await ann.presses(ann.discard);
  await ann.says('something new');
  await cid.hears('Ann: something new');
  assert.ok(!(await ann.seenOrHeld()).includes('out of date'));
}));

test('Whoever is kicked reads why, and does not come back by themselves', play(async (stage) => {
  const { bob, ann } = await room(stage, clock);
  ann.expects(/status of 404/);
  stage.server.operator('/kick Ann too loud');
  await bob.hears('Ann has left the chat (kicked: too loud).');
  await ann.until('Ann reads why', async () => (await ann.text()).includes('too loud'));
  for (let minute = 0; minute < 5; minute += 1) await ann.page.clock.fastForward(60_000);
  await ann.hides();
  await ann.shows();
  await ann.page.reload();
  await ann.page.clock.fastForward(60_000);
  stage.server.operator('and now?');
  await bob.hears('[SERVER]: and now?');
  assert.deepEqual(await stage.server.who(), ['Bob']);
}));

test('Whoever is kicked may join again, by asking for it', play(async (stage) => {
  const { bob, ann } = await room(stage);
  ann.expects(/status of 404/);
  stage.server.operator('/kick Ann');
  await bob.hears('Ann has left the chat (kicked).');
  await ann.presses(ann.joinAgain);
  await bob.hears('Ann has joined the chat.');
  await ann.skips();
  await ann.says('sorry');
  await bob.hears('Ann: sorry');
}));

test('Whoever leaves by closing the page, and opens it again, goes on as the same member', play(async (stage) => {
  const { bob, ann } = await room(stage);
  await ann.says('one moment');
  await bob.hears('Ann: one moment');
  await ann.page.goto('about:blank');
  bob.says('take your time');
  await ann.page.goBack();
  await ann.mayWrite();
  await ann.reads('said Bob: take your time');
  await ann.says('here');
  await bob.hears('Ann: here');
  assert.deepEqual(await stage.server.who(), ['Bob', 'Ann']);
}));
