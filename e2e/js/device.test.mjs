// Tests of a firmware made with aws-iot-device-sdk-v2, as its authors would write
// them for node's test runner, with clients/js. Run it with --test-force-exit: the
// native part of the SDK keeps node from ending.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDrover } from '../../clients/js/index.js';

const { iotjobs, mqtt5 } = createRequire(join(process.env.NODE_PATH, '/'))('aws-iot-device-sdk-v2');
const thingName = 'pump-7';

// Firmware is the device under test: it knows nothing of Drover but a port. It asks
// for its next job when it starts, when it hears of one, and when it is polled; it
// installs, and reports.
class Firmware {
  installed = [];
  install = async () => {}; // the work
  #news = 0;
  #wake = () => {};
  #over = false;

  async start(drover) {
    this.client = new mqtt5.Mqtt5Client({
      hostName: drover.mqttHost, port: drover.mqttPort, minReconnectDelayMs: 1, maxReconnectDelayMs: 100,
      connectProperties: { clientId: thingName, keepAliveIntervalSeconds: 60 },
    });
    this.client.on('error', () => {});
    this.client.start();
    this.jobs = iotjobs.IotJobsClientv2.newFromMqtt5(this.client, {
      maxRequestResponseSubscriptions: 5, maxStreamingSubscriptions: 2, operationTimeoutInSeconds: 3,
    });
    this.stream = this.jobs.createNextJobExecutionChangedStream({ thingName });
    this.stream.on('incomingPublish', () => this.poll());
    const subscribed = once(this.stream, 'subscriptionStatus');
    this.stream.open();
    await subscribed;
    this.running = this.#run();
  }

  poll() {
    this.#news++;
    this.#wake();
  }

  async stop() {
    this.#over = true;
    this.poll();
    await this.running;
    this.stream.close();
    this.jobs.close();
    const stopped = once(this.client, 'stopped');
    this.client.stop();
    await stopped;
    this.client.close();
  }

  async #run() {
    while (!this.#over) {
      const known = this.#news;
      const { execution } = await this.#ask('startNextPendingJobExecution', {});
      if (execution) await this.#do(execution);
      else if (known === this.#news) await new Promise((wake) => { this.#wake = wake; });
    }
  }

  // An answer that does not come is asked for again.
  async #ask(operation, request) {
    for (;;) {
      try {
        return await this.jobs[operation]({ thingName, ...request });
      } catch (error) {
        if (error.modeledError) return error.modeledError;
        if (this.#over) return {};
      }
    }
  }

  async #do(execution) {
    if (!this.installed.includes(execution.jobId)) {
      if (!await this.#report(execution, 'IN_PROGRESS')) return;
      await this.install(execution.jobId);
      this.installed.push(execution.jobId);
    }
    await this.#report(execution, 'SUCCEEDED');
  }

  // Whether the job is still ours. Who was overtaken looks again.
  async #report(execution, status) {
    for (;;) {
      const { code, executionState } = await this.#ask('updateJobExecution', {
        jobId: execution.jobId, status, expectedVersion: execution.versionNumber, includeJobExecutionState: true,
      });
      if (code && code !== 'VersionMismatch' || !executionState) return false;
      execution.versionNumber = executionState.versionNumber;
      if (!code) return true;
    }
  }
}

// boot gives a firmware that has found that it has no job, and waits for one.
async function boot(t) {
  const drover = await startDrover();
  await drover.thing(thingName);
  const { id } = await drover.faults.inject({ kind: 'duplicate', operation: 'start-next', direction: 'response' });
  const firmware = new Firmware();
  await firmware.start(drover);
  t.after(async () => {
    await firmware.stop();
    await drover.stop();
  });
  await drover.faults.wait(id);
  await drover.faults.clear();
  return { drover, firmware, job: (name) => drover.job(name, { things: [thingName], timeoutMinutes: 10 }) };
}

function hangs(firmware, id) {
  let goOn;
  const going = new Promise((resolve) => { goOn = resolve; });
  firmware.install = (job) => (job === id ? going : undefined);
  return goOn;
}

const busy = (drover, id) => drover.waitUntil(() => drover.execution(thingName, id), (e) => e.versionNumber === 3);

test('it does its jobs', async (t) => {
  const { drover, firmware, job } = await boot(t);
  for (const id of ['fw-1', 'fw-2']) {
    await job(id);
    await drover.waitJob(id, 'COMPLETED');
  }
  assert.deepEqual(firmware.installed, ['fw-1', 'fw-2']);
});

test('one that hangs is timed out and goes on', async (t) => {
  const { drover, firmware, job } = await boot(t);
  const goOn = hangs(firmware, 'fw-1');
  await job('fw-1');
  await busy(drover, 'fw-1');
  await job('fw-2');
  assert.equal((await drover.clock.advance({ by: '9m59s' })).total, 0);
  assert.deepEqual((await drover.clock.advance({ by: '1s' })).fired.map((f) => f.status), ['TIMED_OUT', 'COMPLETED']);
  goOn(); // its report comes too late
  await drover.waitJob('fw-2', 'COMPLETED');
  assert.equal((await drover.execution(thingName, 'fw-1')).status, 'TIMED_OUT');
});

test('a job is cancelled in the middle', async (t) => {
  const { drover, firmware, job } = await boot(t);
  const goOn = hangs(firmware, 'fw-1');
  await job('fw-1');
  await busy(drover, 'fw-1');
  await drover.cancelJob('fw-1', { force: true });
  goOn();
  await job('fw-2');
  await drover.waitJob('fw-2', 'COMPLETED');
  assert.equal((await drover.execution(thingName, 'fw-1')).status, 'CANCELED');
});

test('a notification is lost', async (t) => {
  const { drover, firmware, job } = await boot(t);
  const { id } = await drover.faults.inject({ kind: 'drop', operation: 'notify-next' });
  await job('fw');
  await drover.faults.wait(id);
  assert.equal((await drover.execution(thingName, 'fw')).status, 'QUEUED');
  firmware.poll();
  await drover.waitJob('fw', 'COMPLETED');
});

test('a notification comes twice', async (t) => {
  const { drover, firmware, job } = await boot(t);
  const { id } = await drover.faults.inject({ kind: 'duplicate', direction: 'notification', count: 0 });
  for (const fw of ['fw-1', 'fw-2']) {
    await job(fw);
    await drover.waitJob(fw, 'COMPLETED');
  }
  await drover.faults.wait(id, 2);
  assert.deepEqual(firmware.installed, ['fw-1', 'fw-2']);
});

test('another was faster', async (t) => {
  const { drover, firmware, job } = await boot(t);
  const { id } = await drover.faults.inject({ kind: 'staleVersion', operation: 'update', skip: 1 });
  await job('fw');
  // Queued, started, its report, another's change, its success.
  assert.equal((await drover.waitExecution(thingName, 'fw', 'SUCCEEDED')).versionNumber, 5);
  await drover.faults.wait(id);
  assert.deepEqual(firmware.installed, ['fw']);
});

for (const direction of ['request', 'response']) {
  test(`the connection is lost, ${direction}`, async (t) => {
    const { drover, firmware, job } = await boot(t);
    // The second update is its success: before or after it took effect.
    await drover.faults.inject({ kind: 'disconnect', operation: 'update', direction, skip: 1 });
    await job('fw-1');
    await drover.waitJob('fw-1', 'COMPLETED');
    await job('fw-2');
    firmware.poll(); // it may have missed a notification meanwhile
    await drover.waitJob('fw-2', 'COMPLETED');
    assert.deepEqual(firmware.installed, ['fw-1', 'fw-2']);
  });
}
