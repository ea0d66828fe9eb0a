// The pictures that README shows, taken of a real conversation. They go to screenshots/; the times in them are set, so that
// a picture changes only when the page does.

import assert from 'node:assert/strict';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { DESK, PHONE, play } from './harness.mjs';
import { png } from './picture.mjs';

const TO = new URL('./screenshots/', import.meta.url);

const PICTURE = 'view.png';

/** Who says what; a page's lines are typed at that page. */
const TALK = [
  ['Rosa', 'Morning! The 3D printer is free until noon.'],
  ['Jonas', 'Great, I\'ll print the gears then. Is there any PETG left?'],
  ['Rosa', 'Half a spool, second drawer.'],
  ['Ann', 'I can bring more on Thursday.'],
  ['Jonas', '/me waves from the workshop'],
  ['Mei Lin', 'The slides for tonight: http://192.168.1.20/slides.pdf'],
  ['operator', 'The Wi-Fi restarts at 11:00 and is back in a minute.'],
  ['Jonas', PICTURE],
  ['Mei Lin', 'Ann, could you bring the projector?'],
  ['Ann', 'Sure, it\'s already in my bag.'],
];

/** Shares the picture by a code, as curl does. */
async function sharesPicture(client) {
  client.says('/send');
  let line;
  do line = await client.next('the address to send to');
  while (!line.startsWith('-- Send it with: curl -T FILE '));
  await fetch(line.split(' ').at(-1) + encodeURIComponent(PICTURE), { method: 'PUT', body: png(640, 360) });
}

/** Plays the conversation as Ann reads it, and makes it half past ten. */
async function converse(stage, settings) {
  const people = {};
  for (const name of ['Rosa', 'Jonas', 'Mei Lin']) people[name] = await stage.nc(name);
  const ann = await stage.visitor(settings);
  await ann.joins('Ann');
  for (const [who, words] of TALK) {
    if (who === 'Ann') {
      await ann.says(words);
    } else {
      if (words === PICTURE) await sharesPicture(people[who]);
      else if (who === 'operator') stage.server.operator(words);
      else people[who].says(words);
      await ann.reads(/./);
    }
  }
  await ann.until('the picture has come', () => ann.log.locator('img').evaluate((image) => image.naturalWidth === 640));
  await ann.page.evaluate(() => {
    document.activeElement?.blur();
    for (const [n, time] of [...document.querySelectorAll('[role=log] time')].entries()) {
      if (!time.closest('.day')) time.textContent = time.textContent.replace(/\d+:\d\d/, `10:${31 + n}`);
    }
  });
  return ann;
}

/** Takes a picture, small enough to be kept with the sources. */
async function picture(visitor, file, options = {}) {
  await visitor.page.mouse.move(0, 0);
  const image = await visitor.page.screenshot({ animations: 'disabled', caret: 'hide', ...options });
  mkdirSync(TO, { recursive: true });
  writeFileSync(new URL(file, TO), image);
  assert.ok(statSync(new URL(file, TO)).size < 200_000, `${file} is a small file`);
}

// A phone as high as its newest lines, with none cut at the top.
const SHORT_PHONE = { ...PHONE, viewport: { width: 375, height: 582 } };

for (const colorScheme of ['light', 'dark']) {
  test(`A picture of a phone in ${colorScheme} is taken`, play(async (stage) => {
    const ann = await converse(stage, { ...SHORT_PHONE, colorScheme });
    await picture(ann, `phone-${colorScheme}.png`);
  }));
}

test('A picture of a desk, with who is here, is taken', play(async (stage) => {
  const ann = await converse(stage, { ...DESK, viewport: { width: 900, height: 605 } });
  await picture(ann, 'desktop.png');
}));
