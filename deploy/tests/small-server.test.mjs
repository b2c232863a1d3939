// One small server: the program embedded, and a real Caddy before it with the Caddyfile's own rules, without TLS.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { bareEnvironment, freePort, startShop, until } from '../../tests/browser/shop.mjs';
import { read } from './composed.mjs';
import { follow } from './stream.mjs';

let folder;
let shop;
let caddy;
let origin;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openrun-small-'));
  const port = await freePort();
  origin = `http://localhost:${port}`;
  shop = await startShop({ env: { OPENRUN_PUBLIC_URL: origin, OPENRUN_TRUSTED_PROXIES: '127.0.0.1/32,::1/128' } });
  const rules = read('deploy/Caddyfile')
    .replace(/^line\.example\.com \{$/m, `http://localhost:${port} {`)
    .replace('127.0.0.1:8080', shop.listen);
  await writeFile(join(folder, 'Caddyfile'), `{\n\tadmin off\n}\n${rules}`);
  const args = ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')];
  caddy = spawn('caddy', args, { env: { ...bareEnvironment(), HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }, stdio: 'ignore' });
  await until('Caddy answers', async () => (await fetch(`${origin}/readyz`).catch(() => undefined))?.ok);
});

after(async () => {
  caddy?.kill('SIGKILL');
  await shop?.stop();
  await rm(folder, { recursive: true, force: true });
});

test('a stream comes through unbuffered, and pages come compressed', { timeout: 60_000 }, async () => {
  const sale = await shop.openSale();
  await follow(`${origin}/v1/sales/${sale}/stream`, async (next) => {
    assert.equal((await next()).sale, sale);
    const joined = await fetch(`${origin}/v1/sales/${sale}/tickets`, { method: 'POST', headers: { 'idempotency-key': 'somebody' } });
    assert.equal(joined.status, 201);
    while ((await next()).last_number < 1);
  });
  const page = await fetch(`${origin}/sales/${sale}`);
  assert.equal(page.status, 200);
  assert.ok(['gzip', 'zstd'].includes(page.headers.get('content-encoding')), 'the page is compressed');
});
