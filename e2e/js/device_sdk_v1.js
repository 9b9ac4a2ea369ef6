// A device made with aws-iot-device-sdk (the first SDK for JavaScript) and its
// jobs class: it runs the job that waits for it and the one that comes next.
//
//	node device_sdk_v1.js mtls|websocket
//
// Where the server is and who the device is comes from the environment: THING,
// HOST, PORT, and CA, CERT and KEY, or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
// and AWS_REGION (the CA then is NODE_EXTRA_CA_CERTS). What it hears goes to
// stdout, a JSON object a line.
'use strict';
const awsIot = require('aws-iot-device-sdk');

const { THING: thing, HOST: host, PORT: port, CA: caPath, CERT: certPath, KEY: keyPath } = process.env;
const tell = (event, value) => console.log(JSON.stringify({ event, ...value }));

const where = { clientId: thing, host, port: Number(port) };
const jobs = awsIot.jobs(process.argv[2] === 'mtls'
  ? { ...where, caPath, certPath, keyPath }
  : { ...where, protocol: 'wss', region: process.env.AWS_REGION });
const fail = (error) => {
  console.error(error);
  process.exit(1);
};
jobs.on('error', fail);

const run = (handler) => (error, job) => {
  if (error) fail(error);
  tell('job', { handler, id: job.id, document: job.document, status: job.status });
  job.inProgress({ step: 'begin' }, (unsent) => {
    if (unsent) fail(unsent);
    job.succeeded({ pct: '100' }, (lost) => {
      if (lost) fail(lost);
      if (handler === 'any') jobs.end(false, () => tell('disconnected'));
    });
  });
};
jobs.subscribeToJobs(thing, 'flash', run('flash')); // documents with "operation": "flash"
jobs.subscribeToJobs(thing, run('any')); // and those with any other, or none
jobs.startJobNotifications(thing, (error) => { if (error) fail(error); });
