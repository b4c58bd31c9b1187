// A charging station by other people's hands: npm `ocpp-rpc`, validating strictly both ways
// where it can (not 2.1).
// Boots, authorises, runs one transaction and prints every answer as a line of JSON.
'use strict';
const { RPCClient } = require('ocpp-rpc');

const [endpoint, identity, password, protocol, token] = process.argv.slice(2);
const client = new RPCClient({
    endpoint, identity, password,
    protocols: [protocol],
    // Its own schemas of 2.1 are under names that it does not look for.
    strictMode: ['ocpp1.6', 'ocpp2.0.1'],
    reconnect: false,
});
const say = (action, answer) => process.stdout.write(JSON.stringify({ action, answer }) + '\n');
const call = async (action, payload) => {
    const answer = await client.call(action, payload);
    say(action, answer);
    return answer;
};
const at = (minute) => new Date(Date.now() - 3600e3 + minute * 60e3).toISOString();

client.on('strictValidationFailure', ({ error }) => say('strictValidationFailure', error.message));
client.handle('GetConfiguration', () => ({ configurationKey: [] }));
client.handle('GetBaseReport', () => ({ status: 'NotSupported' }));
client.handle('TriggerMessage', ({ params }) => {
    say('triggered', params);
    return { status: 'Accepted' };
});

async function day16() {
    await call('BootNotification', { chargePointVendor: 'Peer', chargePointModel: 'rpc' });
    await call('Heartbeat', {});
    await call('StatusNotification', { connectorId: 1, errorCode: 'NoError', status: 'Preparing' });
    await call('Authorize', { idTag: token });
    const { transactionId } = await call('StartTransaction',
        { connectorId: 1, idTag: token, meterStart: 1000, timestamp: at(0) });
    await call('MeterValues', {
        connectorId: 1, transactionId,
        meterValue: [{ timestamp: at(10), sampledValue: [{ value: '1600', unit: 'Wh' }] }],
    });
    await call('StopTransaction',
        { transactionId, idTag: token, meterStop: 2200, timestamp: at(20), reason: 'Local' });
    await call('StatusNotification', { connectorId: 1, errorCode: 'NoError', status: 'Available' });
}

async function day2x() {
    const idToken = { idToken: token, type: 'ISO14443' };
    const meter = (minute, value) => [{
        timestamp: at(minute),
        sampledValue: [{ value, measurand: 'Energy.Active.Import.Register', unitOfMeasure: { unit: 'Wh' } }],
    }];
    const event = (eventType, seqNo, minute, triggerReason, value, more) => call('TransactionEvent', {
        eventType, seqNo, timestamp: at(minute), triggerReason,
        transactionInfo: { transactionId: 'peer-' + identity, ...(more.info || {}) },
        meterValue: meter(minute, value), ...(more.event || {}),
    });
    await call('BootNotification', {
        reason: 'PowerUp', chargingStation: { vendorName: 'Peer', model: 'rpc' },
    });
    await call('Heartbeat', {});
    await call('StatusNotification',
        { timestamp: at(0), connectorStatus: 'Occupied', evseId: 1, connectorId: 1 });
    await call('Authorize', { idToken });
    await event('Started', 0, 0, 'Authorized', 1000,
        { event: { idToken, evse: { id: 1, connectorId: 1 } }, info: { chargingState: 'Charging' } });
    await event('Updated', 1, 10, 'MeterValuePeriodic', 1600, { info: { chargingState: 'Charging' } });
    await event('Ended', 2, 20, 'StopAuthorized', 2200, { info: { stoppedReason: 'Local' } });
}

(async () => {
    await client.connect();
    await (protocol === 'ocpp1.6' ? day16() : day2x());
    process.stdin.once('data', async () => {
        await client.close({ code: 1000, reason: 'done' });
        process.exit(0);
    });
    say('done', {});
})().catch((error) => {
    say('failed', String(error && error.stack));
    process.exit(1);
});
