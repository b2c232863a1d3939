// What every file of stories begins with: one browser, one shop, and visitors who are seen off at the end.

import { after, before, test } from 'node:test';

import { startShop } from '../shop.mjs';
import { expectAccessible, launchBrowser, newVisitor, screenshot } from '../visitor.mjs';

/** Starts a browser and a shop for the stories of this file. */
export function setting(options) {
  const here = {};
  before(async () => {
    // One after the other, so that what did start is known to `after` when the other fails.
    here.browser = await launchBrowser();
    here.shop = await startShop(options);
  });
  after(async () => {
    await here.browser?.close();
    await here.shop?.stop();
  });
  /** Runs a story with a visitor of its own, and sees to the visitor whatever happens. */
  here.as = async (who, story) => {
    const visitor = await newVisitor(here.browser, here.shop, who);
    let failed = true;
    try {
      await story(visitor);
      failed = false;
    } finally {
      if (failed) await visitor.context.close();
      else await visitor.leave();
    }
  };
  /** Tells a story once in each language. */
  here.story = (name, tell) => {
    for (const lang of LANGUAGES) test(`${name} (${lang})`, () => here.as({ lang }, tell));
  };
  return here;
}

/** A picture of the state, in which axe finds nothing. */
export async function look(visitor, state) {
  await screenshot(visitor, state);
  await expectAccessible(visitor, state);
}

export const LANGUAGES = ['ko', 'en'];
