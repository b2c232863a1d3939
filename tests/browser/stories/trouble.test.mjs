// What goes otherwise than planned: an answer that is lost, a turn used or missed, a unit gone a moment earlier, a
// connection that breaks, two tabs. Each time the page says what is true, and goes on by itself where it can.

import assert from 'node:assert/strict';

import * as buyer from '../buyer.mjs';
import { item, SLOW, until } from '../shop.mjs';
import { screenshot } from '../visitor.mjs';
import { look, setting } from './setting.mjs';

const here = setting();
const { story } = here;

story('an answer of the payment that is lost is found again, and the unit is paid once', async (visitor) => {
  const sale = await here.shop.openSale();
  await buyer.walkToPayment(visitor, sale);
  await buyer.pay(visitor, 'sandbox_timeout');
  await buyer.seeState(visitor, 'paid');
  const { units, conservation } = await here.shop.live(sale);
  assert.deepEqual([units.sold, units.held, conservation], [1, 0, 0]);
});

story('a slow payment is shown under way, and then paid, without a reload by hand', async (visitor) => {
  const sale = await here.shop.openSale();
  await buyer.walkToPayment(visitor, sale);
  await buyer.pay(visitor, 'sandbox_slow');
  await buyer.seeState(visitor, 'paying');
  await screenshot(visitor, 'order-paying');
  await buyer.seeState(visitor, 'paid');
});

story('a payment that is never answered ends with the hold, and the unit is free again', async (visitor) => {
  const sale = await here.shop.openSale({ hold_seconds: 5, items: [item(1)] });
  await buyer.walkToPayment(visitor, sale);
  await buyer.pay(visitor, 'sandbox_leave');
  await buyer.seeState(visitor, 'holdExpired');
  await look(visitor, 'order-expired');
  const { units, conservation } = await here.shop.live(sale);
  assert.deepEqual([units.free, units.held, conservation], [1, 0, 0]);
});

story('whoever goes back after paying is led to the order', async (visitor) => {
  const sale = await here.shop.openSale();
  await buyer.walkToPayment(visitor, sale);
  await buyer.pay(visitor, 'sandbox_ok');
  await buyer.seeState(visitor, 'paid');
  await visitor.page.goBack();
  await buyer.seeState(visitor, 'passUsed');
  await look(visitor, 'checkout-pass-used');
  await visitor.page.locator('main a[href^="/orders/"]').click();
  await buyer.seeState(visitor, 'paid');
  await visitor.page.goto(`/sales/${sale}/line`);
  await visitor.page.locator('main a[href^="/orders/"]').filter({ visible: true }).waitFor();
  await look(visitor, 'line-consumed');
});

story('a turn whose time to choose has run out says so by itself', async (visitor) => {
  const sale = await here.shop.openSale({ pass_seconds: 5 });
  await buyer.join(visitor, sale);
  await buyer.enter(visitor, sale);
  await buyer.seeState(visitor, 'passExpired');
  await look(visitor, 'checkout-pass-expired');
  assert.equal((await here.shop.live(sale)).units.free, 10);
});

story('an order can be cancelled before it is paid, and its unit is free again', async (visitor) => {
  const sale = await here.shop.openSale({ items: [item(1)] });
  await buyer.walkToPayment(visitor, sale);
  await buyer.press(visitor.page.locator('form[action$="/cancel"]').getByRole('button', { includeHidden: true }).first());
  await visitor.page.waitForURL('**/orders/*');
  await buyer.seeState(visitor, 'cancelled');
  await buyer.seeSaid(visitor, 'unitWentBack');
  await look(visitor, 'order-cancelled');
  await until('the unit is free', async () => (await here.shop.live(sale)).units.free === 1, 10_000);
});

story('the last unit may go while one is choosing, and may come back', async (visitor) => {
  const admission = { mode: 'manual', per_minute: 600, max_active: 200, overcall: 1 };
  const sale = await here.shop.openSale({ items: [item(1)], admission });
  await buyer.join(visitor, sale);
  await buyer.enter(visitor, sale);
  await here.as({ lang: visitor.lang }, async (quicker) => {
    await buyer.walkToPayment(quicker, sale);
    await buyer.press(visitor.page.locator('form[action$="/checkout"]').getByRole('button').last());
    await buyer.seeState(visitor, 'soldOutWhileChoosing');
    await look(visitor, 'checkout-sold-out');
    await buyer.press(quicker.page.locator('form[action$="/cancel"]').getByRole('button', { includeHidden: true }).first());
    await buyer.seeState(quicker, 'cancelled');
  });
  await visitor.page.locator('main a[href$="/checkout"]').click();
  await buyer.reserve(visitor);
});

story('everything may be sold while one is waiting, and the page says so without a reload', async (visitor) => {
  const sale = await here.shop.openSale({ items: [item(1)] });
  await here.as({ lang: visitor.lang }, async (first) => {
    await buyer.walkToPayment(first, sale);
    await buyer.join(visitor, sale);
    await buyer.seeState(visitor, 'waiting');
    await look(visitor, 'line-all-held');
    const loads = countLoads(visitor);
    await buyer.pay(first, 'sandbox_ok');
    await buyer.seeState(visitor, 'lineSoldOut');
    assert.equal(loads(), 0);
  });
  await look(visitor, 'line-sold-out');
});

story('the join button comes at the opening, without a reload', async (visitor) => {
  const { page } = visitor;
  const sale = await here.shop.openSale({ opens_at: new Date(Date.now() + 6_000).toISOString(), admission: SLOW });
  await buyer.visitSale(visitor, sale);
  await buyer.seeSaid(visitor, 'scheduled');
  const first = await page.locator('#opening').textContent();
  await until('the countdown moves', async () => (await page.locator('#opening').textContent()) !== first, 5_000);
  const loads = countLoads(visitor);
  const button = page.locator('form[action$="/join"]').getByRole('button').filter({ visible: true });
  await button.waitFor();
  assert.equal(loads(), 0);
  await button.click();
  await page.waitForURL(`**/sales/${sale}/line*`);
  await buyer.seeState(visitor, 'waiting');
});

story('the place counts down live and never rises, and the turn comes without a reload', async (visitor) => {
  const { page } = visitor;
  const sale = await here.shop.openSale({ items: [item(50)], admission: SLOW });
  for (let number = 1; number <= 12; number += 1) await here.shop.joinByKey(sale, `before ${number}`);
  await buyer.join(visitor, sale);
  assert.equal(await page.locator('#ahead').textContent(), '12');
  await look(visitor, 'line-twelve-ahead');
  for (let number = 1; number <= 5; number += 1) await here.shop.joinByKey(sale, `after ${number}`);
  await page.evaluate(() => {
    globalThis.seen = [];
    const ahead = document.getElementById('ahead');
    new MutationObserver(() => globalThis.seen.push(Number(ahead.textContent))).observe(ahead, { childList: true, characterData: true, subtree: true });
  });
  const loads = countLoads(visitor);
  await here.shop.setRate(sale, 120);
  await buyer.awaitTurn(visitor);
  const seen = await page.evaluate(() => globalThis.seen);
  assert.ok(seen.length > 4, `the place moved: ${seen}`);
  assert.deepEqual(seen, [...seen].sort((one, other) => other - one), 'the place never rose');
  assert.match(await page.title(), /^●/);
  assert.equal(loads(), 0);
});

story('a lost connection is said, the place stays, and the page goes on when it is back', async (visitor) => {
  const { page, context } = visitor;
  const sale = await here.shop.openSale({ admission: SLOW });
  await here.shop.joinByKey(sale, 'before');
  await buyer.join(visitor, sale);
  await buyer.seeState(visitor, 'waiting');
  await context.setOffline(true);
  await page.locator('#lost').waitFor();
  assert.equal(await page.locator('#ahead').textContent(), '1');
  await look(visitor, 'line-connection-lost');
  await context.setOffline(false);
  await page.locator('#lost').waitFor({ state: 'hidden' });
  await here.shop.setRate(sale, 600);
  await buyer.awaitTurn(visitor);
});

story('two tabs share one place, and only one of them listens', async (visitor) => {
  const sale = await here.shop.openSale({ admission: SLOW });
  await here.shop.joinByKey(sale, 'before');
  await buyer.join(visitor, sale);
  const second = { ...visitor, page: await visitor.context.newPage() };
  const streams = [];
  second.page.on('request', (request) => request.url().endsWith('/stream') && streams.push(request));
  await second.page.goto(`/sales/${sale}`);
  await second.page.goto(`/sales/${sale}/line`);
  await buyer.seeState(second, 'waiting');
  assert.equal((await here.shop.live(sale)).waiting, 2);
  assert.equal(streams.length, 0);
  await here.shop.setRate(sale, 600);
  await buyer.awaitTurn(visitor);
  await buyer.awaitTurn(second);
  // The tab that listened is closed; the other one takes over.
  await visitor.page.close();
  await until('the other tab listens', () => streams.length === 1, 10_000);
  await buyer.enter(second, sale);
});

story('a quantity that cannot be had is refused in the form, and what was typed stays', async (visitor) => {
  const { page } = visitor;
  const sale = await here.shop.openSale({ per_buyer_limit: 2 });
  await buyer.join(visitor, sale);
  await buyer.enter(visitor, sale);
  // Past the browser's own check, as an old browser would send it.
  await page.locator('form[action$="/checkout"]').evaluate((form) => (form.noValidate = true));
  await page.locator('[name="quantity_pair"]').fill('0');
  await page.locator('[name="email"]').fill('buyer@example.com');
  await page.locator('form[action$="/checkout"]').getByRole('button').last().click();
  await buyer.seeSaid(visitor, 'badQuantity');
  assert.equal(await page.locator('[name="email"]').inputValue(), 'buyer@example.com');
  await look(visitor, 'checkout-bad-quantity');
  await buyer.reserve(visitor, { quantity: 2 });
});

/** Counts the documents that a visitor's page loads from now on. */
function countLoads({ page }) {
  let loads = 0;
  page.on('request', (request) => {
    if (request.isNavigationRequest()) loads += 1;
  });
  return () => loads;
}
