/** Another maker's server as a process of its own: started, asked and measured from outside. Before it: peers.ts. */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '@weir/test/harness/wait';

/** Whether `program` can be run here. */
export function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** Starts `program` and resolves when `readyUrl` answers; it dies with this process. */
export async function start(program: string, args: readonly string[], readyUrl: string) {
  const child = spawn(program, args, { stdio: 'ignore' });
  const killWithUs = () => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  child.once('exit', () => process.removeListener('exit', killWithUs));
  await waitFor(`${program} to answer`, async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
    return (await fetch(readyUrl)).ok;
  });
  return child;
}

/** Ends it in good order and waits until it is gone. */
export async function stop(child: ReturnType<typeof spawn>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

/** @throws Error with the server's words when it does not take `body` */
export async function post(url: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    body: typeof body === 'string' ? body : new Uint8Array(body),
    headers,
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${answer.slice(0, 300)}`);
}

/** Waits until merging has ended: the size of `folder` stays the same for a while. */
export async function settled(folder: string): Promise<void> {
  let last = -1;
  let same = 0;
  await waitFor(
    'merging to end',
    () => {
      const now = folderBytes(folder);
      same = now === last ? same + 1 : 0;
      last = now;
      return same >= 20;
    },
    { everyMs: 100, timeoutMs: 60_000 },
  );
}

/** Bytes of all files below `folder`. */
export function folderBytes(folder: string): number {
  let sum = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) sum += statSync(join(entry.parentPath, entry.name)).size;
  return sum;
}
