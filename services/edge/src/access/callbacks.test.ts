/** Callbacks against a real HTTP server that answers well, badly, late or not at all. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { createLogger } from '@weir/contracts/logger';
import { type CallbackBody, type CallbackOptions, Callbacks } from './callbacks.ts';

const logger = createLogger('test', 'silent');
const body: CallbackBody = {
  event: 'play',
  id: '1',
  node: 'edge-a',
  protocol: 'rtmp',
  app: 'live',
  stream: 'demo',
  query: {},
  clientAddress: '192.0.2.1',
  clientPort: 1,
  userAgent: '',
  timeMs: 0,
};

describe('callbacks', () => {
  const closing: (() => void)[] = [];
  after(() => {
    for (const close of closing) close();
  });

  async function server(handle: (request: IncomingMessage, response: ServerResponse, body: string) => void) {
    let asked = 0;
    const http = createServer((request, response) => {
      asked += 1;
      let text = '';
      request.on('data', (part: Buffer) => (text += part.toString()));
      request.on('end', () => handle(request, response, text));
    }).listen(0, '127.0.0.1');
    await once(http, 'listening');
    closing.push(() => http.close().closeAllConnections());
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/hook`;
    return {
      url,
      get asked() {
        return asked;
      },
    };
  }
  const callbacks = (options: Partial<CallbackOptions>) => {
    const made = new Callbacks(
      {
        url: '',
        events: ['connect', 'publish', 'play', 'close'],
        key: '',
        timeoutMs: 2_000,
        whenAway: 'deny',
        ...options,
      },
      logger,
    );
    closing.push(() => made.close());
    return made;
  };

  it('allow by 2xx and refuse by 4xx, with the sentence of the answer', async () => {
    const { url } = await server((_request, response, text) => {
      const { stream } = JSON.parse(text) as CallbackBody;
      response.statusCode = stream === 'demo' ? 204 : 403;
      response.end(stream === 'demo' ? '' : '{"message":"Your trial\\r\\nhas ended."}');
    });
    const asked = callbacks({ url });
    assert.equal(await asked.ask(body), undefined);
    assert.deepEqual(await asked.ask({ ...body, stream: 'other' }), {
      refused: 'callback-denied',
      description: 'Your trial has ended.',
    });
  });

  it('are signed over time and body', async () => {
    let signature: unknown;
    let sent = '';
    const { url } = await server((request, response, text) => {
      signature = request.headers['weir-signature'];
      sent = text;
      response.end();
    });
    await callbacks({ url, key: 'secret' }).ask(body);
    const [, time = '', digest = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(signature)) ?? [];
    assert.ok(Math.abs(Number(time) - Date.now() / 1_000) < 60);
    assert.equal(digest, createHmac('sha256', 'secret').update(`${time}.${sent}`).digest('hex'));
    assert.deepEqual(JSON.parse(sent), body);
  });

  it('ask only what they are to ask', async () => {
    const away = callbacks({ url: 'http://127.0.0.1:1/', events: ['publish'] });
    assert.equal(await away.ask(body), undefined);
    assert.equal((await away.ask({ ...body, event: 'publish' }))?.refused, 'callback-away');
  });

  it('answer the configured default when the server is gone, is broken, redirects or is late', async () => {
    const broken = await server((_request, response) => response.writeHead(500).end());
    const redirecting = await server((_request, response) => response.writeHead(302, { Location: '/' }).end());
    const silent = await server(() => {});
    const endless = await server((_request, response) => void response.writeHead(200).write('{'));
    for (const url of ['http://127.0.0.1:1/', broken.url, redirecting.url, silent.url, endless.url]) {
      const options = { url, timeoutMs: 150 };
      const startMs = performance.now();
      assert.equal((await callbacks(options).ask(body))?.refused, 'callback-away', url);
      assert.equal(await callbacks({ ...options, whenAway: 'allow' }).ask(body), undefined);
      assert.ok(performance.now() - startMs < 3_000);
    }
  });

  it('do not wait again and again for a server that is away', async () => {
    const silent = await server(() => {});
    const asked = callbacks({ url: silent.url, timeoutMs: 100 });
    for (let i = 0; i < 5; i += 1) await asked.ask(body);
    const startMs = performance.now();
    for (let i = 0; i < 50; i += 1) assert.equal((await asked.ask(body))?.refused, 'callback-away');
    assert.ok(performance.now() - startMs < 100, 'answered at once');
    assert.equal(silent.asked, 5);
    assert.equal(asked.unanswered, 55);
  });

  it('read no more of an answer than a few kilobytes', async () => {
    const { url } = await server((_request, response) => {
      response.writeHead(403);
      const timer = setInterval(() => response.write('x'.repeat(65_536)), 1);
      response.on('close', () => clearInterval(timer));
    });
    assert.deepEqual(await callbacks({ url }).ask(body), {
      refused: 'callback-denied',
      description: 'This is not allowed.',
    });
  });

  it('are refused at the start when they cannot be used', () => {
    assert.throws(() => callbacks({ url: 'localhost:80' }), { code: 'EDGE_CALLBACK_URL' });
    assert.throws(() => callbacks({ events: ['plays'] }), { code: 'EDGE_CALLBACK_EVENT' });
  });
});
