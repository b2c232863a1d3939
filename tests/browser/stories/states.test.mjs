// The states that a buyer meets beside the straight way, each with what the page says and without a violation of axe.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as buyer from '../buyer.mjs';
import { item, SLOW } from '../shop.mjs';
import { DESKTOP } from '../visitor.mjs';
import { look, setting } from './setting.mjs';

const here = setting();
const { story } = here;

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

story('the list of sales', async (visitor) => {
  await here.shop.openSale();
  await visitor.page.goto('/');
  await visitor.page.locator('main a[href*="/sales/"]').first().waitFor();
  await look(visitor, 'sales');
});

story('a sale that has not opened counts down and gives no ticket', async (visitor) => {
  const sale = await here.shop.openSale({ opens_at: inAnHour() });
  await buyer.visitSale(visitor, sale);
  await buyer.seeSaid(visitor, 'scheduled');
  assert.equal(await visitor.page.locator('form[action$="/join"] button').filter({ visible: true }).count(), 0);
  await look(visitor, 'sale-scheduled');
});

story('a paused sale can be joined and says that nobody is called', async (visitor) => {
  const sale = await here.shop.openSale();
  await here.shop.call('POST', `/v1/sales/${sale}/pause`);
  await buyer.visitSale(visitor, sale);
  await buyer.seeSaid(visitor, 'salePaused');
  await look(visitor, 'sale-paused');
  await buyer.join(visitor, sale);
  await buyer.seeState(visitor, 'linePaused');
  await look(visitor, 'line-paused');
  await here.shop.call('POST', `/v1/sales/${sale}/resume`);
  await buyer.awaitTurn(visitor);
});

story('a closed sale says so, and so does its line', async (visitor) => {
  const sale = await here.shop.openSale({ admission: SLOW });
  await buyer.join(visitor, sale);
  await buyer.seeState(visitor, 'waiting');
  await here.shop.call('POST', `/v1/sales/${sale}/close`);
  await buyer.seeSaid(visitor, 'saleClosed');
  await look(visitor, 'line-closed');
  // Somebody who never joined.
  await here.as({ lang: visitor.lang }, async (passerBy) => {
    await buyer.visitSale(passerBy, sale);
    await buyer.seeSaid(passerBy, 'saleClosed');
    await look(passerBy, 'sale-closed');
  });
});

story('a sold-out sale says so', async (visitor) => {
  const sale = await here.shop.openSale({ items: [item(1)] });
  await here.as({ lang: visitor.lang }, async (first) => {
    await buyer.walkToPayment(first, sale);
    await buyer.pay(first, 'sandbox_ok');
    await buyer.seeState(first, 'paid');
  });
  await buyer.visitSale(visitor, sale);
  await buyer.seeSaid(visitor, 'saleSoldOut');
  await look(visitor, 'sale-sold-out');
});

story('whoever leaves the line is out of it and may join again', async (visitor) => {
  const sale = await here.shop.openSale({ admission: { mode: 'manual', per_minute: 1, max_active: 200 } });
  await buyer.join(visitor, sale);
  await buyer.press(buyer.leaveButton(visitor));
  await buyer.seeState(visitor, 'left');
  await look(visitor, 'line-left');
  assert.equal((await here.shop.live(sale)).waiting, 0);
  await buyer.join(visitor, sale);
  await buyer.seeState(visitor, 'waiting');
});

story('a missed turn comes once more', async (visitor) => {
  const sale = await here.shop.openSale({ enter_seconds: 5 });
  await buyer.join(visitor, sale);
  await buyer.awaitTurn(visitor);
  await buyer.seeState(visitor, 'late');
  await look(visitor, 'line-late');
  await buyer.awaitTurn(visitor);
});

story('a hold that is not paid in time goes back', async (visitor) => {
  const sale = await here.shop.openSale({ hold_seconds: 5, items: [item(1)] });
  await buyer.walkToPayment(visitor, sale);
  await buyer.seeState(visitor, 'holdExpired');
  await look(visitor, 'checkout-hold-expired');
});

story('a page that does not exist leads on', async (visitor) => {
  await visitor.page.goto('/sales/no-such-sale');
  await visitor.page.locator('main a[href="/"]').first().waitFor();
  await look(visitor, 'not-found');
});

test('the language follows the visible switch, whatever the browser prefers', () =>
  here.as({ lang: 'ko', viewport: DESKTOP }, async (visitor) => {
    const sale = await here.shop.openSale();
    await buyer.visitSale(visitor, sale);
    await visitor.page.locator('a[href*="lang=en"]').first().click();
    await visitor.page.waitForURL('**lang=en**');
    assert.equal(await visitor.page.getAttribute('html', 'lang'), 'en');
  }));
