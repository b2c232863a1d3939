// What every file of stories begins with: one browser, one shop, and visitors who are seen off at the end.

import { after, before } from 'node:test';

import { startShop } from '../shop.mjs';
import { launchBrowser, newVisitor } from '../visitor.mjs';

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
  return here;
}

export const LANGUAGES = ['ko', 'en'];
