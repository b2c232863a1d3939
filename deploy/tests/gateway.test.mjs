// The walk through the gateway: every process that docker-compose.yml names, and nginx before them.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { bareEnvironment, until } from '../../tests/browser/shop.mjs';
import { ROOT } from './composed.mjs';
import { Installation, STEP_WITHIN_MS } from './installation.mjs';
import { follow } from './stream.mjs';

const run = promisify(execFile);

let place;
before(async () => (place = await Installation.start()), { timeout: 180_000 });
after(async () => place?.remove(), { timeout: 60_000 });

test('the walk: join, enter, reserve, pay, paid, and a mail', { timeout: 120_000 }, async () => {
  const sale = await place.openSale();
  const path = (step) => `/v1/sales/${sale}/${step}`;
  const { ticket, number } = await place.answered(201, 'POST', path('tickets'), { key: 'the first buyer' });
  const again = await place.answered(200, 'POST', path('tickets'), { key: 'the first buyer' });
  assert.deepEqual([again.number, again.ticket], [number, ticket], 'the same place from either waiting room');

  const standing = () => place.answered(200, 'GET', path('tickets/self'), { bearer: ticket });
  await until('the buyer is called', async () => (await standing()).state === 'called', STEP_WITHIN_MS);
  const { pass } = await place.answered(201, 'POST', path('passes'), { bearer: ticket });
  const wish = { lines: [{ item: 'pair', quantity: 1 }], contact: { email: 'buyer@example.com', locale: 'en' } };
  const order = await place.answered(201, 'POST', path('orders'), { bearer: pass, key: 'order', body: wish });
  assert.equal(order.state, 'pending_payment');
  await place.answered(202, 'POST', `/v1/orders/${order.id}/payments`, { bearer: pass, key: 'pay', body: { method: 'sandbox_ok' } });
  const look = () => place.answered(200, 'GET', `/v1/orders/${order.id}`, { bearer: ticket });
  await until('the order is paid', async () => (await look()).state === 'paid', STEP_WITHIN_MS);
  await until('the mails have come', () => place.mails.caught.length >= 2, STEP_WITHIN_MS);
  assert.ok(place.mails.caught.every((mail) => mail.includes('buyer@example.com')));
});

test('a stream comes through unbuffered', { timeout: 60_000 }, async () => {
  const sale = await place.openSale();
  await follow(`${place.origin}/v1/sales/${sale}/stream`, async (next) => {
    assert.equal((await next()).sale, sale);
    await place.answered(201, 'POST', `/v1/sales/${sale}/tickets`, { key: 'somebody' });
    while ((await next()).last_number < 1);
  });
});

test('every call of the API reaches the process that knows it', { timeout: 60_000 }, async () => {
  const sale = await place.openSale();
  const description = await place.answered(200, 'GET', '/openapi.json');
  const calls = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => ['get', 'post', 'put', 'patch', 'delete'].includes(method))
      .map((method) => [method.toUpperCase(), path]),
  );
  assert.ok(calls.length >= 20, `the description has ${calls.length} calls`);
  for (const [method, path] of calls) {
    const order = '01900000-0000-7000-8000-000000000000';
    const url = path.replace('{sale}', sale).replace('{order}', order);
    assert.ok(!url.includes('{'), `${path} has a name that this test does not know`);
    const stopped = new AbortController();
    const answer = await place.ask(method, url, { signal: stopped.signal });
    const refusal = answer.headers.get('content-type')?.startsWith('application/problem+json') ? (await answer.json()).code : undefined;
    if (refusal === undefined) stopped.abort();
    assert.ok(!['not_found', 'method_not_allowed'].includes(refusal), `${method} ${path} went astray: ${answer.status} ${refusal}`);
  }
});

test('the pages come through, and what is for operators does not', { timeout: 60_000 }, async () => {
  const sale = await place.openSale();
  const status = async (path, headers) => (await place.ask('GET', path, { headers: { accept: 'text/html', ...headers } })).status;
  for (const path of ['/', `/sales/${sale}`, '/docs', '/.well-known/jwks.json']) assert.equal(await status(path), 200, path);
  const pressed = await place.ask('POST', `/sales/${sale}/join`, { headers: { 'sec-fetch-site': 'same-origin' } });
  assert.equal(pressed.status, 303);
  const cookie = pressed.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
  assert.equal(await status(`/sales/${sale}/line`, { cookie }), 200, 'the line, with the cookies of the join');
  for (const path of ['/metrics', '/healthz', '/readyz']) assert.equal(await status(path), 404, path);
});

test('one waiting room goes, the line stays', { timeout: 60_000 }, async () => {
  const sale = await place.openSale();
  const end = await place.stop('waiting-room-1');
  assert.equal(end?.code, 0, await place.log('waiting-room-1'));
  const path = `/v1/sales/${sale}`;
  for (let nth = 1; nth <= 20; nth += 1) {
    await place.answered(200, 'GET', `${path}/frame`);
    await place.answered(201, 'POST', `${path}/tickets`, { key: `buyer ${nth}` });
  }
  place.serve('waiting-room-1');
  await place.ready('waiting-room-1');
});

test('the crowd of k6 finds every promise kept', { timeout: 180_000 }, async () => {
  const env = { ...bareEnvironment(), OPENRUN_URL: place.origin, OPENRUN_TOKEN: place.token };
  // A short rush; latency is not what this is about, so only a standstill counts.
  const settings = ['PEAK_PER_SECOND=30', 'GATHER_SECONDS=4', 'RUSH_SECONDS=4', 'EBB_SECONDS=2', 'UNITS=60', 'MOST_LINE_RATIO=400', 'MOST_CHECKOUT_RATIO=1000'];
  const named = settings.flatMap((setting) => ['--env', setting]);
  const args = ['run', '--quiet', '--no-usage-report', '--address', '', ...named, join(ROOT, 'k6/opening_rush.js')];
  await run('k6', args, { env }).catch(({ stdout, stderr }) => assert.fail(`${stdout}\n${stderr}`));
});

test('stores and payments agree in the end, and everybody stops in good order', { timeout: 90_000 }, async () => {
  const report = JSON.parse(await place.once('checkout', 'verify', '--json'));
  assert.equal(report.differences, 0, JSON.stringify(report.found));
  for (const name of place.services.keys()) {
    const end = await place.stop(name);
    assert.equal(end?.code, 0, `${name} ended with ${JSON.stringify(end)}:\n${await place.log(name)}`);
  }
});
