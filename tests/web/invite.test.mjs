// Inviting: the code in the panel, read as a phone's camera reads it, leads to the page that it is shown on.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import jsqr from 'jsqr';
import { test } from 'node:test';
import { HOST } from './chromium.mjs';
import { DESK, PHONE, play } from './harness.mjs';

/** Opens the panel and reads the code in it. */
async function invited(visitor) {
  await visitor.opensPanel(visitor.invite);
  const code = visitor.panel.getByRole('img', { name: 'QR code' });
  await visitor.until('the code is drawn', () => code.evaluate((image) => image.complete && image.naturalWidth > 0));
  const { width, height, data } = await code.evaluate((image) => {
    const { width, height } = image.getBoundingClientRect();
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0, width, height);
    return { width: canvas.width, height: canvas.height, data: [...context.getImageData(0, 0, canvas.width, canvas.height).data] };
  });
  return jsqr(Uint8ClampedArray.from(data), width, height)?.data;
}

for (const [place, settings] of [['phone', PHONE], ['desk', DESK], ['phone in dark', { ...PHONE, colorScheme: 'dark' }]]) {
  test(`The code on a ${place} can be read, and is the address beside it`, play(async (stage) => {
    const ann = await stage.visitor(settings);
    await ann.joins('Ann');
    assert.equal(await invited(ann), stage.origin);
    assert.equal(await ann.panel.getByRole('textbox', { name: 'Address' }).inputValue(), stage.origin);
  }));
}

test('Who has opened an address that only their own device can open is told so, and shown no code of it', play(async (stage) => {
  stage.origin = `http://127.0.0.1:${stage.wire.port}/`;
  const ann = await stage.visitor(DESK);
  await ann.joins('Ann');
  await ann.opensPanel(ann.invite);
  await ann.panel.getByText('Only this device can open this address.').waitFor();
  assert.equal(await ann.panel.getByRole('img').count(), 0);
}));

test('Behind a proxy that speaks TLS the code leads to the proxy, and by TLS', play(async (stage) => {
  // No such proxy runs: the browser's requests by https are handed on as a proxy would, with the Host that they name.
  stage.origin = `https://${HOST}/`;
  const ann = await stage.visitor(PHONE, {
    before: (page) => page.route(`${stage.origin}**`, (route) => handsOn(route, stage.server.webPort)),
  });
  await ann.joins('Ann');
  assert.equal(await invited(ann), stage.origin);
}));

/** Asks the server what a page has asked for, and answers what it answers once that has come whole. */
function handsOn(route, port) {
  const asked = route.request();
  const headers = { ...asked.headers(), host: new URL(asked.url()).host };
  const { pathname, search } = new URL(asked.url());
  const onward = request({ port, host: '127.0.0.1', method: asked.method(), path: pathname + search, headers });
  const ends = () => {}; // as the stream of events does, when the test ends
  onward.on('error', ends).on('response', (answer) => {
    const { statusCode: status, headers: fields } = answer;
    answer.toArray().then((pieces) => route.fulfill({ status, headers: fields, body: Buffer.concat(pieces) })).catch(ends);
  });
  onward.end(asked.postDataBuffer() ?? undefined);
}
