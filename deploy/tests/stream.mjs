// Follows a sale's stream, and insists that what is said arrives while the stream goes on.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

// What was said by one process is shown by every other one; a busy machine takes longer.
const TOLD_WITHIN_MS = 5_000;

/** Calls `look` with a function that answers the next frame. */
export async function follow(url, look) {
  const stopped = new AbortController();
  try {
    const answer = await inTime('the stream begins', fetch(url, { signal: stopped.signal }));
    assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
    const frames = events(answer);
    await look(async () => (await inTime('a frame arrives', frames.next())).value);
  } finally {
    stopped.abort();
  }
}

async function* events(answer) {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of answer.body) {
    text += decoder.decode(chunk, { stream: true });
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const data = /^data: ?(.*)$/m.exec(text.slice(0, end));
      if (data) yield JSON.parse(data[1]);
    }
  }
}

async function inTime(what, promise) {
  const answer = await Promise.race([promise, pause(TOLD_WITHIN_MS, 'late', { ref: false })]);
  assert.notEqual(answer, 'late', `${what} within ${TOLD_WITHIN_MS} ms`);
  return answer;
}
