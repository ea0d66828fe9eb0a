// Many tabs of one browser: it opens six connections to a host and no more, so that hidden tabs have to make room.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, play } from './harness.mjs';

test('Seven tabs of one browser all join, and each has every line soon after it is looked at', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const device = await stage.device(PHONE);
  const tabs = [];
  const names = ['Ann', 'Cid', 'Dora', 'Emil', 'Frieda', 'Gil', 'Hanna'];
  for (const name of names) {
    await tabs.at(-1)?.hides();
    const tab = await stage.visitor(PHONE, { device });
    await tab.joins(name);
    await bob.hears(`${name} has joined the chat.`);
    tabs.push(tab);
  }
  for (const round of [1, 2]) {
    await tabs.at(-1).hides();
    bob.says(`round ${round}`);
    for (const [n, tab] of tabs.entries()) {
      await tab.shows();
      await tab.until(`${names[n]} reads round ${round}`, async () => (await tab.lines()).includes(`said Bob: round ${round}`));
      await tab.writes(`${names[n]} in round ${round}`);
      await bob.hears(`${names[n]}: ${names[n]} in round ${round}`);
      if (n + 1 < tabs.length) await tab.hides();
    }
  }
  const said = (lines) => lines.filter((line) => line.startsWith('said '));
  for (const [n, tab] of tabs.entries()) {
    await tab.hides(false);
    const wanted = [1, 2].flatMap((round) => [
      `said Bob: round ${round}`,
      ...names.filter((_, other) => other !== n).map((name) => `said ${name}: ${name} in round ${round}`),
    ]);
    await tab.until(`${names[n]} has read everybody`, async () => said(await tab.lines()).length === wanted.length);
    assert.deepEqual(said(await tab.lines()), wanted, names[n]);
    await tab.hides();
  }
  assert.deepEqual(await stage.server.who(), ['Bob', ...names]);
}));

test('Two tabs of one browser are two members, and a reload of one leaves the other alone', play(async (stage) => {
  const device = await stage.device(PHONE);
  const ann = await stage.visitor(PHONE, { device });
  await ann.joins('Ann');
  const bea = await stage.visitor(PHONE, { device });
  await bea.joins('Bea');
  await ann.reads('news Bea has joined the chat.');
  await bea.says('one');
  await ann.reads('said Bea: one');
  await bea.reloads();
  await ann.says('two');
  await bea.until('Bea reads it', async () => (await bea.lines()).at(-1) === 'said Ann: two');
  assert.deepEqual(await stage.server.who(), ['Ann', 'Bea']);
}));

test('A tab that is a copy of another leaves the session to it, and asks for a name of its own', play(async (stage) => {
  const device = await stage.device(PHONE);
  const ann = await stage.visitor(PHONE, { device });
  await ann.joins('Ann');
  const kept = await ann.page.evaluate(() => ({ ...sessionStorage }));
  const copy = await stage.visitor(PHONE, {
    device,
    before: (page) => page.addInitScript((entries) => Object.assign(sessionStorage, entries), kept),
  });
  await copy.isTold('Ann is here in another tab.');
  assert.equal(await copy.yourName.inputValue(), 'Ann 2');
  await copy.presses(copy.join);
  await copy.mayWrite();
  await ann.reads('news Ann 2 has joined the chat.');
  await ann.says('I am the first');
  await copy.until('the copy reads it', async () => (await copy.lines()).at(-1) === 'said Ann: I am the first');
  assert.deepEqual(await stage.server.who(), ['Ann', 'Ann 2']);
}));
