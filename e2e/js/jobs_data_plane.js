// A device, or a program that acts for one, with @aws-sdk/client-iot-jobs-data-plane:
// the four operations over HTTPS with SigV4.
//
//	node jobs_data_plane.js
//
// THING says which one; endpoint, region, credentials and CA come from the
// environment, as for every AWS SDK (the CA is NODE_EXTRA_CA_CERTS). What it
// hears goes to stdout, a JSON object a line.
'use strict';
const {
  DescribeJobExecutionCommand, GetPendingJobExecutionsCommand, InvalidRequestException, InvalidStateTransitionException,
  IoTJobsDataPlaneClient, ResourceNotFoundException, StartNextPendingJobExecutionCommand, TerminalStateException,
  UpdateJobExecutionCommand,
} = require('@aws-sdk/client-iot-jobs-data-plane');

const thingName = process.env.THING;
const client = new IoTJobsDataPlaneClient({ maxAttempts: 1 });
const tell = (event, value) => console.log(JSON.stringify({ event, ...value, $metadata: undefined }));

// refused tells the exception that a call must end in, if it is of this class.
async function refused(exception, command) {
  try {
    await client.send(command);
  } catch (error) {
    if (!(error instanceof exception)) throw error;
    const { httpStatusCode: status, requestId } = error.$metadata;
    tell('refused', { name: error.name, message: error.message, status, requestId });
    return;
  }
  throw new Error(`accepted, want ${exception.name}`);
}

async function main() {
  tell('pending', await client.send(new GetPendingJobExecutionsCommand({ thingName })));
  const { execution } = await client.send(new StartNextPendingJobExecutionCommand({
    thingName, statusDetails: { step: 'begin' }, stepTimeoutInMinutes: 5,
  }));
  tell('started', { execution });
  const { jobId, versionNumber } = execution;
  const update = (more) => new UpdateJobExecutionCommand({ thingName, jobId, ...more });
  tell('updated', await client.send(update({
    status: 'IN_PROGRESS', statusDetails: { pct: '50' }, expectedVersion: versionNumber, includeJobExecutionState: true, includeJobDocument: true,
  })));
  tell('described', await client.send(new DescribeJobExecutionCommand({ thingName, jobId: '$next', includeJobDocument: false })));
  await refused(InvalidStateTransitionException, update({ status: 'SUCCEEDED', expectedVersion: versionNumber }));
  await refused(InvalidRequestException, update({ status: 'CANCELED' }));
  tell('succeeded', await client.send(update({ status: 'SUCCEEDED', statusDetails: { pct: '100' }, expectedVersion: versionNumber + 1 })));
  await refused(TerminalStateException, new DescribeJobExecutionCommand({ thingName, jobId }));
  await refused(ResourceNotFoundException, new GetPendingJobExecutionsCommand({ thingName: 'nobody' }));
  tell('next', await client.send(new DescribeJobExecutionCommand({ thingName, jobId: '$next', executionNumber: 1 })));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
