// Talking: between pages and nc, in both directions; every kind of line; and that what is typed never becomes more than text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { play } from './harness.mjs';

test('A phone, a desk and nc hear each other, each line once and in order', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  const cid = await stage.desk('Cid');
  await bob.hears('Cid has joined the chat.');
  await ann.reads('news Cid has joined the chat.');
  for (const round of ['first', 'second']) {
    bob.says(`${round} of nc`);
    await ann.reads(`said Bob: ${round} of nc`);
    await cid.reads(`said Bob: ${round} of nc`);
    await ann.says(`${round} of the phone`);
    await bob.hears(`Ann: ${round} of the phone`);
    await cid.reads(`said Ann: ${round} of the phone`);
    await cid.says(`${round} of the desk`);
    await bob.hears(`Cid: ${round} of the desk`);
    await ann.reads(`said Cid: ${round} of the desk`);
  }
  assert.equal(await ann.message.inputValue(), '', 'what is sent leaves the field');
}));

test('Each kind of line is marked as what it is', play(async (stage) => {
  const ann = await stage.phone('Ann');
  const bob = await stage.nc('Bob');
  await ann.reads('news Bob has joined the chat.');
  bob.says('/me waves');
  await bob.hears('-- * Bob waves');
  await ann.reads('action Bob: waves');
  bob.says('/msg Ann psst');
  await bob.hears('-- To Ann (private): psst');
  await ann.reads('private Bob: psst');
  stage.server.operator('tea is ready');
  await bob.hears('[SERVER]: tea is ready');
  await ann.reads(/^server .*tea is ready$/);
  bob.says('/nick Rob');
  await bob.hears('-- You are now known as Rob.');
  await ann.reads('news Bob is now known as Rob.');
  bob.leaves();
  await ann.reads('news Rob has left the chat.');
}));

test('What a page asks of the room is answered there alone, and its own actions and whispers are shown to it', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  await ann.writes('/who');
  await ann.readsAfterOwn(/^note .*2 here: Bob, Ann$/);
  await ann.writes('/me waves');
  await bob.hears('* Ann waves');
  await ann.readsAfterOwn(/waves$/);
  await ann.writes('/msg Bob psst');
  await bob.hears('Ann (private): psst');
  await ann.readsAfterOwn(/psst$/);
  await ann.writes('/nick Bea');
  await bob.hears('Ann is now known as Bea.');
  await ann.readsAfterOwn(/^note .*You are now known as Bea\.$/);
  await ann.writes('/wave');
  await ann.readsAfterOwn(/^note .*\/wave/);
  await ann.says('no more of that');
  await bob.hears('Bea: no more of that');
}));

test('A line that is too long is not sent, says so, and stays to be mended', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  for (const long of ['x'.repeat(4097), `${'漢'.repeat(1366)}`]) {
    await ann.writes(long);
    await ann.isTold('Line too long');
    assert.equal(await ann.message.inputValue(), long);
  }
  await ann.says('x'.repeat(4096));
  await bob.hears(`Ann: ${'x'.repeat(4096)}`);
}));

const MARKUP = [
  '<img src=x onerror="document.title=\'broken in\'">',
  '<script>document.title = "broken in"</script>',
  '<svg/onload=alert(1)><a href="javascript:alert(1)">click</a>',
  '&lt;b&gt; &amp; &#x41; \\u003cb\\u003e',
  '"\' onmouseover="alert(1)" data-x="',
  '</textarea></script><style>*{display:none}</style>',
  '{{7*7}} ${7*7} __proto__ constructor',
];

test('Markup stays text, whoever wrote it: nothing of it is loaded, run or drawn', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  const title = await ann.page.title();
  for (const words of MARKUP) {
    bob.says(words);
    await ann.reads(`said Bob: ${words}`);
    await ann.says(words);
    await bob.hears(`Ann: ${words}`);
    stage.server.operator(words);
    await bob.hears(`[SERVER]: ${words}`);
    const announced = await ann.reads(/^server /);
    assert.ok(announced.endsWith(words), announced);
  }
  await ann.reloads();
  const drawn = ['img', 'script', 'svg', 'style', 'b', 'textarea', '[onmouseover]', '[onerror]', 'a'];
  assert.equal(await ann.log.locator(drawn.map((name) => `.words ${name}`).join()).count(), 0);
  assert.equal(await ann.page.title(), title);
}));

test('Web addresses in a line are links that lead nowhere back, and only http and https are', play(async (stage) => {
  const ann = await stage.phone('Ann');
  const bob = await stage.nc('Bob');
  await ann.reads('news Bob has joined the chat.');
  const line = 'see http://pi.local:4080/x?a=1&b=2#c, (https://example.org/a_(b)) and https://example.org/ü.';
  bob.says(line);
  await ann.reads(`said Bob: ${line}`);
  const links = ann.log.locator('a');
  assert.deepEqual(await links.evaluateAll((found) => found.map((link) => link.textContent)), [
    'http://pi.local:4080/x?a=1&b=2#c',
    'https://example.org/a_(b)',
    'https://example.org/ü',
  ]);
  for (const link of await links.all()) {
    assert.equal(await link.getAttribute('rel'), 'noopener noreferrer');
    assert.equal(await link.getAttribute('target'), '_blank');
    assert.equal(await link.evaluate((a) => new URL(a.textContent).href === a.href), true, 'it leads where it says');
  }
  const others = 'javascript:alert(1) data:text/html,x file:///etc/passwd JaVaScRiPt://x http:// https://"><b> vbscript:x';
  bob.says(others);
  await ann.reads(`said Bob: ${others}`);
  const schemes = await ann.log.locator('a').evaluateAll((found) => found.map((link) => link.protocol));
  assert.ok(schemes.every((scheme) => scheme === 'http:' || scheme === 'https:'), schemes.join());
}));

test('A line that names the reader stands out, and no other does', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  bob.says('tea, ann?');
  await ann.reads('mention said Bob: tea, ann?');
  bob.says('Annual and Hannah name nobody');
  await ann.reads('said Bob: Annual and Hannah name nobody');
}));

test('A pasted block goes out as one block, in order, and is shown as it was pasted', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  const block = ['fn main() {', '    println!("hi");', '}'];
  await ann.message.focus();
  await ann.page.keyboard.insertText(block.join('\n'));
  assert.equal(await ann.message.inputValue(), block.join('\n'), 'nothing is sent by pasting');
  await ann.message.press('Enter');
  await bob.hearsEach(block.map((line) => `Ann: ${line}`));
  await ann.until('the block is accepted', async () => {
    const own = (await ann.lines()).filter((line) => line.startsWith('own said '));
    return own.map((line) => line.slice('own said '.length).trim()).join('\n') === block.map((line) => line.trim()).join('\n')
      || own.map((line) => line.slice('own said '.length)).join('\n') === block.join('\n');
  });
}));

test('A block of more lines than the pace allows at once arrives whole and in order, and the page says that it waits', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  const block = Array.from({ length: 230 }, (_, n) => `line ${n + 1}`);
  await ann.writes(block.join('\n'));
  await bob.hearsEach(block.map((line) => `Ann: ${line}`));
  await ann.until('nothing is unsent', async () => !(await ann.lines()).some((line) => line.includes('unsent')));
  await ann.writes('the end');
  await bob.hears('Ann: the end');
}));

test('A line that the server has no room for at the moment is kept and sent again, and nobody is told of a lost connection', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.phone('Ann');
  await bob.hears('Ann has joined the chat.');
  ann.expects(/status of (503|429|408)/);
  const refusals = [503, 429, 408];
  const keys = [];
  await ann.page.route('**/lines', async (route) => {
    keys.push(route.request().headers()['idempotency-key']);
    const status = refusals.shift();
    if (!status) return route.continue();
    assert.equal(await ann.status(), '', 'the connection is well');
    return route.fulfill({ status, headers: { 'Retry-After': '1' }, body: 'Too much is said at once.\n' });
  });
  await ann.writes('one');
  await ann.writes('two');
  await ann.until('both wait', async () => (await ann.lines()).slice(-2).join() === 'own unsent said one,own unsent said two');
  await bob.hearsEach(['Ann: one', 'Ann: two']);
  await ann.readsEach(['own said one', 'own said two']);
  assert.equal(new Set(keys.slice(0, 4)).size, 1, 'the first is tried again before the second');
  assert.equal(await ann.status(), '');
  assert.equal(await ann.message.inputValue(), '', 'nothing is given back');
}));
