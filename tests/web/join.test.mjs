// Joining: by a name, which may be refused in the server's words; with a password, where there is one; and leaving.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DESK, PHONE, deferred, play } from './harness.mjs';

test('Whoever joins by a phone is heard to come, and is in the room', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  assert.deepEqual(await stage.server.who(), ['Bob', 'Ann']);
  assert.equal(await ann.status(), '');
  assert.equal(await ann.yourName.isVisible(), false, 'the form is gone');
}));

test('A name that somebody has is refused in the words that nc would read, and another one is taken', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const visitor = await stage.visitor(PHONE);
  visitor.expects(/status of 409/);
  await visitor.asksFor('BOB');
  await visitor.isTold('Name "BOB" is already taken.');
  assert.ok(!(await visitor.text()).includes('Choose a different name:'), 'the form itself asks for another');
  assert.ok(await visitor.yourName.isEditable());
  await visitor.joins('Bea');
  await bob.hears('Bea has joined the chat.');
  assert.equal(await visitor.alert.filter({ hasText: 'taken' }).filter({ visible: true }).count(), 0, 'nothing is wrong any more');
}));

test('A name that cannot be used is refused with the reason', play(async (stage) => {
  const visitor = await stage.visitor(DESK);
  visitor.expects(/status of 409/);
  await visitor.asksFor('-- Ann');
  await visitor.isTold('Name "-- Ann" can\'t be used: ');
  await visitor.asksFor('server');
  await visitor.isTold('Name "server" can\'t be used: ');
  await visitor.asksFor('<b>Ann</b>');
  await visitor.isTold('Name "<b>Ann</b>" can\'t be used: ');
  assert.deepEqual(await stage.server.who(), []);
}));

test('An empty name, and one of blanks, is asked for again', play(async (stage) => {
  const visitor = await stage.visitor(DESK);
  visitor.expects(/status of 409/);
  for (const name of ['', '   ']) {
    await visitor.asksFor(name);
    await visitor.isTold('Please enter a non-empty name.');
  }
  await visitor.joins('Ann');
  assert.deepEqual(await stage.server.who(), ['Ann']);
}));

test('Whoever leaves is heard to go, and may join again under the name that the form remembers', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  await ann.leaves();
  await bob.hears('Ann has left the chat.');
  await ann.yourName.waitFor();
  assert.equal(await ann.yourName.inputValue(), 'Ann');
  await ann.presses(ann.join);
  await ann.mayWrite();
  await bob.hears('Ann has joined the chat.');
}));

test('Whoever comes while the page still waits to be told who is here is among them all the same', play(async (stage) => {
  const [asked, answers] = [deferred(), deferred()];
  const ann = await stage.desk('Ann', {
    before: (page) => page.route('**/who', async (route) => {
      const names = await stage.server.who();
      asked.resolve();
      await answers.promise;
      await route.fulfill({ json: { here: names.length, names } });
    }),
  });
  await asked.promise;
  await stage.nc('Bob');
  await ann.reads('news Bob has joined the chat.');
  answers.resolve();
  // Asked again, the server would name both; what counts is what the page makes of the late answer.
  await ann.message.pressSequentially('bo');
  await ann.until('the page counts two', async () => (await ann.people.textContent()).includes('2'));
  await ann.message.press('Tab');
  await ann.until('Bob is completed', async () => /^Bob[:,]? ?$/.test(await ann.message.inputValue()));
}));

test('Whoever is banned reads so in the form', play(async (stage) => {
  stage.server.operator('/ban 127.0.0.1 5');
  await stage.server.prints(/banned: 127\.0\.0\.1/);
  const visitor = await stage.visitor(PHONE);
  visitor.expects(/status of 403/);
  await visitor.asksFor('Ann');
  await visitor.isTold('The operator has banned your address');
}));

test('The page asks for a password only where there is one, says when it is wrong, and asks for it once', async (test) => {
  const scratch = mkdtempSync(join(tmpdir(), 'dynasti-web-'));
  const file = join(scratch, 'password');
  writeFileSync(file, 'öpen sesame\n');
  await play(async (stage) => {
    const ann = await stage.visitor(PHONE);
    ann.expects(/status of 401/);
    assert.equal(await ann.password.count(), 0, 'no password is asked for before the room wants one');
    await ann.asksFor('Ann');
    await ann.password.waitFor();
    await ann.isTold('This room has a password.');
    await ann.password.fill('sesame');
    await ann.presses(ann.join);
    await ann.isTold('Wrong password.');
    assert.ok(!(await ann.text()).includes('Try again'), 'the form itself asks again');
    await ann.password.fill('öpen sesame');
    await ann.presses(ann.join);
    await ann.mayWrite();
    await ann.says('I am in');
    await ann.opensPanel(ann.people);
    await ann.panel.getByText('Ann', { exact: true }).first().waitFor();
    await ann.closesPanel();
    await ann.reloads();
    await ann.says('and stay in');
    assert.equal(await ann.password.count(), 0);
  }, ['--password-file', file])(test).finally(() => rmSync(scratch, { recursive: true }));
});
