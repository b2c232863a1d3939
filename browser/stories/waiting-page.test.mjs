// The waiting page is what everybody reloads: small, and one request.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import * as buyer from '../buyer.mjs';
import { LANGUAGES, setting } from './setting.mjs';

const here = setting();

const BUDGET_BYTES = 14 * 1024; // the first round trip of a new connection

for (const lang of LANGUAGES) {
  test(`the waiting page is at most 14 KB compressed and asks for nothing else (${lang})`, () =>
    here.as({ lang }, async (visitor) => {
      const { page } = visitor;
      const sale = await here.shop.openSale({ admission: { mode: 'manual', per_minute: 1, max_active: 200 } });
      await buyer.join(visitor, sale);
      await buyer.seeState(visitor, 'waiting');

      const kinds = [];
      page.on('request', (request) => kinds.push(request.resourceType()));
      const answer = await page.goto(`/sales/${sale}/line`);
      // The page is whole once it has heard from the server, which its frame or stream tells.
      await buyer.seeState(visitor, 'waiting');
      await page.waitForRequest((request) => ['fetch', 'eventsource', 'xhr'].includes(request.resourceType()));

      const bytes = gzipSync(await answer.body(), { level: 9 }).length;
      assert.ok(bytes <= BUDGET_BYTES, `the page has ${bytes} bytes compressed, above ${BUDGET_BYTES}`);
      const heavy = kinds.filter((kind) => !['fetch', 'eventsource', 'xhr', 'other'].includes(kind));
      assert.deepEqual(heavy, ['document']);
    }));
}
