import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Refused, startDrover } from '../index.js';

// say is a device that speaks HTTPS: the status of its answer.
const say = async (drover, method, path, body = {}) => {
  const answer = await fetch(drover.http + path, { method, body: JSON.stringify(body) });
  await answer.text();
  return answer.status;
};

test('a timeout passes in no time', async (t) => {
  const drover = await startDrover({ t });
  await drover.thing('pump-7', 'pump-8');
  await drover.group('pumps', 'pump-7');
  await drover.job('fw', { groups: ['pumps'], document: { op: 'flash' }, timeoutMinutes: 10, description: 'by node' });
  assert.equal((await drover.execution('pump-7', 'fw')).status, 'QUEUED');
  assert.equal(await drover.execution('pump-8', 'fw'), undefined);
  assert.equal(await say(drover, 'PUT', '/things/pump-7/jobs/$next'), 200);
  const began = await drover.clock.now();
  assert.equal((await drover.clock.state()).nextDue, began + 600);
  assert.deepEqual((await drover.clock.advance({ by: '9m59s' })).fired, []);
  const { fired } = await drover.clock.advance({ to: began + 600 });
  assert.deepEqual(fired.map(({ kind, status, at }) => [kind, status, at]), [
    ['execution', 'TIMED_OUT', began + 600],
    ['job', 'COMPLETED', began + 600],
  ]);
  assert.equal((await drover.clock.advance({ until: 'idle', atMost: '30d' })).idle, true);
  await drover.waitExecution('pump-7', 'fw', 'TIMED_OUT');
  await drover.waitJob('fw', 'COMPLETED');
});

test('a job with retries that aborts', async (t) => {
  const drover = await startDrover({ t });
  await drover.thing('pump-7', 'pump-8');
  await drover.job('fw', {
    things: ['pump-7', 'pump-8'],
    retries: { FAILED: 1 },
    abort: [{ failureType: 'ALL', thresholdPercentage: 50, minNumberOfExecutedThings: 2 }],
  });
  for (const attempts of [['FAILED', 'QUEUED'], ['FAILED', 'FAILED']]) {
    assert.equal(await say(drover, 'POST', '/things/pump-7/jobs/fw', { status: 'FAILED' }), 200);
    assert.deepEqual([await drover.attempts('pump-7', 'fw'), await drover.jobStatus('fw')], [attempts, 'IN_PROGRESS']);
  }
  assert.equal(await say(drover, 'POST', '/things/pump-8/jobs/fw', { status: 'SUCCEEDED' }), 200);
  await drover.waitJob('fw', 'CANCELED');
  assert.deepEqual(await drover.attempts('pump-8', 'fw-2'), []);
});

test('a lost answer', async (t) => {
  const drover = await startDrover({ t });
  await drover.thing('pump-7');
  await drover.job('fw', { things: ['pump-7'] });
  const fault = await drover.faults.inject({ kind: 'answer', code: 'InternalError', operation: 'update', direction: 'response' });
  assert.equal(await say(drover, 'POST', '/things/pump-7/jobs/fw', { status: 'SUCCEEDED' }), 500);
  await drover.faults.wait(fault.id);
  await drover.waitJob('fw', 'COMPLETED');
  assert.deepEqual((await drover.faults.list()).map((f) => f.remaining), [0]);
  assert.deepEqual((await drover.faults.report()).map((i) => i.thing), ['pump-7']);
  await drover.faults.delete(fault.id);
  await drover.faults.clear();
  assert.deepEqual([await drover.faults.list(), await drover.faults.report()], [[], []]);
});

test('flags reach the server', async (t) => {
  const drover = await startDrover({ t, flags: ['--auto-things', '--clock-at', '2026-01-31T09:00:00Z'] });
  assert.equal((await drover.clock.state()).time, '2026-01-31T09:00:00Z');
  assert.equal(await say(drover, 'PUT', '/things/new/jobs/$next'), 200);
  await drover.job('fw', { things: ['new'] });
  await drover.cancelJob('fw', { force: true });
  assert.deepEqual([await drover.jobStatus('fw'), await drover.jobStatus('fw-2')], ['CANCELED', undefined]);
});

test('what is refused says why', async (t) => {
  const drover = await startDrover({ t, clock: 'real' });
  await assert.rejects(drover.call('GET', '/things/nobody'), (error) => {
    assert.ok(error instanceof Refused);
    assert.equal(error.status, 404);
    assert.equal(error.type, 'ResourceNotFoundException');
    return true;
  });
  await assert.rejects(drover.clock.advance({ by: 1 }), /409 ConflictException/);
  drover.patience = 1;
  await assert.rejects(drover.waitJob('fw', 'COMPLETED'), /waited in vain until job fw is COMPLETED; it is undefined/);
});

test('a server ends, and one that does not start says why', async () => {
  const drover = await startDrover();
  assert.equal(drover.mqttHost, '127.0.0.1');
  await drover.stop();
  await assert.rejects(drover.clock.now());
  await assert.rejects(startDrover({ flags: ['--no-such-flag'] }), /unknown flag --no-such-flag/);
  await assert.rejects(startDrover({ binary: '/no/such/drover' }), /did not start: .*ENOENT/);
});
