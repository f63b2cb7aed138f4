/** Where a Grafana is on this machine: GRAFANA_HOME, then `grafana` and the older `grafana-server` on the PATH, then Docker. */
import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/** How Grafana can be started. */
export interface FoundGrafana {
  /** Program and the arguments before ours. */
  readonly command: string;
  readonly args: readonly string[];
  /** Folder with `conf` and `public`. */
  readonly home: string;
}

/** Homes of packages whose program is only a link or lies elsewhere. */
const PACKAGE_HOMES = ['/usr/share/grafana', '/usr/local/share/grafana', '/opt/homebrew/opt/grafana/share/grafana'];

/** The Grafana of this machine, or undefined. */
export function findGrafana(environment: NodeJS.ProcessEnv): FoundGrafana | undefined {
  const folders = [
    ...(environment.GRAFANA_HOME ? [join(environment.GRAFANA_HOME, 'bin'), environment.GRAFANA_HOME] : []),
    ...(environment.PATH ?? '').split(delimiter).filter((folder) => folder !== ''),
  ];
  for (const folder of folders) {
    for (const name of ['grafana', 'grafana-server']) {
      const command = join(folder, name);
      if (!isProgram(command)) continue;
      const home = homeOf(command, environment);
      return { command, args: name === 'grafana' ? ['server'] : [], home };
    }
  }
  return undefined;
}

/** Whether `docker` is on the PATH. */
export function hasDocker(environment: NodeJS.ProcessEnv): boolean {
  return (environment.PATH ?? '').split(delimiter).some((folder) => folder !== '' && isProgram(join(folder, 'docker')));
}

function homeOf(command: string, environment: NodeJS.ProcessEnv): string {
  const beside = dirname(dirname(realpathSync(command)));
  const homes = [environment.GRAFANA_HOME, beside, ...PACKAGE_HOMES].filter((home) => home !== undefined);
  return homes.find((home) => existsSync(join(home, 'conf', 'defaults.ini'))) ?? beside;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
