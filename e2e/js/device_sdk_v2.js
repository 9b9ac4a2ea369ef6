// A device made with aws-iot-device-sdk-v2: it hears of a job, runs it to its
// end and hears of the next.
//
//	node device_sdk_v2.js v1|v2 3.1.1|5 mtls|websocket
//
// v1 and v2 are the two generations of the SDK's Jobs client. Where the server
// is and who the device is comes from the environment: THING, HOST, PORT (none
// is the SDK's own choice), CA, and CERT and KEY or AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY and AWS_REGION. What it hears goes to stdout, a JSON
// object a line.
'use strict';
const { once } = require('node:events');
const { auth, iot, iotjobs, mqtt, mqtt5 } = require('aws-iot-device-sdk-v2');

const [generation, protocol, door] = process.argv.slice(2);
const { THING: thingName, HOST: host, PORT: port, CA: ca, CERT: cert, KEY: key } = process.env;
const QOS = mqtt.QoS.AtLeastOnce;
const tell = (event, value) => console.log(JSON.stringify({ event, ...value }));

async function connect3() {
  const credentials = { region: process.env.AWS_REGION, credentials_provider: auth.AwsCredentialsProvider.newDefault() };
  const builder = door === 'mtls'
    ? iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder_from_path(cert, key)
    : iot.AwsIotMqttConnectionConfigBuilder.new_with_websockets(credentials);
  builder.with_certificate_authority_from_path(undefined, ca).with_endpoint(host).with_client_id(thingName).with_clean_session(true);
  if (port) builder.with_port(Number(port));
  const connection = new mqtt.MqttClient().new_connection(builder.build());
  await connection.connect();
  return { client: connection, disconnect: () => connection.disconnect() };
}

async function connect5() {
  const credentials = { region: process.env.AWS_REGION, credentialsProvider: auth.AwsCredentialsProvider.newDefault() };
  const builder = door === 'mtls'
    ? iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath(host, cert, key)
    : iot.AwsIotMqtt5ClientConfigBuilder.newWebsocketMqttBuilderWithSigv4Auth(host, credentials);
  builder.withCertificateAuthorityFromPath(undefined, ca).withConnectProperties({ clientId: thingName, keepAliveIntervalSeconds: 60 });
  if (port) builder.withPort(Number(port));
  const client = new mqtt5.Mqtt5Client(builder.build());
  client.on('connectionFailure', ({ error }) => { throw error; });
  const connected = once(client, 'connectionSuccess');
  client.start();
  await connected;
  return {
    client,
    disconnect: async () => {
      const stopped = once(client, 'stopped');
      client.stop();
      await stopped;
      client.close();
    },
  };
}

// The first generation: subscribe to accepted and rejected, publish, and tell
// the replies apart by the clientToken. Over MQTT 5 it hands out only what comes
// on exactly the topic of a subscription, so jobId may not be '+' in one.
async function firstGeneration(client) {
  const jobs = protocol === '5' ? iotjobs.IotJobsClient.newFromMqtt5Client(client) : new iotjobs.IotJobsClient(client);
  const waiting = new Map();
  const accepted = (error, reply) => {
    if (error) throw error;
    waiting.get(reply.clientToken)?.resolve(reply);
  };
  const rejected = (error, reply) => {
    if (error) throw error;
    waiting.get(reply.clientToken)?.reject(reply);
  };
  const subscribed = new Set();
  const listen = async (operation, jobId) => {
    if (subscribed.has(operation + jobId)) return;
    subscribed.add(operation + jobId);
    for (const [outcome, hear] of [['Accepted', accepted], ['Rejected', rejected]]) {
      const suback = await jobs[`subscribeTo${operation}${outcome}`]({ thingName, jobId }, QOS, hear);
      if (suback.error_code) throw new Error(`${operation}${outcome}: ${suback.error_code}`);
    }
  };
  let tokens = 0;
  const ask = (operation) => async (request) => {
    await listen(operation, request.jobId);
    const clientToken = `${thingName}-${++tokens}`;
    const reply = new Promise((resolve, reject) => waiting.set(clientToken, { resolve, reject }));
    const published = jobs[`publish${operation}`]({ thingName, clientToken, ...request }, QOS);
    return (await Promise.all([reply, published]))[0]; // either may come first
  };
  return {
    getPending: ask('GetPendingJobExecutions'),
    startNext: ask('StartNextPendingJobExecution'),
    describe: ask('DescribeJobExecution'),
    update: ask('UpdateJobExecution'),
    onNext: (hear) => jobs.subscribeToNextJobExecutionChangedEvents({ thingName }, QOS, (error, event) => {
      if (error) throw error;
      hear(event);
    }),
    close: () => {},
  };
}

// The second generation does all of that by itself; a rejection is a
// ServiceError with the service's answer in modeledError.
function secondGeneration(client) {
  const limits = { maxRequestResponseSubscriptions: 5, maxStreamingSubscriptions: 2, operationTimeoutInSeconds: 60 };
  const jobs = protocol === '5' ? iotjobs.IotJobsClientv2.newFromMqtt5(client, limits) : iotjobs.IotJobsClientv2.newFromMqtt311(client, limits);
  const ask = (operation) => async (request) => {
    try {
      return await jobs[operation]({ thingName, ...request });
    } catch (error) {
      throw error.modeledError ?? error;
    }
  };
  const streams = [];
  return {
    getPending: ask('getPendingJobExecutions'),
    startNext: ask('startNextPendingJobExecution'),
    describe: ask('describeJobExecution'),
    update: ask('updateJobExecution'),
    onNext: async (hear) => {
      const stream = jobs.createNextJobExecutionChangedStream({ thingName });
      stream.on('incomingPublish', ({ message }) => hear(message));
      const subscribed = once(stream, 'subscriptionStatus');
      stream.open();
      const [status] = await subscribed;
      if (status.error) throw status.error;
      streams.push(stream);
    },
    close: () => {
      streams.forEach((stream) => stream.close());
      jobs.close();
    },
  };
}

async function main() {
  const { client, disconnect } = protocol === '5' ? await connect5() : await connect3();
  const jobs = generation === 'v2' ? secondGeneration(client) : await firstGeneration(client);
  const heard = [];
  let wake = () => {};
  await jobs.onNext((event) => {
    heard.push(event);
    wake();
  });
  // The next execution that is announced; a queue that is empty for a moment is none.
  const next = async () => {
    for (;;) {
      const event = heard.shift();
      if (event?.execution) return event;
      if (!event) await new Promise((resolve) => { wake = resolve; });
    }
  };

  tell('ready', await jobs.getPending({}));
  tell('heard', await next());
  const { execution } = await jobs.startNext({ statusDetails: { step: 'begin' } });
  tell('started', { execution });
  const job = { jobId: execution.jobId, executionNumber: execution.executionNumber };
  tell('updated', await jobs.update({
    ...job, status: 'IN_PROGRESS', statusDetails: { pct: '50' }, expectedVersion: execution.versionNumber, includeJobExecutionState: true,
  }));
  tell('rejected', await jobs.update({ ...job, status: 'SUCCEEDED', expectedVersion: execution.versionNumber }).then(
    () => ({ code: 'accepted' }), (rejection) => rejection));
  tell('succeeded', await jobs.update({
    ...job, status: 'SUCCEEDED', statusDetails: { pct: '100' }, expectedVersion: execution.versionNumber + 1,
  }));
  tell('next', await next());
  const described = await jobs.describe({ jobId: '$next' });
  tell('described', described);
  await jobs.update({ jobId: described.execution.jobId, status: 'REJECTED' });
  tell('empty', await jobs.startNext({}));
  jobs.close();
  await disconnect();
  tell('disconnected');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
