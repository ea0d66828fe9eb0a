// Debian's Chromium, kept from the network, as it is on a phone and on a desktop computer.

import { chromium } from 'playwright-core';
import { after } from 'node:test';

/** The name that pages are opened at. Chromium, like a phone on a LAN, finds no https there: fewer APIs than localhost has. */
export const HOST = 'dynasti.local';

// Beside these, Playwright's own, which also switch off features that ask the network for something.
const FLAGS = [
  // Debian's CI runs as root.
  '--no-sandbox',
  // No name but ours is ever asked for, and ours is this machine.
  `--host-resolver-rules=MAP ${HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
  '--no-proxy-server',
  '--disable-background-networking',
  '--disable-breakpad',
  '--disable-client-side-phishing-detection',
  '--disable-component-extensions-with-background-pages',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-extensions',
  '--disable-sync',
  '--metrics-recording-only',
  '--no-default-browser-check',
  '--no-first-run',
  '--no-pings',
  '--no-service-autorun',
  '--password-store=basic',
  '--use-mock-keychain',
];

let launched;

/** The one browser of a file of tests, started when it is first wanted. */
export function browser() {
  launched ??= chromium.launch({
    executablePath: process.env.CHROMIUM_BIN ?? '/usr/bin/chromium',
    args: FLAGS,
    headless: true,
  });
  return launched;
}

after(async () => {
  if (launched) await (await launched).close();
});

const EVERYWHERE = { locale: 'en-GB', timezoneId: 'Europe/Berlin', colorScheme: 'light' };

export const PHONE = {
  ...EVERYWHERE,
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

export const SMALL_PHONE = { ...PHONE, viewport: { width: 320, height: 568 } };

export const DESK = { ...EVERYWHERE, viewport: { width: 1100, height: 760 } };
