// Firefox, Debian's own, by WebDriver BiDi: it joins, talks, shares a picture, and comes back after a cut.

import assert from 'node:assert/strict';
import puppeteer from 'puppeteer-core';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { HOST } from './chromium.mjs';
import { play, until } from './harness.mjs';
import { png } from './picture.mjs';

const QUIET = {
  // Our name is this machine, and nothing else is to be reached: there is no proxy at this port.
  'network.dns.localDomains': HOST,
  'network.proxy.type': 1,
  'network.proxy.http': '127.0.0.1',
  'network.proxy.http_port': 9,
  'network.proxy.ssl': '127.0.0.1',
  'network.proxy.ssl_port': 9,
  'network.proxy.no_proxies_on': `${HOST}, 127.0.0.1`,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.dns.disablePrefetch': true,
  'network.prefetch-next': false,
  'dom.security.https_first': false,
  'app.normandy.enabled': false,
  'app.update.auto': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'datareporting.healthreport.uploadEnabled': false,
  'extensions.update.enabled': false,
  'toolkit.telemetry.enabled': false,
};

let launched;
const firefox = () => (launched ??= puppeteer.launch({
  browser: 'firefox',
  executablePath: process.env.FIREFOX_BIN ?? '/usr/bin/firefox-esr',
  headless: true,
  extraPrefsFirefox: QUIET,
}));
after(async () => {
  if (launched) await (await launched).close();
});

/** Finds what has this accessible name, and clicks it. */
async function clicks(page, name) {
  const control = await until(`Firefox shows ${name}`, () => page.$(`::-p-aria([name="${name}"])`));
  await until(`${name} can be seen`, () => control.isVisible());
  await control.click();
}

/** The lines on the page: kind, name if it is somebody else's, words. */
const lines = (page) => page.$$eval('[role=log] .line', (all) => all.map((line) => {
  const words = line.querySelector('.words')?.textContent;
  const marks = ['own', 'unsent'].filter((mark) => line.classList.contains(mark));
  return [...marks, line.dataset.kind, words].join(' ');
}));

const reads = (page, wanted) => until(
  `Firefox reads ${wanted}`,
  async () => (await lines(page)).includes(wanted),
  async () => `; it reads ${JSON.stringify(await lines(page))}`,
);

test('Firefox joins, talks, comes back after a cut with each line once, and has no error to tell', play(async (stage) => {
  const bob = await stage.nc('Bob');
  const page = await (await firefox()).newPage();
  const errors = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(stage.origin)) errors.push(request.url());
  });
  await page.goto(stage.origin);
  await clicks(page, 'Your name');
  await page.keyboard.type('Ann');
  await clicks(page, 'Join');
  await bob.hears('Ann has joined the chat.');
  const writes = async (words) => {
    await clicks(page, 'Message');
    await page.keyboard.type(words);
    await page.keyboard.press('Enter');
  };
  bob.says('hello');
  await reads(page, 'said hello');
  await writes('hello from Firefox');
  await bob.hears('Ann: hello from Firefox');
  await reads(page, 'own said hello from Firefox');
  assert.deepEqual(errors, []);

  stage.wire.cut();
  bob.says('in the dark');
  await writes('so am I');
  await reads(page, 'own unsent said so am I');
  stage.wire.mend();
  await bob.hears('Ann: so am I');
  await reads(page, 'own said so am I');
  await reads(page, 'said in the dark');
  await page.reload();
  await reads(page, 'said in the dark');
  await writes('back');
  await bob.hears('Ann: back');
  await reads(page, 'own said back');
  const all = (await lines(page)).filter((line) => /said /.test(line));
  assert.deepEqual(all.filter((line) => line.startsWith('own')), ['own said hello from Firefox', 'own said so am I', 'own said back']);
  assert.deepEqual(all.filter((line) => !line.startsWith('own')), ['said hello', 'said in the dark']);
  assert.deepEqual(errors.filter((error) => !/NetworkError|interrupted|connection/i.test(error)), []);
  await page.close();
}));

test('Firefox sends a picture and shows it', play(async (stage, t) => {
  const scratch = await mkdtemp(join(tmpdir(), 'dynasti-'));
  t.after(() => rm(scratch, { recursive: true }));
  const path = join(scratch, 'the beach.png');
  await writeFile(path, png(300, 200));
  const bob = await stage.nc('Bob');
  const page = await (await firefox()).newPage();
  await page.goto(stage.origin);
  await clicks(page, 'Your name');
  await page.keyboard.type('Ann');
  await clicks(page, 'Join');
  await bob.hears('Ann has joined the chat.');
  await until('Firefox shows Photo', () => page.$('::-p-aria([name="Photo"])'));
  await (await page.$('input[accept="image/*"]')).uploadFile(path);
  assert.match(await bob.next('the picture'), /^Ann shares the beach\.png \(.*\): http:/);
  const image = await until('Firefox has the picture', () => page.$('.own img[alt="the beach.png"]'));
  await until('it is loaded', () => image.evaluate(({ naturalWidth }) => naturalWidth === 300));
  assert.deepEqual(await image.evaluate(({ width, height }) => [width, height]), [300, 200]);
  await until('nothing is on its way', async () => (await page.$$('#uploads li')).length === 0);
  await page.close();
}));
