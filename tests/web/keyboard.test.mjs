// By keyboard alone, with an input method, and on what an ordinary keyboard offers: names by Tab, Enter, Shift+Enter, Escape.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DESK, play } from './harness.mjs';

/** Presses this key until the control has the focus. */
async function tabsTo(visitor, control, key = 'Tab') {
  for (let n = 0; n < 20; n += 1) {
    if (await hasFocus(control)) return;
    await visitor.page.keyboard.press(key);
  }
  throw new Error(`${key} never comes to ${control}`);
}

const hasFocus = (control) => control.evaluate((element) => element === document.activeElement);

const focuses = (visitor, what, control) => visitor.until(`${what} has the focus`, () => hasFocus(control));

test('All of it goes by keyboard: from the name to the chat, to who is here, to the address, and back', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const visitor = await stage.visitor(DESK);
  const { keyboard } = visitor.page;
  await focuses(visitor, 'the name', visitor.yourName);
  await keyboard.type('Ann');
  await keyboard.press('Enter');
  await bob.hears('Ann has joined the chat.');
  await focuses(visitor, 'the message', visitor.message);
  await keyboard.type('by keys');
  await keyboard.press('Enter');
  await bob.hears('Ann: by keys');
  await visitor.reads('own said by keys');
  await focuses(visitor, 'the message', visitor.message);

  for (const [button, content] of [
    [visitor.people, visitor.page.getByText('Bob', { exact: true })],
    [visitor.invite, visitor.page.getByRole('textbox', { name: 'Address' })],
  ]) {
    // An empty field lets Tab go; what is before it is reached by going round or back.
    await tabsTo(visitor, button);
    await keyboard.press('Enter');
    await visitor.panel.waitFor();
    await content.last().waitFor();
    assert.ok(await visitor.panel.evaluate((panel) => panel.contains(document.activeElement)), 'the focus is in the panel');
    await keyboard.press('Escape');
    await visitor.panel.waitFor({ state: 'hidden' });
    await focuses(visitor, 'the button that opened it', button);
    await keyboard.press('Space');
    await visitor.panel.waitFor();
    await tabsTo(visitor, visitor.panel.getByRole('button', { name: 'Close' }));
    await keyboard.press('Enter');
    await visitor.panel.waitFor({ state: 'hidden' });
    await focuses(visitor, 'the button that opened it', button);
  }
  await tabsTo(visitor, visitor.message, 'Shift+Tab').catch(() => tabsTo(visitor, visitor.message));
  await keyboard.type('back');
  await tabsTo(visitor, visitor.send);
  await keyboard.press('Enter');
  await bob.hears('Ann: back');
}));

test('What is reached by keyboard can be seen: each control shows its focus', play(async (stage) => {
  const ann = await stage.desk('Ann');
  for (const control of [ann.people, ann.invite, ann.message]) {
    const look = () => control.evaluate((element) => {
      const one = (of) => ((style) => [style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow, style.borderColor].join())(getComputedStyle(of));
      return [one(element), one(element.parentElement)].join();
    });
    await ann.page.evaluate(() => document.activeElement?.blur());
    const without = await look();
    await tabsTo(ann, control);
    assert.notEqual(await look(), without, `${control}`);
  }
}));

test('Tab completes a name, and leaves an empty field', play(async (stage) => {
  const ann = await stage.desk('Ann');
  const bob = await stage.nc('Bob Lee');
  await ann.reads('news Bob Lee has joined the chat.');
  const cid = await stage.nc('Cid');
  await ann.reads('news Cid has joined the chat.');
  await ann.message.focus();
  const { keyboard } = ann.page;
  await keyboard.type('ci');
  await keyboard.press('Tab');
  await ann.until('Cid is completed', async () => /^Cid[:,]? ?$/.test(await ann.message.inputValue()));
  assert.ok(await hasFocus(ann.message), 'the field keeps the focus');
  await ann.message.fill('');
  await keyboard.type('tea for bo');
  await keyboard.press('Tab');
  await ann.until('Bob Lee is completed', async () => /^tea for Bob Lee ?$/.test(await ann.message.inputValue()));
  await keyboard.press('Enter');
  assert.match(await bob.next('the line'), /^(Cid has joined the chat\.|Ann: tea for Bob Lee ?)$/);
  await cid.hears('Ann: tea for Bob Lee');
  assert.equal(await ann.message.inputValue(), '');
  await keyboard.press('Tab');
  assert.ok(!(await hasFocus(ann.message)), 'an empty field is left');
}));

test('Shift and Enter begin a new line, and Enter sends all of them', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  await ann.message.focus();
  await ann.page.keyboard.type('one');
  await ann.page.keyboard.press('Shift+Enter');
  await ann.page.keyboard.type('two');
  await ann.page.keyboard.press('Enter');
  await bob.hearsEach(['Ann: one', 'Ann: two']);
}));

test('Enter that ends what an input method composes sends nothing; the next one does', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  await ann.message.focus();
  const devtools = await ann.page.context().newCDPSession(ann.page);
  await devtools.send('Input.imeSetComposition', { text: 'にほん', selectionStart: 3, selectionEnd: 3 });
  await ann.page.evaluate(() => {
    addEventListener('keydown', (event) => { window.composing = event.isComposing; }, { once: true, capture: true });
  });
  const enter = { key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13 };
  await devtools.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', ...enter });
  await devtools.send('Input.dispatchKeyEvent', { type: 'keyUp', ...enter });
  assert.equal(await ann.page.evaluate(() => window.composing), true, 'Chromium tells that it composes');
  await devtools.send('Input.insertText', { text: '日本' });
  // Safari ends the composition first, and marks the key by its code alone.
  await ann.message.evaluate((field) => {
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true }));
  });
  assert.equal(await ann.message.inputValue(), '日本', 'it is still being written');
  await ann.page.keyboard.press('Enter');
  await bob.hears('Ann: 日本');
}));

test('An empty field, and one of blanks, sends nothing', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const ann = await stage.desk('Ann');
  await bob.hears('Ann has joined the chat.');
  await ann.message.focus();
  await ann.page.keyboard.press('Enter');
  await ann.writes('   ');
  await ann.presses(ann.send);
  await ann.says('words');
  await bob.hears('Ann: words');
}));

test('The address to invite others by can be copied where there is no clipboard to ask for', play(async (stage) => {
  const ann = await stage.desk('Ann');
  assert.equal(await ann.page.evaluate(() => window.isSecureContext), false, 'the page is as bare as on a LAN');
  await ann.opensPanel(ann.invite);
  const address = ann.panel.getByRole('textbox', { name: 'Address' });
  assert.equal(await address.inputValue(), stage.origin);
  assert.notEqual(await address.getAttribute('readonly'), null);
  const code = ann.panel.getByRole('img', { name: 'QR code' });
  await ann.until('the code is drawn', () => code.evaluate((image) => image.complete && image.naturalWidth > 0));
  await ann.page.evaluate(() => document.addEventListener('copy', () => { window.copied = String(getSelection()); }));
  await ann.presses(ann.panel.getByRole('button', { name: 'Copy' }));
  await ann.closesPanel();
  await ann.message.focus();
  await ann.page.keyboard.press('Control+V');
  await ann.until('it is pasted', async () => (await ann.message.inputValue()) === stage.origin);
}));
