/** What dies and what lives on: drain by weight, a killed and a cut-off edge, crashes of directors. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  ALLOWANCE,
  hasVip,
  knowAll,
  masterOf,
  partnerOf,
  type Site,
  seconds,
  servers,
  startKeepalived,
  startStub,
  until,
  VIP,
} from './site.ts';

interface Look {
  who: string;
  dead: string | null;
  maxGapMs: number;
}

export async function drain(site: Site): Promise<void> {
  const { results, directors, edges, clients } = site;
  const [edge] = edges;
  const names = await clients.ask<string[]>('hold', { host: VIP, port: 1935, count: 6 });
  edge?.must('curl -s "http://127.0.0.1:8080/weight?set=0"');
  const tookMs = await until('weight 0 on both', () =>
    directors.every((director) => servers(director).get('e1') === 0),
  );
  const tally = await clients.ask<Record<string, number>>('count', { host: VIP, port: 1935, count: 9 });
  const looks = await clients.ask<Look[]>('look');
  edge?.must('curl -s "http://127.0.0.1:8080/weight?set=50"');
  await until('half the weight on both', () => directors.every((director) => servers(director).get('e1') === 15));
  edge?.must('curl -s "http://127.0.0.1:8080/weight?set=100"');
  await until('the whole weight on both', () => directors.every((director) => servers(director).get('e1') === 30));
  await clients.ask('release');
  const alive = looks.filter(({ dead }) => dead === null).length;
  results.add({
    check: 'an edge that drains gets no new connection and keeps those it has',
    passed: alive === 6 && names.includes('e1') && tally.e1 === undefined && (tally.e2 ?? 0) + (tally.e3 ?? 0) === 9,
    measured: `weight 0 after ${seconds(tookMs)}, ${alive} of 6 kept, then half and whole weight again`,
    detail: JSON.stringify(tally),
  });
}

export async function killed(site: Site): Promise<void> {
  const { results, directors, edges, clients } = site;
  const edge = edges[1];
  await edge?.kill9('stub');
  const outMs = await until('e2 out on both', () => directors.every((director) => !servers(director).has('e2')));
  const tally = await clients.ask<Record<string, number>>('count', { host: VIP, port: 1935, count: 20 });
  const started = performance.now();
  if (edge) startStub(edge);
  await until('e2 back on both', () => knowAll(directors));
  const backMs = performance.now() - started;
  results.add({
    check: 'a killed edge is out, and nobody is sent to it any more',
    passed: outMs <= 1_500 * ALLOWANCE && (tally.e1 ?? 0) + (tally.e3 ?? 0) === 20,
    measured: `out after ${seconds(outMs)}, back ${seconds(backMs)} after its start`,
    target: '≤ 1.5 s',
    source: '10 s time-out, 3 tries, 3 s apart',
    detail: JSON.stringify(tally),
  });
}

export async function cutOff(site: Site): Promise<void> {
  const { results, directors, edges, clients } = site;
  const edge = edges[2];
  await clients.ask('hold', { host: VIP, port: 1935, count: 6 });
  edge?.link('down');
  const outMs = await until('e3 out', () => !servers(masterOf(site)).has('e3'));
  await delay(1_500);
  const looks = await clients.ask<Look[]>('look');
  await clients.ask('release');
  edge?.link('up');
  const backMs = await until('e3 back on both', () => knowAll(directors));
  const lost = looks.filter(({ who }) => who === 'e3');
  const kept = looks.filter(({ who }) => who !== 'e3');
  results.add({
    check: 'an edge that is silently cut off is out, its clients are told, the others notice nothing',
    passed:
      outMs <= 2_500 * ALLOWANCE &&
      lost.length > 0 &&
      lost.every(({ dead }) => dead !== null) &&
      kept.every(({ dead }) => dead === null),
    measured: `out after ${seconds(outMs)}, its ${lost.length} client(s) ${lost.map(({ dead }) => dead).join()}, ${kept.length} kept, back after ${seconds(backMs)}`,
    target: '≤ 2.5 s',
    detail: JSON.stringify(looks),
  });
}

export async function crash(site: Site): Promise<void> {
  const { results, clients } = site;
  const first = masterOf(site);
  const second = partnerOf(site);
  await clients.ask('hold', { host: VIP, port: 1935, count: 12 });
  await clients.ask('probe', { host: VIP, port: 1935 });
  // the partner hears of a connection once it has carried a few packets
  await delay(2_000);
  await clients.ask('forget');
  const started = performance.now();
  first.link('down');
  await first.kill9('keepalived');
  await until('the partner to take over', () => hasVip(second));
  const tookMs = performance.now() - started;
  await delay(2_500);
  const probed = await clients.ask<{ outageMs: number; answered: number }>('probed');
  const looks = await clients.ask<Look[]>('look');
  const alive = looks.filter(({ dead }) => dead === null).length;
  const gapMs = Math.max(...looks.map(({ maxGapMs }) => maxGapMs));
  results.add({
    check: 'a crashed director: every open connection lives on through its partner',
    passed: alive === 12 && gapMs <= 800 * ALLOWANCE && probed.answered > 10,
    measured: `${alive} of 12, largest gap ${seconds(gapMs)}; new connections ${seconds(probed.outageMs)}; address moved after ${seconds(tookMs)}`,
    target: 'all, ≤ 0.8 s',
    source: 'a stall of 1-2 s',
    detail: JSON.stringify(looks),
  });
}

export async function comesBack(site: Site): Promise<void> {
  const { results, directors, clients } = site;
  const second = masterOf(site);
  const first = partnerOf(site);
  first.link('up');
  first.must('ip address del 10.9.0.100/32 dev eth0 2>/dev/null; ipvsadm -C');
  await clients.ask('forget');
  startKeepalived(first);
  await until('three edges on the one that is back', () => knowAll([first]), 40_000);
  // connections are told to the partner again every fifty packets
  await delay(6_000);
  const quiet = await clients.ask<Look[]>('look');
  const still = hasVip(second) && !hasVip(first);
  const quietGapMs = Math.max(...quiet.map(({ maxGapMs }) => maxGapMs));
  results.add({
    check: 'the director that is back waits as partner and disturbs nobody',
    passed: still && quiet.every(({ dead }) => dead === null) && quietGapMs <= 800 * ALLOWANCE,
    measured: `${second.name} stays master, largest gap ${seconds(quietGapMs)}`,
  });
  await clients.ask('forget');
  second.link('down');
  await second.kill9('keepalived');
  await until('the first to take over again', () => hasVip(first));
  await delay(2_500);
  const looks = await clients.ask<Look[]>('look');
  await clients.ask('release');
  const alive = looks.filter(({ dead }) => dead === null).length;
  results.add({
    check: 'the next crash, the other way round: the connections live on again',
    passed: alive === 12 && Math.max(...looks.map(({ maxGapMs }) => maxGapMs)) <= 800 * ALLOWANCE,
    measured: `${alive} of 12, largest gap ${seconds(Math.max(...looks.map(({ maxGapMs }) => maxGapMs)))}`,
    target: 'all, ≤ 0.8 s',
    detail: JSON.stringify(looks),
  });
  second.link('up');
  second.must('ip address del 10.9.0.100/32 dev eth0 2>/dev/null; ipvsadm -C');
  startKeepalived(second);
  await until('three edges on both', () => knowAll(directors), 40_000);
}
