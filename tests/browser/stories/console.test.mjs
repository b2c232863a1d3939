// The seller's way: sign in by a link, create a sale by the form, steer it while people wait, read its orders.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';

import * as buyer from '../buyer.mjs';
import { until } from '../shop.mjs';
import { DESKTOP, expectAccessible, screenshot } from '../visitor.mjs';
import { LANGUAGES, setting } from './setting.mjs';

const here = setting();

/** The form's fields; what is not named here keeps what the form proposes. */
const SALE = {
  name_ko: '한정판 운동화',
  name_en: 'Limited sneaker',
  opens_at: '2026-01-01T09:00:00',
  per_buyer_limit: '1',
  item_0_id: 'pair',
  item_0_name_ko: '한 켤레',
  item_0_name_en: 'One pair',
  item_0_amount: '189000',
  item_0_currency: 'KRW',
  item_0_units: '5',
};

for (const lang of LANGUAGES) {
  test(`a seller signs in, creates a sale, steers it and reads its orders (${lang})`, () =>
    here.as({ lang, viewport: DESKTOP }, async (seller) => {
      await signIn(seller);
      const sale = await createSale(seller);
      await steer(seller, sale);
      await sellOne(sale);
      await readOrders(seller, sale);
      await close(seller, sale);
    }));
}

test('a sign-in link works once', () =>
  here.as({ lang: 'en', viewport: DESKTOP }, async (seller) => {
    const link = await here.shop.sellerLink('once@example.com');
    await useLink(seller, link);
    await here.as({ lang: 'en', viewport: DESKTOP }, async (other) => {
      await other.page.goto(link);
      const button = other.page.locator('form[action*="/console/sign-in/"] button');
      if (await button.count()) await button.click();
      await other.page.goto('/console');
      assert.equal(await other.page.locator('a[href$="/console/sales/new"]').count(), 0);
    });
  }));

async function look(seller, state) {
  await screenshot(seller, state);
  await expectAccessible(seller, state);
}

async function useLink(seller, link) {
  await seller.page.goto(link);
  await seller.page.locator('form[action*="/console/sign-in/"] button').click();
  await seller.page.locator('a[href$="/console/sales/new"]').first().waitFor();
}

async function signIn(seller) {
  await seller.page.goto('/console');
  await look(seller, 'console-signed-out');
  const link = await here.shop.sellerLink(`seller-${seller.lang}@example.com`);
  await seller.page.goto(link);
  await look(seller, 'console-sign-in');
  await useLink(seller, link);
  await look(seller, 'console-sales');
}

async function createSale(seller) {
  const { page } = seller;
  const id = `story-${randomBytes(4).toString('hex')}`;
  await page.goto('/console/sales/new');
  await look(seller, 'console-create');
  await refuse(seller);
  for (const [name, value] of Object.entries({ ...SALE, id })) await page.locator(`[name="${name}"]`).fill(value);
  await page.locator('form[action$="/console/sales"]').getByRole('button').last().click();
  await page.waitForURL(`**/console/sales/${id}*`);
  await look(seller, 'console-sale');
  return id;
}

/** A form with mistakes comes back with each of them named, and with all that was typed. */
async function refuse({ page, ...seller }) {
  const form = page.locator('form[action$="/console/sales"]');
  await form.evaluate((element) => (element.noValidate = true));
  await page.locator('[name="name_ko"]').fill(SALE.name_ko);
  await page.locator('[name="item_0_units"]').fill('0');
  await form.getByRole('button').last().click();
  await page.locator('[aria-invalid="true"]').first().waitFor();
  assert.equal(await page.locator('[name="name_ko"]').inputValue(), SALE.name_ko);
  assert.equal(await page.locator('[name="item_0_units"]').getAttribute('aria-invalid'), 'true');
  await look({ page, ...seller }, 'console-create-refused');
}

/** Presses the button of one of the sale's own forms and waits until page and API both say that it is in force. */
async function command(seller, sale, verb, state) {
  await buyer.press(form(seller, sale, verb).getByRole('button', { includeHidden: true }).first());
  await form(seller, sale, verb).waitFor({ state: 'detached' });
  await until(`${sale} is ${state}`, async () => (await here.shop.call('GET', `/v1/sales/${sale}`)).state === state, 10_000);
}

function form(seller, sale, verb) {
  return seller.page.locator(`form[action$="/console/sales/${sale}/${verb}"]`).first();
}

async function steer(seller, sale) {
  const admission = form(seller, sale, 'admission');
  await admission.locator('[name="per_minute"]').fill('600');
  await admission.locator('[name="max_active"]').fill('50');
  await buyer.press(admission.getByRole('button').last());
  await until('the new rate is in force', async () => {
    const { admission: now } = await here.shop.call('GET', `/v1/sales/${sale}`);
    return now.per_minute === 600 && now.max_active === 50;
  }, 10_000);
  await command(seller, sale, 'pause', 'paused');
  await seller.page.goto(`/console/sales/${sale}`);
  await look(seller, 'console-sale-paused');
  await command(seller, sale, 'resume', 'open');
}

async function sellOne(sale) {
  await here.as({ lang: 'ko' }, async (visitor) => {
    await buyer.join(visitor, sale);
    await buyer.enter(visitor, sale);
    await buyer.reserve(visitor, { email: 'buyer@example.com' });
    await buyer.pay(visitor, 'sandbox_ok');
    await buyer.seeState(visitor, 'paid');
  });
}

async function readOrders(seller, sale) {
  await seller.page.goto(`/console/sales/${sale}`);
  await look(seller, 'console-sale-sold-one');
  await seller.page.goto(`/console/sales/${sale}/orders`);
  await look(seller, 'console-orders');
  const { data } = await here.shop.call('GET', `/v1/sales/${sale}/orders`);
  assert.equal(data.length, 1);
  await seller.page.getByText(data[0].id).first().waitFor();
}

async function close(seller, sale) {
  await seller.page.goto(`/console/sales/${sale}`);
  await command(seller, sale, 'close', 'closed');
  await readMail(seller);
}

/** What the buyer was written: the order, then the payment. */
async function readMail(seller) {
  const letters = seller.page.locator('main a[href*="/console/mailbox/"]');
  await until('both letters have come', async () => {
    await seller.page.goto('/console/mailbox');
    return (await letters.count()) >= 2;
  }, 20_000);
  await look(seller, 'console-mailbox');
  await letters.first().click();
  await seller.page.waitForURL('**/console/mailbox/*');
  await look(seller, 'console-mail');
}
