// The waiting page is what everybody reloads: small, and one request.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import * as buyer from '../buyer.mjs';
import { LANGUAGES, setting } from './setting.mjs';

const here = setting();

const BUDGET_BYTES = 14 * 1024; // the first round trip of a new connection
const LIVE_KINDS = ['eventsource', 'fetch', 'xhr'];

for (const lang of LANGUAGES) {
  test(`the waiting page is at most 14 KB compressed and asks for nothing else (${lang})`, () =>
    here.as({ lang }, async (visitor) => {
      const { page } = visitor;
      const sale = await here.shop.openSale({ admission: { mode: 'manual', per_minute: 1, max_active: 200 } });
      await buyer.join(visitor, sale);
      await buyer.seeState(visitor, 'waiting');

      const kinds = [];
      page.on('request', (request) => kinds.push(request.resourceType()));
      // The page is whole once its script has asked the server for the frame or the stream.
      const asks = page.waitForRequest((request) => LIVE_KINDS.includes(request.resourceType()));
      const answer = await page.goto(`/sales/${sale}/line`);
      await asks;

      const bytes = gzipSync(await answer.body(), { level: 9 }).length;
      assert.ok(bytes <= BUDGET_BYTES, `the page has ${bytes} bytes compressed, above ${BUDGET_BYTES}`);
      const heavy = kinds.filter((kind) => ![...LIVE_KINDS, 'other'].includes(kind));
      assert.deepEqual(heavy, ['document']);
    }));
}
