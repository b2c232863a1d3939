// Browsers of a story: Chromium with a phone or a desktop window, Korean or English, with or without JavaScript.

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const EXECUTABLE = process.env.OPENRUN_TEST_CHROMIUM ?? '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox', // Chromium refuses its sandbox to root
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1280, height: 800 };
export const LOCALES = { ko: 'ko-KR', en: 'en-US' };

export function launchBrowser() {
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS });
}

/** A person with cookies of their own; every failed script of a page fails the story at `leave`. */
export async function newVisitor(browser, shop, { lang = 'ko', javaScript = true, viewport = PHONE } = {}) {
  const context = await browser.newContext({
    baseURL: shop.origin,
    locale: LOCALES[lang],
    timezoneId: lang === 'ko' ? 'Asia/Seoul' : 'America/New_York',
    javaScriptEnabled: javaScript,
    reducedMotion: 'reduce',
    viewport,
  });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  // What a Content-Security-Policy refuses is told on the console only.
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content Security Policy/i.test(message.text())) faults.push(message.text());
  });
  return { context, page, lang, javaScript, faults, leave: () => leave(context, faults) };
}

async function leave(context, faults) {
  await context.close();
  assert.deepEqual(faults, [], 'the pages ran without a script error');
}

/** No violation of axe in the page as it stands, and the language it says. */
export async function expectAccessible(visitor, state) {
  const { page, lang } = visitor;
  assert.equal(await page.getAttribute('html', 'lang'), lang, `${state}: the language of the page`);
  // Defined per document; evaluating goes past the page's own Content-Security-Policy.
  await page.evaluate(`${AXE}; undefined`);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  assert.deepEqual(violations.map(describeViolation), [], `${state} (${lang}): axe found violations`);
}

function describeViolation({ id, help, nodes }) {
  return `${id}: ${help}: ${nodes.map(({ html }) => html).join(' | ')}`;
}

/** A picture of the whole page in the folder OPENRUN_SCREENSHOTS, when that is set. */
export async function screenshot(visitor, name) {
  const folder = process.env.OPENRUN_SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  const { width } = visitor.page.viewportSize();
  const size = width < 600 ? 'phone' : 'desktop';
  await visitor.page.screenshot({ path: join(folder, `${name}-${visitor.lang}-${size}.png`), fullPage: true });
}
