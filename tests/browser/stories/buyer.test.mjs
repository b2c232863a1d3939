// The buyer's way from the sale's page to a paid order, and the two ways in which a payment is declined.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as buyer from '../buyer.mjs';
import { item } from '../shop.mjs';
import { DESKTOP, PHONE, expectAccessible, screenshot } from '../visitor.mjs';
import { LANGUAGES, setting } from './setting.mjs';

const here = setting();

for (const lang of LANGUAGES) {
  for (const javaScript of [true, false]) {
    const how = `${lang}, ${javaScript ? 'with' : 'without'} JavaScript`;
    test(`a buyer joins, waits, enters, reserves and pays (${how})`, () =>
      here.as({ lang, javaScript, viewport: javaScript ? PHONE : DESKTOP }, (visitor) => wholeWay(visitor)));
  }
}

async function wholeWay(visitor) {
  // One call a minute, and a new leader begins with a spent bucket: nobody is called before the rate is raised.
  const sale = await here.shop.openSale({ admission: { mode: 'manual', per_minute: 1, max_active: 200 } });
  await buyer.visitSale(visitor, sale);
  await look(visitor, 'sale-open');
  await buyer.join(visitor, sale);
  await buyer.seeState(visitor, 'waiting');
  if (!visitor.javaScript) await buyer.checkPlace(visitor);
  await look(visitor, 'line-waiting');
  await here.shop.setRate(sale, 600);
  await buyer.awaitTurn(visitor);
  await look(visitor, 'line-called');
  await buyer.enter(visitor, sale);
  await look(visitor, 'checkout-choosing');
  await buyer.reserve(visitor, { email: 'buyer@example.com' });
  await look(visitor, 'checkout-held');
  await buyer.pay(visitor, 'sandbox_ok');
  await buyer.seeState(visitor, 'paid');
  await look(visitor, 'order-paid');
  const { units, conservation } = await here.shop.live(sale);
  assert.deepEqual([units.sold, units.held, conservation], [1, 0, 0]);
}

async function look(visitor, state) {
  await screenshot(visitor, visitor.javaScript ? state : `${state}-without-script`);
  if (visitor.javaScript) await expectAccessible(visitor, state);
}

for (const lang of LANGUAGES) {
  test(`a payment declined for good gives the unit back, and the order says so (${lang})`, () =>
    here.as({ lang }, async (visitor) => {
      const sale = await here.shop.openSale({ items: [item(1)] });
      await buyer.walkToPayment(visitor, sale);
      await buyer.pay(visitor, 'sandbox_declined');
      await buyer.seeState(visitor, 'declined');
      await buyer.seeSaid(visitor, 'unitWentBack');
      await look(visitor, 'order-payment-failed');
      const { units, conservation } = await here.shop.live(sale);
      assert.deepEqual([units.free, units.sold, conservation], [1, 0, 0]);
    }));

  test(`a payment declined once can be tried again (${lang})`, () =>
    here.as({ lang }, async (visitor) => {
      const sale = await here.shop.openSale();
      await buyer.walkToPayment(visitor, sale);
      await buyer.pay(visitor, 'sandbox_declined_once');
      await buyer.seeState(visitor, 'declined');
      await look(visitor, 'checkout-declined');
      await tryAgain(visitor);
      await buyer.seeState(visitor, 'paid');
    }));
}

/** The second attempt is made where the page leads to: at once, or behind a link to the payment. */
async function tryAgain(visitor) {
  const choices = buyer.payForm(visitor);
  if (!(await choices.isVisible())) {
    await visitor.page.locator('main a[href*="/checkout"]').first().click();
  }
  await choices.waitFor();
  await buyer.pay(visitor, 'sandbox_declined_once');
}
