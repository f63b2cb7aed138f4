/**
 * A web site of somebody else that embeds the player: serves the built player under `/player/` and pages of the test's own,
 * so that players and edges are of different origins.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { playerRoute } from '@weir/edge/http/player-route';
import { buildPlayer, type PageSettings } from '@weir/player/bundle';

/** A running site. */
export interface PlayerSite {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  close(): Promise<void>;
}

/** @param pages HTML by path (`/shop.html`). */
export async function startPlayerSite(
  pages: Readonly<Record<string, string>> = {},
  settings: PageSettings = { measure: null },
): Promise<PlayerSite> {
  const files = buildPlayer(settings);
  const player = playerRoute(
    () => files,
    (error) => {
      throw error;
    },
  );
  const server = createServer((request, response) => {
    const page = pages[request.url?.split('?', 1)[0] ?? ''];
    if (page !== undefined) response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
    else if (!player(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await files;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
