// Listening, and what a person reads when the port is taken.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { WeirError } from './errors.ts';
import { listen, portOwner } from './listen.ts';

test('port 0 listens on a free port and says which', async () => {
  const server = createServer();
  const port = await listen(server, { host: '127.0.0.1', port: 0, key: 'rtmp.port', part: 'EDGE' });
  assert.ok(port > 0);
  server.close();
});

test('a taken port is refused with the port, the key and the process that holds it', async () => {
  const holder = createServer();
  const port = await listen(holder, { host: '127.0.0.1', port: 0, key: 'rtmp.port', part: 'EDGE' });
  const second = createServer();
  await assert.rejects(listen(second, { host: '127.0.0.1', port, key: 'rtmp.port', part: 'EDGE' }), (error) => {
    assert.ok(error instanceof WeirError);
    assert.equal(error.code, 'EDGE_PORT_TAKEN');
    assert.match(error.message, new RegExp(`Port ${port} is taken`));
    assert.match(error.message, /rtmp\.port/);
    if (process.platform === 'linux') assert.match(error.message, new RegExp(`process ${process.pid}`));
    return true;
  });
  holder.close();
});

test('a port nobody listens on has no owner', () => {
  assert.equal(portOwner(1), undefined);
});
