// Runs one script against an openrun of its own: embedded, or on the engines of ./test with OPENRUN_TEST_STORIES=live.
//
//     node k6/run.mjs SCRIPT.js [NAME=VALUE…]

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { startShop } from '../tests/browser/shop.mjs';

const [script, ...settings] = process.argv.slice(2);
if (!script) {
  console.error('usage: node k6/run.mjs SCRIPT.js [NAME=VALUE…]');
  process.exit(2);
}

const shop = await startShop();
try {
  const token = await shop.command('token', '--role', 'operator');
  const args = ['run', '--quiet', '--no-usage-report', '--address', '', ...settings.flatMap((setting) => ['--env', setting])];
  const run = spawn('k6', [...args, fileURLToPath(new URL(script, import.meta.url))], {
    env: { ...process.env, OPENRUN_URL: shop.origin, OPENRUN_TOKEN: token },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = await once(run, 'exit');
  process.exitCode = code ?? 1;
  if (code !== 0) console.error(await shop.log());
} finally {
  await shop.stop();
}
