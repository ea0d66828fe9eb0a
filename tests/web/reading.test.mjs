// Reading: the place that the reader keeps, the divider where reading stopped, the title, the days, and very many lines.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DESK, play, until } from './harness.mjs';

/** Bob at nc, Ann at a page, and so many lines between them that they do not fit it. */
async function longRoom(stage, comes) {
  const bob = await stage.nc('Bob');
  const ann = await stage[comes]('Ann');
  await bob.hears('Ann has joined the chat.');
  for (let n = 1; n <= 60; n += 1) bob.says(`line ${n}`);
  for (let n = 1; n <= 60; n += 1) await ann.reads(`said Bob: line ${n}`);
  return { bob, ann };
}

/** Whether this line can be seen, all of it. */
async function isInView(visitor, words) {
  const line = visitor.log.locator('.line').filter({ has: visitor.page.getByText(words, { exact: true }) }).last();
  return line.evaluate((element) => {
    const box = element.getBoundingClientRect();
    const shown = document.elementFromPoint(box.left + box.width / 2, box.bottom - 2);
    return box.top >= 0 && box.bottom <= window.innerHeight && element.contains(shown);
  });
}

const sees = (visitor, words) => visitor.until(`${visitor.name} sees ${JSON.stringify(words)}`, () => isInView(visitor, words));

/** What scrolls the chat: the log, or what holds it. */
const scroller = (visitor) => visitor.log.evaluateHandle((log) => {
  let element = log;
  while (element && !(element.scrollHeight > element.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(element).overflowY))) {
    element = element.parentElement;
  }
  return element ?? document.scrollingElement;
});

for (const comes of ['phone', 'desk']) {
  test(`Who reads at the bottom stays there, and who has scrolled up keeps the place and is told how much is new (${comes})`, play(async (stage) => {
    const { bob, ann } = await longRoom(stage, comes);
    await sees(ann, 'line 60');
    const scrolls = await scroller(ann);
    await scrolls.evaluate((element) => element.scrollTo({ top: 0, behavior: 'instant' }));
    await sees(ann, 'line 1');
    const place = await scrolls.evaluate((element) => element.scrollTop);
    for (const n of [1, 2, 3]) {
      bob.says(`unseen ${n}`);
      await ann.reads(`said Bob: unseen ${n}`);
    }
    await ann.until('three are new', async () => (await ann.fresh.textContent({ timeout: 5_000 })).includes('3 new'));
    assert.equal(await scrolls.evaluate((element) => element.scrollTop), place, 'the place is kept');
    await ann.presses(ann.fresh);
    await sees(ann, 'unseen 3');
    await ann.until('nothing is new any more', async () => !(await ann.fresh.isVisible()));
    bob.says('at the bottom again');
    await ann.reads('said Bob: at the bottom again');
    await sees(ann, 'at the bottom again');
    await scrolls.evaluate((element) => element.scrollTo({ top: 0, behavior: 'instant' }));
    await sees(ann, 'line 1');
    await ann.says('my own line');
    await sees(ann, 'my own line');
  }));
}

test('Who scrolls down by hand is at the bottom again, and nothing is new', play(async (stage) => {
  const { bob, ann } = await longRoom(stage, 'desk');
  const scrolls = await scroller(ann);
  await scrolls.evaluate((element) => element.scrollTo({ top: 0, behavior: 'instant' }));
  await sees(ann, 'line 1');
  bob.says('unseen');
  await ann.fresh.waitFor();
  await ann.log.hover();
  await ann.page.mouse.wheel(0, 100_000);
  await ann.fresh.waitFor({ state: 'hidden' });
  await sees(ann, 'unseen');
}));

test('A phone\'s keyboard covers neither the field nor the newest line', play(async (stage) => {
  const { ann } = await longRoom(stage, 'phone');
  await ann.presses(ann.message);
  // `interactive-widget=resizes-content`: the keyboard takes its height from the page's.
  await ann.page.setViewportSize({ width: 390, height: 420 });
  await sees(ann, 'line 60');
  const box = await ann.message.boundingBox();
  assert.ok(box.y >= 0 && box.y + box.height <= 420, JSON.stringify(box));
}));

test('A divider marks where reading stopped, and the title counts what came while the page was hidden', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  bob.says('seen');
  await ann.reads('said Bob: seen');
  const title = await ann.page.title();
  assert.doesNotMatch(title, /\d/);
  await ann.hides();
  for (const n of [1, 2]) {
    bob.says(`unseen ${n}`);
    await ann.reads(`said Bob: unseen ${n}`);
  }
  await ann.until('the title counts two', async () => /\b2\b/.test(await ann.page.title()));
  const before = ann.log.locator('.divider ~ .line');
  await ann.shows();
  assert.deepEqual(await before.locator('.words').allInnerTexts(), ['unseen 1', 'unseen 2']);
  await ann.until('the title is as it was', async () => (await ann.page.title()) === title);
  assert.equal(await ann.log.locator('.divider').count(), 1);
  await ann.hides();
  bob.says('unseen 3');
  await ann.reads('said Bob: unseen 3');
  await ann.shows();
  assert.equal(await ann.log.locator('.divider').count(), 1, 'one divider at a time');
  assert.deepEqual(await before.locator('.words').allInnerTexts(), ['unseen 3']);
}));

test('What is replayed to a newcomer counts for nothing, even while the page is hidden', play(async (stage) => {
  const bob = await stage.nc('Bob');
  for (const n of [1, 2, 3]) bob.says(`earlier ${n}`);
  stage.server.operator('now they are in');
  await bob.hears('[SERVER]: now they are in');
  const ann = await stage.visitor(DESK);
  const title = await ann.page.title();
  await ann.yourName.fill('Ann');
  await ann.hides();
  await ann.joins('Ann');
  await ann.until('it is replayed', async () => (await ann.lines()).some((line) => line.includes('now they are in')));
  assert.equal(await ann.page.title(), title);
  assert.equal(await ann.log.locator('.divider').count(), 0);
  bob.says('this counts');
  await ann.until('one line counts', async () => /\b1\b/.test(await ann.page.title()));
}, ['--replay', '9']));

test('Lines carry their local time, and a day is named where it begins', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  bob.says('what time is it?');
  await ann.reads('said Bob: what time is it?');
  const time = ann.log.locator('.line', { hasText: 'what time is it?' }).locator('time');
  const at = new Date(await time.getAttribute('datetime'));
  assert.ok(Math.abs(Date.now() - at) < 60_000, `${at}`);
  const local = at.toLocaleTimeString('en-GB', { timeZone: 'Europe/Berlin', hour: 'numeric', minute: '2-digit' });
  assert.equal((await time.textContent()).trim().padStart(5, '0'), local.padStart(5, '0'));
  assert.ok((await ann.log.locator('.day').count()) >= 1);
}));

test('Each name has a colour of its own', play(async (stage) => {
  const ann = await stage.desk('Ann');
  const colours = new Set();
  for (const name of ['Bob', 'Cid', 'Dora', 'Emil']) {
    const member = await stage.nc(name);
    await ann.reads(`news ${name} has joined the chat.`);
    member.says('hello');
    await ann.reads(`said ${name}: hello`);
    const label = ann.log.locator('.line[data-kind=said] .name').last();
    colours.add(await label.evaluate((element) => getComputedStyle(element).color));
  }
  assert.ok(colours.size >= 3, `four names have ${colours.size} colours`);
}));

test('A flood of 2000 lines leaves the page at work, the newest 1000 of them in it', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  await ann.page.evaluate(() => {
    window.longest = 0;
    let last = performance.now();
    setInterval(() => {
      window.longest = Math.max(window.longest, performance.now() - last);
      last = performance.now();
    }, 10);
  });
  bob.says(Array.from({ length: 2000 }, (_, n) => `flood ${n + 1}`).join('\n'));
  await until('the last line is there', () => ann.log.getByText('flood 2000', { exact: true }).isVisible());
  const lines = await ann.lines();
  assert.ok(lines.length <= 1000 && lines.length >= 990, `${lines.length} lines`);
  assert.deepEqual(lines, lines.map((_, n) => `said Bob: flood ${2000 - lines.length + n + 1}`), 'in order, without a gap');
  assert.ok((await ann.log.locator('.line').count()) <= 1000);
  await sees(ann, 'flood 2000');
  const longest = await ann.page.evaluate(() => window.longest);
  // Some ten times what it takes here; a page that does something for each line again takes far longer.
  assert.ok(longest < 10_000, `the page stood still for ${longest} ms`);
  await ann.writes('still here');
  await bob.hears('Ann: still here');
  await ann.reloads();
  await ann.until('it is all there after a reload', async () => (await ann.lines()).at(-1) === 'own said still here');
  assert.ok((await ann.lines()).length >= 990);
}, ['--rate', '0']));
